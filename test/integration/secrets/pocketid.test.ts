import { execFile } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { mkdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { parseEnvFile } from '../../../src/settings/identity-env.ts';
import { createTestHost, runProgram, type TestHost } from '../../support/host.ts';
import { atTerminal, keys } from '../../support/terminal.ts';
import { createAuthority } from '../ingress/support/authority.ts';
import { complaint } from '../faults/support.ts';

/*
 * The file for a Pocket ID that runs without this stack, made by the verb; no Engine is needed.
 */

let host: TestHost;
let file: string;
beforeEach(async () => {
  host = await createTestHost('env');
  file = join(host.folder, 'state', 'secrets', 'pocketid.env');
});
afterEach(async () => host.remove());

const pocketid = async (...flags: readonly string[]) => host.run(['secrets', 'pocketid', ...flags]);
const variables = async (path = file) => parseEnvFile(await readFile(path, 'utf8'));
const keyIn = async (path = file) => (await variables(path)).get('ENCRYPTION_KEY');
const passwordIn = async (path = file) =>
  new URL((await variables(path)).get('DB_CONNECTION_STRING') ?? '').password;
const store = async (name: string, value: string) => {
  await mkdir(join(host.state, 'secrets'), { recursive: true, mode: 0o700 });
  await writeFile(join(host.state, 'secrets', name), value, { mode: 0o600 });
};
const shown = (text: string) => text.replaceAll(host.folder, '<folder>').replaceAll(host.name, '<host>');

describe('secrets pocketid, without a terminal', () => {
  test('makes key and password, in a file that only its owner reads; what it prints holds neither', async () => {
    const { code, stdout, stderr } = await pocketid();
    const { mode } = await stat(file);
    const key = (await keyIn()) ?? '';

    expect([code, (mode & 0o777).toString(8)]).toEqual([0, '600']);
    expect(key).toMatch(/^[A-Za-z0-9]{40}$/);
    expect(await passwordIn()).toMatch(/^[A-Za-z0-9]{40}$/);
    expect(await variables()).toSatisfy(
      (all: ReadonlyMap<string, string>) =>
        all.get('APP_URL') === `https://pocketid.skylab.localhost:${host.ports.https}` &&
        all.get('HOST') === '127.0.0.1' &&
        all.get('PORT') === String(host.ports.identity),
    );
    expect(stdout + stderr).not.toContain(key);
    expect(stdout + stderr).not.toContain(await passwordIn());
    expect(stdout).toContain('key         made now');
    expect(shown(stdout)).toContain('systemd     EnvironmentFile=<folder>/state/secrets/pocketid.env');
    expect(shown(stdout)).toContain('owner       ');
  });

  test('leaves a file that is there as it is, and says how it stands to this stack', async () => {
    await pocketid();
    const before = await readFile(file, 'utf8');
    const unused = await pocketid();
    await store('pocket-id-encryption-key', (await keyIn()) ?? '');
    await store('postgres-password-pocketid', await passwordIn());
    const same = await pocketid();
    await store('pocket-id-encryption-key', 'another-key-of-enough-length');
    const other = await pocketid();

    expect([unused.code, same.code, other.code]).toEqual([0, 0, 2]);
    expect(unused.stdout).toContain(
      'this stack has no such secrets yet; npm run up takes key and password from it',
    );
    expect(same.stdout).toContain('its key and password are those of this stack');
    expect(other.stdout).toContain('is not that of this stack');
    expect(await readFile(file, 'utf8')).toBe(before);
  });

  test('writes key and password of this stack, where it has them', async () => {
    await store('pocket-id-encryption-key', 'the-key-of-this-stack-1234');
    await store('postgres-password-pocketid', 'thePasswordOfThisStack');
    const { code, stdout } = await pocketid();

    expect(code).toBe(0);
    expect(stdout).toContain('key         that of this stack');
    expect([await keyIn(), await passwordIn()]).toEqual([
      'the-key-of-this-stack-1234',
      'thePasswordOfThisStack',
    ]);
  });

  test('replaces only when told so, keeps the old file, and keeps the key that was in it', async () => {
    await pocketid();
    const before = await readFile(file, 'utf8');
    const key = await keyIn();
    const { code, stdout } = await pocketid('--replace', '--database-host', 'db.example.org:5433');

    expect(code).toBe(0);
    expect(stdout).toContain('key         as it was in the file');
    expect(await keyIn()).toBe(key);
    expect((await variables()).get('DB_CONNECTION_STRING')).toContain('@db.example.org:5433/pocketid');
    expect(await readFile(`${file}.previous`, 'utf8')).toBe(before);
    expect((await stat(`${file}.previous`)).mode & 0o777).toBe(0o600);
  });

  test('takes key and password from files, and refuses what cannot be used', async () => {
    const key = join(host.folder, 'key');
    const password = join(host.folder, 'password');
    await writeFile(key, 'a-key-that-was-there-before\n');
    await writeFile(password, "p's%~\n");
    const done = await pocketid(
      '--key-file',
      key,
      '--password-file',
      password,
      '--path',
      join(host.folder, 'x.env'),
    );

    expect(done.code).toBe(0);
    expect(await keyIn(join(host.folder, 'x.env'))).toBe('a-key-that-was-there-before');
    expect(decodeURIComponent(await passwordIn(join(host.folder, 'x.env')))).toBe("p's%~");
    expect(done.stdout).toContain('looks for');

    await writeFile(key, 'short');
    const short = await pocketid('--key-file', key);
    expect(short.code).toBe(78);
    expect(complaint(host, short)).toContain('has 5 bytes, wanted are at least 16');

    await store('pocket-id-encryption-key', 'the-key-of-this-stack-1234');
    await writeFile(key, 'a-key-that-was-there-before\n');
    const other = await pocketid('--key-file', key);
    expect(other.code).toBe(78);
    expect(complaint(host, other)).toContain('is not that of this stack, which has one already');
  });

  test('refuses a file that others can read, and an owner whom nobody knows', async () => {
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, 'ENCRYPTION_KEY=a-key-that-was-there-before\n', { mode: 0o644 });
    const open = await pocketid();
    await rm(file);
    const nobody = await pocketid('--owner', 'nobody-of-that-name');

    expect(open.code).toBe(78);
    expect(complaint(host, open)).toContain('chmod 600');
    expect(nobody.code).toBe(64);
    expect(complaint(host, nobody)).toContain('there is no user "nobody-of-that-name"');
  });

  test('writes what a shell reads as it was meant', async () => {
    const password = join(host.folder, 'password');
    await writeFile(password, '~"`$x\'\\');
    await pocketid('--password-file', password);
    const script = 'set -a; . "$1"; printf "%s\\n%s" "$ENCRYPTION_KEY" "$DB_CONNECTION_STRING"';
    const { stdout } = await promisify(execFile)('bash', ['-c', script, 'bash', file]);

    expect(stdout.split('\n')).toEqual([await keyIn(), (await variables()).get('DB_CONNECTION_STRING')]);
    expect(decodeURIComponent(await passwordIn())).toBe('~"`$x\'\\');
  });
});

const noTerminal = (await runProgram('script', ['--version']).catch(() => ({ code: 1 }))).code !== 0;
const title = noTerminal ? 'at a terminal (needs the program script)' : 'at a terminal';

test.skipIf(noTerminal)(
  `${title} it asks, shows nothing of what is typed, asks again, and Enter makes one`,
  async () => {
    const at = atTerminal([process.execPath, 'dist/cli.js', 'secrets', 'pocketid'], host.env);
    await at.sees('encryption key (Enter: make one)');
    at.types(`short${keys.enter}`);
    await at.sees('has 5 bytes, wanted are at least 16');
    at.types(`${keys.clear}a-key-typed-by-a-person${keys.enter}`);
    await at.sees('password of the database (Enter: make one)');
    at.types(keys.enter);

    expect([await at.ends(), at.screen()]).toEqual([0, expect.stringContaining('key         as typed')]);
    expect(at.screen()).toContain('password    made now');
    expect(at.screen()).not.toContain('a-key-typed-by-a-person');
    expect(await keyIn()).toBe('a-key-typed-by-a-person');
    expect(await passwordIn()).toMatch(/^[A-Za-z0-9]{40}$/);
  },
);

test('secrets ca has nothing to show before the authority is known, and says so', async () => {
  const ca = await host.run(['secrets', 'ca']);

  expect(ca.code).toBe(3);
  expect(complaint(host, ca)).toMatchInlineSnapshot(`
    "error[LOCAL_CA_MISSING]: the certificate authority of this host is not known yet
      fix: npm run up gets its certificate
      see: docs/errors.md#local_ca_missing"
  `);
});

test('secrets ca shows the CA of private names too: its file, its fingerprint, and the way to each platform', async () => {
  const { root } = await createAuthority();
  await host.change((settings) => {
    settings['private_names'] = { 'pocketid.attic.internal': 'identity' };
  });
  const place = join(host.state, 'certificates', 'local', 'root.pem');
  await mkdir(dirname(place), { recursive: true });
  await writeFile(place, root);
  const text = await host.run(['secrets', 'ca']);
  const pem = await host.run(['secrets', 'ca', '--pem']);
  const { fingerprint256 } = new X509Certificate(root);

  expect([text.code, pem.code]).toEqual([0, 0]);
  expect(text.stdout).toContain(
    'it signs the certificate of pocketid.attic.internal, and can sign for no other domain',
  );
  expect(text.stdout).toContain(`SHA-256       ${fingerprint256}`);
  expect(text.stdout).toContain(`sudo cp ${place} /usr/local/share/ca-certificates/skylab-${host.name}.crt`);
  expect(pem.stdout.trim()).toBe(root.trim());
});

test('secrets list names every secret with its age and its users, and no value; --json is one document', async () => {
  await store('turn-secret', 'the-value-of-turn-secret');
  await store('netbird-service-token', 'nbp_value');
  const { code, stdout } = await host.run(['secrets', 'list']);
  const json = await host.run(['secrets', 'list', '--json']);
  const { secrets } = JSON.parse(json.stdout) as { secrets: { name: string; usedBy: string[] }[] };

  expect(code).toBe(0);
  expect(stdout).toMatch(
    /turn-secret {2}\(ours\)\n.*\n {4}kept .*, from today\n {4}used by {3}netbird-management, coturn\n/,
  );
  expect(stdout + json.stdout).not.toMatch(/the-value-of|nbp_value|sandbox-token/);
  expect(secrets.map((one) => [one.name, one.usedBy.join(' ')])).toEqual(
    expect.arrayContaining([
      ['cloudflare-token', 'certs this program'],
      ['postgres-password-pocketid', 'pocket-id postgres'],
      ['netbird-service-token', 'this program'],
    ]),
  );
});
