import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parseEnvFile } from '../../src/settings/identity-env.ts';
import { createTestHost, runProgram, type TestHost } from '../support/host.ts';

/*
 * Secrets on a stack that runs: taken over from pocketid.env at its first start, and replaced without breaking the login.
 */

let host: TestHost;
let env: string;
beforeAll(async () => {
  host = await createTestHost('secrets');
  env = join(host.folder, 'state', 'secrets', 'pocketid.env');
});
afterAll(async () => host.remove());

const secret = async (name: string) => readFile(join(host.state, 'secrets', name), 'utf8');
const startOf = async (service: string) =>
  (
    await runProgram('docker', ['inspect', '-f', '{{.State.StartedAt}}', `${host.project}-${service}-1`])
  ).stdout.trim();
const nothingLeft = async () => {
  expect((await host.run(['plan'])).stdout.trim()).toBe('nothing to do');
};

test('the first up takes key and password from pocketid.env, and the login works with them', async () => {
  const key = 'a-key/that+was-there=before';
  const password = "p'a%s~word";
  await mkdir(dirname(env), { recursive: true });
  await writeFile(
    env,
    `ENCRYPTION_KEY=${key}\nDB_CONNECTION_STRING=postgres://pocketid:p%27a%25s%7Eword@127.0.0.1:5432/pocketid\n`,
    { mode: 0o600 },
  );
  const planned = await host.run(['plan']);
  const up = await host.run(['up']);

  expect(planned.stdout).toContain(`${env} has postgres-password-pocketid, pocket-id-encryption-key`);
  expect([up.code, up.stderr]).toEqual([0, expect.stringContaining('write down which key opens the data')]);
  expect(await secret('pocket-id-encryption-key')).toBe(key);
  expect(await secret('postgres-password-pocketid')).toBe(password);
  expect(up.stdout + up.stderr).not.toContain(key);
  await nothingLeft();
});

describe('a new value', () => {
  test.each([
    ['postgres-password-pocketid', 'pocket-id', 'netbird-management'],
    ['pocket-id-static-api-key', 'pocket-id', 'netbird-management'],
    ['netbird-relay-secret', 'netbird-relay', 'pocket-id'],
  ])(
    'of %s is in effect at once, and proven by a login; %s starts anew, %s does not',
    async (name, user, other) => {
      const before = await secret(name);
      const [userBefore, otherBefore] = [await startOf(user), await startOf(other)];
      const rotated = await host.run(['secrets', 'rotate', name]);
      const after = await secret(name);

      expect([rotated.code, rotated.stderr]).toEqual([0, expect.stringContaining('ID token')]);
      expect(after).not.toBe(before);
      expect(await startOf(user)).not.toBe(userBefore);
      expect(await startOf(other)).toBe(otherBefore);
      expect(rotated.stdout + rotated.stderr).not.toContain(after);
      await nothingLeft();
    },
  );

  test('that was only written is brought into effect by the next up, also after a kill', async () => {
    const before = await secret('postgres-password-pocketid');
    const killed = await host.run(['secrets', 'rotate', 'postgres-password-pocketid'], {
      SKYLAB_KILL_AT: 'after:exec:1',
    });
    const up = await host.run(['up']);

    expect(killed.signal).toBe('SIGKILL');
    expect(await secret('postgres-password-pocketid')).not.toBe(before);
    expect([up.code, up.stderr]).toEqual([0, expect.stringContaining('ID token')]);
    await nothingLeft();
  });

  test('stands then in another file than that of a Pocket ID of its own, which is said and can be mended', async () => {
    const differs = await host.run(['secrets', 'pocketid']);
    const replaced = await host.run(['secrets', 'pocketid', '--replace']);
    const all = parseEnvFile(await readFile(env, 'utf8'));

    expect([differs.code, replaced.code]).toEqual([2, 0]);
    expect(all.get('ENCRYPTION_KEY')).toBe(await secret('pocket-id-encryption-key'));
    expect(new URL(all.get('DB_CONNECTION_STRING') ?? '').password).toBe(
      await secret('postgres-password-pocketid'),
    );
    expect((await host.run(['secrets', 'pocketid'])).code).toBe(0);
  });
});

test('a key that is lost is taken from pocketid.env again, and nothing starts anew', async () => {
  const key = await secret('pocket-id-encryption-key');
  const before = await startOf('pocket-id');
  await rm(join(host.state, 'secrets', 'pocket-id-encryption-key'));
  const up = await host.run(['up']);

  expect(up.code).toBe(0);
  expect(await secret('pocket-id-encryption-key')).toBe(key);
  expect(await startOf('pocket-id')).toBe(before);
  await nothingLeft();
});

test('secrets ca tells of the certificate that signs what nginx serves', async () => {
  const pem = await host.run(['secrets', 'ca', '--pem']);
  const text = await host.run(['secrets', 'ca']);

  expect([pem.code, text.code]).toEqual([0, 0]);
  expect(pem.stdout).toMatch(/^-----BEGIN CERTIFICATE-----/);
  expect(pem.stdout.trim()).toBe(
    (await readFile(join(host.state, 'certificates/roots/trust.pem'), 'utf8')).trim(),
  );
  for (const platform of ['Debian', 'Fedora', 'NixOS', 'Firefox', 'macOS', 'Windows', 'iPhone', 'Android'])
    expect(text.stdout).toContain(platform);
});
