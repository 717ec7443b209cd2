import { existsSync } from 'node:fs';
import { once } from 'node:events';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { kept } from '../../../src/netbird/observe.ts';
import { readHolder, takeRunLock } from '../../../src/orchestrator/lock.ts';
import { createTestHost, type TestHost } from '../../support/host.ts';
import { complaint } from './support.ts';

/*
 * The proof of the login removes the canaries of every other run, so it is at work alone.
 */

let host: TestHost;
let lockFile: string;
beforeEach(async () => {
  host = await createTestHost('proof');
  lockFile = join(host.state, 'run.lock');
});
afterEach(async () => host.remove());

test.each(['verify-oidc', 'verify'])('%s ends with 5 while another run is at work', async (verb) => {
  const lock = await takeRunLock(lockFile, 'up');
  const holder = await readFile(lockFile, 'utf8');
  const ended = await host.run([verb]);

  expect(ended.code).toBe(5);
  expect(complaint(host, ended)).toContain(
    'error[LOCK_HELD]: "up" is at work on this host since <time> (process <pid>)',
  );
  expect(await readFile(lockFile, 'utf8')).toBe(holder);
  await lock.release();
});

test('holds the lock itself until it ends', async () => {
  // The mesh has an owner, as far as this host knows, and NetBird takes calls and never answers.
  const secrets = join(host.state, 'secrets');
  await mkdir(secrets, { recursive: true, mode: 0o700 });
  await writeFile(join(secrets, kept.token), 'a-service-token', { mode: 0o600 });
  const silent = createServer(() => undefined).listen(host.ports.https, '127.0.0.1');
  const asked = once(silent, 'connection');
  const running = host.start(['verify-oidc']);
  const ended = new Promise<number | null>((done) => running.once('close', done));
  try {
    expect(await Promise.race([asked.then(() => 'asked'), ended])).toBe('asked');
    const holder = await readHolder(lockFile);
    running.kill('SIGINT');

    expect(holder).toMatchObject({ pid: running.pid, verb: 'verify-oidc' });
    expect(await ended).toBe(130);
    expect(existsSync(lockFile)).toBe(false);
  } finally {
    running.kill('SIGKILL');
    await ended;
    silent.close();
  }
});

test('ends with 3 where there is no stack yet, says why, and leaves no lock', async () => {
  const ended = await host.run(['verify-oidc']);
  const document = await host.run(['verify-oidc', '--json']);

  expect(ended.code).toBe(3);
  expect(complaint(host, ended)).toMatchInlineSnapshot(`
    "error[PROOF_NOT_STARTED]: the mesh has no owner yet, and the first who signs in becomes it
      fix: npm run up
      see: docs/errors.md#proof_not_started"
  `);
  expect(document.code).toBe(3);
  expect(JSON.parse(document.stdout)).toMatchObject({ error: { code: 'PROOF_NOT_STARTED' } });
  expect(existsSync(lockFile)).toBe(false);
});
