import { execFile } from 'node:child_process';
import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readSecretSource } from '../../../src/settings/secret-source.ts';
import { isStackError } from '../../../src/shared/errors.ts';
import { pathWithSops } from '../../support/sops.ts';

/*
 * The operator's token out of a file that the real sops encrypted with a real age key.
 */

const path = await pathWithSops();
const token = 'abcDEF-0123456789';
const run = promisify(execFile);

describe.skipIf(path === undefined)('a token in sops', () => {
  const before = { ...process.env };
  let folder: string;
  let file: string;
  let recipient: string;

  const env = (more: Readonly<Record<string, string>> = {}) => {
    for (const name of Object.keys(process.env)) if (name.startsWith('SOPS_')) delete process.env[name];
    Object.assign(process.env, { PATH: path, HOME: folder, XDG_CONFIG_HOME: join(folder, 'config') }, more);
    return process.env;
  };
  const read = async (key = 'acme/cloudflare_token', sops = 'secrets/secrets.yaml') =>
    readSecretSource({ sops, key }, { folder, env: process.env, signal: AbortSignal.timeout(60_000) });
  const encrypt = async (text: string, name = 'secrets.yaml'): Promise<string> => {
    const place = join(folder, 'secrets', name);
    await writeFile(place, text);
    await run('sops', ['encrypt', '--in-place', '--age', recipient, place], { env: env() });
    return place;
  };
  const failure = async (reading: Promise<string>): Promise<string> => {
    const error: unknown = await reading.then(
      () => new Error('it was read'),
      (thrown: unknown) => thrown,
    );
    if (!isStackError(error)) throw error;
    const shown = `${error.code}: ${error.message}\n${error.hint}`;
    expect(shown).not.toContain(token);
    expect(shown).not.toContain('AGE-SECRET-KEY');
    return shown.replaceAll(folder, '<folder>').replaceAll(recipient, '<recipient>');
  };

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'skylab-sops-'));
    await mkdir(join(folder, 'secrets'));
    for (const name of ['mine', 'other'])
      await run('age-keygen', ['-o', join(folder, `${name}.txt`)], { env: env() });
    const mine = await readFile(join(folder, 'mine.txt'), 'utf8');
    recipient = /public key: (\S+)/.exec(mine)?.[1] ?? '';
    file = await encrypt(`acme:\n  cloudflare_token: CLOUDFLARE_DNS_API_TOKEN=${token}\n  number: 7\n`);
  });
  afterAll(async () => {
    for (const name of Object.keys(process.env)) if (!(name in before)) delete process.env[name];
    Object.assign(process.env, before);
    await rm(folder, { recursive: true, force: true });
  });

  test('is read with the key that SOPS_AGE_KEY_FILE names, or that lies where sops looks', async () => {
    env({ SOPS_AGE_KEY_FILE: join(folder, 'mine.txt') });
    expect(await read()).toBe(token);

    await mkdir(join(folder, 'config', 'sops', 'age'), { recursive: true });
    await writeFile(
      join(folder, 'config', 'sops', 'age', 'keys.txt'),
      await readFile(join(folder, 'mine.txt'), 'utf8'),
    );
    env();
    expect(await read()).toBe(token);
    await rm(join(folder, 'config'), { recursive: true });
  });

  test('wants the key it was encrypted for, and names it', async () => {
    env({ SOPS_AGE_KEY_FILE: join(folder, 'other.txt') });

    expect(await failure(read())).toMatchInlineSnapshot(`
      "SECRET_UNREADABLE: cannot decrypt <folder>/secrets/secrets.yaml: it was encrypted for <recipient>, and no age key here is that one
      bring that key (sops takes it from the file that SOPS_AGE_KEY_FILE names, else from ~/.config/sops/age/keys.txt); or where you have it, add this machine's: sops rotate --in-place --add-age <its public key, age1…> <folder>/secrets/secrets.yaml"
    `);
  });

  test('wants a key at all', async () => {
    env();
    expect(await failure(read())).toMatchInlineSnapshot(`
      "SECRET_UNREADABLE: cannot decrypt <folder>/secrets/secrets.yaml: there is no age key (wanted: <recipient>)
      sops takes it from the file that SOPS_AGE_KEY_FILE names, else from ~/.config/sops/age/keys.txt"
    `);

    env({ SOPS_AGE_KEY_FILE: join(folder, 'nowhere.txt') });
    expect(await failure(read())).toContain('the age key file <folder>/nowhere.txt is not there');
  });

  test('wants the file, and the key in it', async () => {
    env({ SOPS_AGE_KEY_FILE: join(folder, 'mine.txt') });

    expect(await failure(read('acme/cloudflare_token', 'secrets/none.yaml'))).toMatchInlineSnapshot(`
      "SECRET_UNREADABLE: there is no file <folder>/secrets/none.yaml
      make it with: sops <folder>/secrets/none.yaml (docs/cloudflare.md shows how, age key included)"
    `);
    expect(await failure(read('acme/cloudflare-token'))).toMatchInlineSnapshot(`
      "SECRET_UNREADABLE: <folder>/secrets/secrets.yaml has nothing at "acme/cloudflare-token": "acme" has cloudflare_token, number
      add it with: sops <folder>/secrets/secrets.yaml; or change cloudflare.token.key in settings.yaml"
    `);
    expect(await failure(read('cloudflare_token'))).toContain('it has acme');
    expect(await failure(read('acme/number'))).toContain('SECRET_INVALID');
  });

  test('is refused where the file is not encrypted', async () => {
    await writeFile(join(folder, 'secrets', 'plain.yaml'), `acme: { cloudflare_token: ${token} }\n`);

    expect(await failure(read('acme/cloudflare_token', 'secrets/plain.yaml'))).toMatchInlineSnapshot(`
      "SECRET_INVALID: <folder>/secrets/plain.yaml is not encrypted: whoever reads it has what is in it
      sops encrypt --in-place <folder>/secrets/plain.yaml; if it was ever committed or copied, make a new token"
    `);
  });

  test('is refused where the form is another one', async () => {
    await encrypt('acme:\n  cloudflare_token: CLOUDFLARE_API_KEY=abc\n', 'form.yaml');
    env({ SOPS_AGE_KEY_FILE: join(folder, 'mine.txt') });

    expect(await failure(read('acme/cloudflare_token', 'secrets/form.yaml'))).toMatchInlineSnapshot(`
      "SECRET_INVALID: secrets/form.yaml at acme/cloudflare_token: it sets CLOUDFLARE_API_KEY, wanted is CLOUDFLARE_DNS_API_TOKEN
      write it as CLOUDFLARE_DNS_API_TOKEN=your_token_here, or as the bare token"
    `);
  });

  test('is refused where somebody edited the file by hand', async () => {
    const text = await readFile(file, 'utf8');
    await writeFile(
      join(folder, 'secrets', 'cut.yaml'),
      text.replace(/data:(.)/, (_, first) => `data:${first === 'A' ? 'B' : 'A'}`),
    );
    await writeFile(
      join(folder, 'secrets', 'late.yaml'),
      text.replace(/lastmodified: "\d{4}/, 'lastmodified: "2019'),
    );
    env({ SOPS_AGE_KEY_FILE: join(folder, 'mine.txt') });

    const cut = await failure(read('acme/cloudflare_token', 'secrets/cut.yaml'));
    expect(cut).toContain('it was changed after sops had written it');
    expect(await failure(read('acme/cloudflare_token', 'secrets/late.yaml'))).toContain(
      'it was changed after sops had written it',
    );
  });

  test('wants the program, and says where to get it', async () => {
    env({ PATH: '/nonexistent' });

    expect(await failure(read())).toMatchInlineSnapshot(`
      "SECRET_UNREADABLE: cannot decrypt <folder>/secrets/secrets.yaml: the program sops is not installed
      install it: nix shell nixpkgs#sops on NixOS; elsewhere https://getsops.io, which Debian has no package of"
    `);
  });
});

describe('a token in a file', () => {
  test('wants a file that nobody else can read', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'skylab-token-'));
    const read = async () =>
      readSecretSource({ file: 'token' }, { folder, env: {}, signal: AbortSignal.timeout(60_000) });
    await expect(read()).rejects.toMatchObject({
      code: 'SECRET_UNREADABLE',
      message: `there is no file ${folder}/token`,
    });

    await writeFile(join(folder, 'token'), `${token}\n`, { mode: 0o644 });
    await expect(read()).rejects.toMatchObject({
      code: 'SECRET_UNREADABLE',
      hint: `chmod 600 ${folder}/token`,
    });

    await chmod(join(folder, 'token'), 0o600);
    expect(await read()).toBe(token);
    await rm(folder, { recursive: true });
  });
});
