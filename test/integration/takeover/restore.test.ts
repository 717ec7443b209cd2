import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { contentsSql, readContents } from '../../../src/oidc/takeover/contents.ts';
import { opens } from '../../../src/oidc/takeover/encryption-key.ts';
import { readUploads, uploadsSql } from '../../../src/oidc/takeover/uploads.ts';
import type { ContainerExec } from '../../../src/orchestrator/ports.ts';
import { runSql } from '../../../src/postgres/observe.ts';
import { readDump, type Dump } from '../../../src/postgres/restore/dump.ts';
import {
  besideOf,
  commentOf,
  dropEmpty,
  restoreBeside,
  swapIn,
} from '../../../src/postgres/restore/restore.ts';
import { skipWithoutPostgres, startPostgres, type TestPostgres } from '../../support/postgres.ts';
import { effectsFor, Killed } from '../../support/steps.ts';
import { anna, execOn, makeNative, misleading, nativeKey, nativeSql, pgDump, query } from './native.ts';

/*
 * Dumps of a database with Pocket ID's names, made by the real pg_dump, restored into a real PostgreSQL.
 */

const target = { database: 'pocketid', role: 'pocketid' };
const beside = besideOf(target.database);
const aside = 'pocketid_before_takeover';
const forms = { custom: ['-Fc'], plain: ['-Fp'], 'plain with INSERT': ['-Fp', '--inserts'] } as const;
type Form = keyof typeof forms;

let server: TestPostgres;
let exec: ContainerExec;
const dumps = {} as Record<Form, Dump>;
const signal = AbortSignal.timeout(900_000);
const urlOf = (database: string) => server.url.replace(/\/postgres$/, `/${database}`);
const look = async (database: string) =>
  readContents(await runSql(exec, database, contentsSql, 'look', signal));
const databases = async () =>
  (await query(server.url, "SELECT datname FROM pg_database WHERE datname LIKE 'pocketid%' ORDER BY 1")).map(
    (row) => row['datname'],
  );
const restore = async (dump: Dump, effects = effectsFor()) =>
  restoreBeside(exec, target, dump, effects, signal);
const swap = async (effects = effectsFor()) =>
  swapIn(exec, { database: target.database, aside, comment: 'taken over' }, [], effects, signal);

const isSkipped = skipWithoutPostgres();

describe.skipIf(isSkipped)('a dump of a native Pocket ID', () => {
  beforeAll(async () => {
    server = await startPostgres();
    exec = execOn(server, { pocketid: 'ours' });
    await query(server.url, "CREATE ROLE pocketid LOGIN PASSWORD 'ours'");
    const url = await makeNative(server, 'pocket-id', nativeSql());
    for (const form of Object.keys(forms) as Form[])
      dumps[form] = readDump(await pgDump(url, ...forms[form]), 'pocketid.dump');
    await query(server.url, 'DROP DATABASE "pocket-id"');
    await query(server.url, 'DROP ROLE "pocket-id"');
  });
  afterAll(async () => server.stop());
  beforeEach(async () => {
    for (const name of [target.database, beside, aside])
      await query(server.url, `DROP DATABASE IF EXISTS ${name} WITH (FORCE)`);
    await query(server.url, 'CREATE DATABASE pocketid OWNER pocketid');
  });

  test.each(Object.keys(forms) as Form[])(
    'in the form "%s" is restored whole, though its owner does not exist here',
    async (form) => {
      await restore(dumps[form]);

      expect(await look(beside)).toMatchObject({
        kind: 'real',
        version: 20_260_814_120_000,
        isDirty: false,
        users: [{ id: anna, username: 'anna', email: 'anna@example.org', passkeys: 2 }],
        groups: [{ name: 'family' }],
        clients: [{ name: 'Netbird' }],
        hasStorage: true,
      });
      const [row] = await query(
        urlOf(beside),
        `SELECT first_name, note(), pg_get_functiondef('note'::regproc) AS body FROM users WHERE id = '${anna}'`,
      );
      expect(row).toMatchObject({ first_name: misleading, note: "it's" });
      expect(row?.['body']).toContain('GRANT ALL ON users TO PUBLIC;');
      const owners = await query(
        urlOf(beside),
        "SELECT DISTINCT tableowner FROM pg_tables WHERE schemaname = 'public'",
      );
      expect(owners).toEqual([{ tableowner: 'pocketid' }]);
      expect((await look(target.database)).kind).toBe('empty');
    },
  );

  test('tells whether a key is the one that it was sealed with', async () => {
    await restore(dumps.custom);
    const { signingKey = '', instanceId = '' } = await look(beside);

    expect(opens(nativeKey, instanceId, signingKey)).toBe(true);
    expect(opens(`${nativeKey}\n`, instanceId, signingKey)).toBe(false);
  });

  test('takes the place of an empty database in one step', async () => {
    await restore(dumps.custom);
    await swap();
    await dropEmpty(exec, aside, effectsFor(), signal);

    expect(await databases()).toEqual(['pocketid']);
    expect(await look(target.database)).toMatchObject({ kind: 'real', users: [{ username: 'anna' }] });
    expect(await commentOf(exec, target.database, signal)).toBe('taken over');
    expect(await commentOf(exec, 'no_such', signal)).toBeUndefined();
  });

  test('leaves what was there before under another name, also while somebody is connected to it', async () => {
    await query(urlOf(target.database), 'CREATE TABLE kept (n int); INSERT INTO kept VALUES (7)');
    await restore(dumps.plain);
    const held = runSql(exec, target.database, 'SELECT pg_sleep(60);', 'hold it', signal).catch(
      (error: unknown) => error,
    );
    await expect
      .poll(
        async () =>
          query(
            server.url,
            "SELECT 1 FROM pg_stat_activity WHERE query LIKE '%pg_sleep%' AND datname = 'pocketid'",
          ),
        { timeout: 20_000 },
      )
      .toHaveLength(1);
    await swap();

    expect(await held).toMatchObject({ code: 'DATABASE_FAILED' });
    expect(await query(urlOf(aside), 'SELECT n FROM kept')).toEqual([{ n: 7 }]);
  });

  test('that breaks off in the middle changes nothing, and is removed by the next one', async () => {
    const whole = dumps.plain.bytes;
    const cut: Dump = { format: 'plain', bytes: Buffer.concat([whole, Buffer.from('\nSELECT 1/0;\n')]) };

    await expect(restore(cut)).rejects.toMatchObject({ code: 'DUMP_UNUSABLE' });
    expect((await look(beside)).kind).toBe('empty');
    expect((await look(target.database)).kind).toBe('empty');

    await restore(dumps.plain);
    expect((await look(beside)).kind).toBe('real');
  });

  test('killed before or after any effect, the next run ends in the same world', async () => {
    const run = async (effects = effectsFor()) => {
      const isDone = (await commentOf(exec, target.database, signal)) === 'taken over';
      if (isDone) return;
      await restore(dumps.custom, effects);
      await swap(effects);
    };
    const counting = effectsFor();
    await run(counting);
    expect(counting.count()).toBe(4);
    for (let at = 1; at <= counting.count(); at += 1) {
      for (const when of ['before', 'after'] as const) {
        for (const name of [target.database, beside, aside])
          await query(server.url, `DROP DATABASE IF EXISTS ${name} WITH (FORCE)`);
        await query(server.url, 'CREATE DATABASE pocketid OWNER pocketid');
        await expect(run(effectsFor({ when, at }))).rejects.toThrow(Killed);
        await run();
        expect(await databases()).toEqual(['pocketid', aside]);
        expect((await look(target.database)).users).toHaveLength(1);
      }
    }
  });

  test('takes the pictures that were kept as files into its database, and a second time changes nothing', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'skylab-uploads-'));
    const images = join(folder, 'uploads', 'application-images');
    const pictures = join(folder, 'uploads', 'profile-pictures', 'defaults');
    await mkdir(images, { recursive: true });
    await mkdir(pictures, { recursive: true });
    await writeFile(join(images, "it's.png"), Buffer.from([0, 255, 39, 92]));
    await writeFile(join(images, 'logo.png.0-tmp'), 'half');
    await writeFile(join(pictures, 'A.png'), 'picture');
    await restore(dumps.custom);
    const script = uploadsSql(await readUploads(folder));
    for (let count = 0; count < 2; count += 1)
      await runSql(exec, beside, script, 'take the pictures', signal);

    expect(await query(urlOf(beside), 'SELECT path, data, size::int FROM storage ORDER BY path')).toEqual([
      { path: "application-images/it's.png", data: Buffer.from([0, 255, 39, 92]), size: 4 },
      { path: 'profile-pictures/defaults/A.png', data: Buffer.from('picture'), size: 7 },
    ]);
    await expect(readUploads(join(folder, 'elsewhere'))).rejects.toMatchObject({ code: 'TAKEOVER_REFUSED' });
    await rm(folder, { recursive: true, force: true });
  });
});
