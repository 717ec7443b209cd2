import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createTestHost, runProgram, type TestHost } from '../support/host.ts';
import { nativeSql } from '../integration/takeover/native.ts';

/*
 * A Pocket ID is taken over: first by a stack that was up and that nobody has used, then by one that was never up. The
 * dumps are those of a stand-in's database; a dump of the real server would not be understood here, and is refused.
 */

const ben = { username: 'ben', email: 'ben@skylab.localhost', first_name: 'Ben', groups: ['netbird-users'] };
const keyName = 'pocket-id-encryption-key';

let host: TestHost;
beforeAll(async () => {
  host = await createTestHost('adopt');
});
afterAll(async () => host.remove());

const inPostgres = async (...args: readonly string[]) =>
  runProgram('docker', ['exec', '-u', 'postgres', `${host.project}-postgres-1`, ...args]);
const ask = async (sql: string, database = 'pocketid_standin') =>
  (await inPostgres('psql', '-At', '-U', 'postgres', '-d', database, '-c', sql)).stdout.trim().split('\n');
const users = async () =>
  ask("SELECT id || ' ' || (body->>'username') FROM standin_documents WHERE kind = 'user' ORDER BY 1");
const databases = async () =>
  ask("SELECT datname FROM pg_database WHERE datname LIKE 'pocketid%' ORDER BY 1", 'postgres');
const key = async () => readFile(join(host.state, 'secrets', keyName), 'utf8');
const file = (name: string) => join(host.folder, name);
const dumpTo = async (name: string, ...args: readonly string[]) => {
  const { stdout } = await inPostgres(
    'sh',
    '-c',
    `pg_dump ${args.join(' ')} -U postgres pocketid_standin | base64`,
  );
  await writeFile(file(name), Buffer.from(stdout, 'base64'));
};
const adopt = async (dump: string, args: readonly string[] = [], more = {}) =>
  host.run(['adopt', 'pocketid', '--dump', file(dump), '--key-file', file('pocketid.env'), ...args], more);
const setPeople = async (people: readonly object[]) =>
  host.change((settings) => {
    settings['identity'] = { ...(settings['identity'] as object), people };
  });

describe('a Pocket ID that ran elsewhere', { concurrent: false }, () => {
  let before: string[];
  let oldKey: string;

  test('leaves a dump and a key', async () => {
    await setPeople([ben]);
    expect((await host.run(['up'])).code).toBe(0);
    before = await users();
    oldKey = await key();
    await dumpTo('custom.dump', '-Fc');
    await dumpTo('plain.sql');
    await writeFile(
      file('pocketid.env'),
      `ENCRYPTION_KEY=${oldKey}\nAPP_URL=https://pocketid.skylab.localhost\n`,
    );

    expect(before.join(' ')).toMatch(/ ben/);
  });

  test('is taken over by a stack that is up and that nobody uses; what gives way is kept', async () => {
    await host.wipe();
    await setPeople([]);
    expect((await host.run(['up'])).code).toBe(0);
    const ownKey = await key();
    // Between the key and the database: the key is that of the dump already, the database is not.
    const killed = await adopt('plain.sql', ['--adopt'], { SKYLAB_KILL_AT: 'before:exec:4' });
    expect([killed.signal, await key()]).toEqual(['SIGKILL', oldKey]);
    const taken = await adopt('plain.sql', ['--adopt']);

    expect(taken.stderr).toContain('29 passed, 0 failed, 0 skipped');
    expect(taken.stderr).toMatch(
      /what was here before is kept, its database: pocketid_standin_before_takeover/,
    );
    expect(taken.code).toBe(0);
    expect(await databases()).toEqual(['pocketid', 'pocketid_standin', 'pocketid_standin_before_takeover']);
    expect(await users()).toEqual(before);
    expect(await readdir(join(host.folder, 'state'))).toContain('netbird-standin_before_takeover');
    expect(await readFile(join(host.state, 'secrets', `${keyName}-before-takeover`), 'utf8')).toBe(ownKey);
  });

  test('is refused by a fresh stack where it is of another kind, or something has to be decided; nothing changes', async () => {
    await host.wipe();
    await writeFile(file('real.sql'), `-- PostgreSQL database dump\n${nativeSql()}`);
    const real = await adopt('real.sql', ['--adopt']);
    const undecided = await adopt('custom.dump');

    expect([real.code, undecided.code]).toEqual([3, 3]);
    expect(real.stderr).toContain(
      'error[DATA_FOREIGN]: the dump is of a real Pocket ID, and a stand-in runs here',
    );
    expect(undecided.stderr).toContain('error[IDENTITY_CONFLICT]: the dump holds what the settings declare');
    expect(undecided.stderr).toContain('fix: add --adopt');
    expect(await databases()).toEqual(['pocketid', 'pocketid_standin']);
    expect(await key()).not.toBe(oldKey);
  });

  test('is taken over by a fresh stack, though the first run is killed right after the swap', async () => {
    const killed = await adopt('custom.dump', ['--adopt', '--verbose'], { SKYLAB_KILL_AT: 'after:exec:4' });
    expect(killed.signal).toBe('SIGKILL');
    const taken = await adopt('custom.dump', ['--adopt']);

    expect(taken.stderr).toContain('29 passed, 0 failed, 0 skipped');
    expect(taken.code).toBe(0);
    expect(await key()).toBe(oldKey);
    expect(await users()).toEqual(before);
    expect(await databases()).toEqual(['pocketid', 'pocketid_standin']);
    expect(await readdir(join(host.folder, 'state'))).not.toContain('netbird-standin_before_takeover');
    expect(`${taken.stdout}${taken.stderr}${killed.stderr}`).not.toContain(oldKey);
    expect((await host.run(['plan'])).code).toBe(0);
  });

  test('is taken over by no stack that somebody uses', async () => {
    const refused = await adopt('plain.sql', ['--adopt']);

    expect(refused.code).toBe(3);
    expect(refused.stderr).toContain("error[TAKEOVER_REFUSED]: this stack's own Pocket ID is in use: ben");
    expect(await users()).toEqual(before);
  });
});
