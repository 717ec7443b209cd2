import { access, constants } from 'node:fs/promises';
import { delimiter, dirname, isAbsolute, join } from 'node:path';
import type { SecretSource } from '../settings/schema.ts';
import { run } from '../shared/exec.ts';
import { exists, makeDirectories, writeAtomic } from '../shared/files.ts';
import { StackError } from '../shared/errors.ts';

/*
 * The file in which Cloudflare's token is kept, encrypted by sops with age. The token is handed to sops through a pipe:
 * it stands on no command line and in no file in clear.
 */

export interface TokenFile {
  /** Absolute path of the encrypted file. */
  readonly file: string;
  /** Absolute path of the age key, where sops looks for it. */
  readonly ageKey: string;
  readonly signal: AbortSignal;
}

const atCloudflare =
  'docs/cloudflare.md shows how to make the token: template "Edit zone DNS", for one zone, shown once.';

type Env = Readonly<Record<string, string | undefined>>;

/** Where sops looks for age keys: SOPS_AGE_KEY_FILE, else in the configuration folder of the user. */
export const ageKeyPath = (env: Env, home: string): string =>
  env['SOPS_AGE_KEY_FILE'] ??
  join(env['XDG_CONFIG_HOME'] ?? join(home, '.config'), 'sops', 'age', 'keys.txt');

const isInstalled = async (program: string, env: Env): Promise<boolean> => {
  // Asked for its version, sops would go and look for a newer one.
  const found = await Promise.all(
    (env['PATH'] ?? '').split(delimiter).map(async (folder) => {
      try {
        await access(join(folder, program), constants.X_OK);
        return true;
      } catch {
        return false;
      }
    }),
  );
  return found.includes(true);
};

/** True where sops and age are installed, so that the file can be made here and now. */
export const canMake = async (env: Env): Promise<boolean> =>
  (await Promise.all(['sops', 'age-keygen'].map(async (program) => isInstalled(program, env)))).every(
    Boolean,
  );

/** The absolute path of a file that settings name: relative ones count from the folder of the host. */
export const fileIn = (folder: string, file: string): string =>
  isAbsolute(file) ? file : join(folder, file);

/** What a person types to make the file by hand. */
const howToMake = async (file: string, ageKey: string): Promise<string> =>
  [
    `There is no ${file} yet. It is made by sops, with a key of age (both are programs to install):`,
    ...((await exists(ageKey))
      ? []
      : [
          `  mkdir -p ${dirname(ageKey)} && age-keygen -o ${ageKey}`,
          '    once a machine; keep a copy of that key elsewhere: without it nobody can read the file again',
        ]),
    `  mkdir -p ${dirname(file)}`,
    `  sops --age "$(age-keygen -y ${ageKey})" ${file}`,
    'and in the editor that opens, in place of what stands there:',
    '  acme:',
    '    cloudflare_token: CLOUDFLARE_DNS_API_TOKEN=your_token_here',
    atCloudflare,
  ].join('\n');

const inFile = (file: string): string =>
  [
    `There is no ${file} yet. To put the token there, readable by you alone:`,
    `  (umask 077; cat > ${file})`,
    '    paste the token, then Enter and Ctrl-D',
    atCloudflare,
  ].join('\n');

const inVariable = (name: string): string =>
  [
    `The environment has no ${name} yet. In the shell in which you run what follows:`,
    `  read -rs ${name} && export ${name}`,
    '    paste the token, which is not shown, then Enter',
    atCloudflare,
  ].join('\n');

/** How the token comes to where the settings look for it, with every command; undefined where it is there. */
export const howToPlace = async (
  source: SecretSource,
  { folder, ageKey, env }: { readonly folder: string; readonly ageKey: string; readonly env: Env },
): Promise<string | undefined> => {
  if ('env' in source) return env[source.env] === undefined ? inVariable(source.env) : undefined;
  const named = 'sops' in source ? source.sops : 'file' in source ? source.file : undefined;
  if (named === undefined) return undefined;
  const file = fileIn(folder, named);
  if (await exists(file)) return undefined;
  return 'sops' in source ? howToMake(file, ageKey) : inFile(file);
};

const timeoutMs = 30_000;

const failed = (what: string, stderr: string): StackError =>
  new StackError('SECRET_UNREADABLE', `${what} failed: ${stderr.trim().split('\n').at(-1) ?? ''}`, {
    hint: 'make the file by hand, as docs/cloudflare.md shows, then run npm run init again',
  });

const recipientOf = async ({ ageKey, signal }: TokenFile): Promise<string> => {
  if (!(await exists(ageKey))) {
    await makeDirectories(dirname(ageKey));
    const made = await run('age-keygen', ['-o', ageKey], { timeoutMs, signal });
    if (made.exitCode !== 0) throw failed('age-keygen', made.stderr);
  }
  const shown = await run('age-keygen', ['-y', ageKey], { timeoutMs, signal });
  const recipient = shown.stdout.trim().split('\n').join(',');
  if (shown.exitCode !== 0 || recipient === '') throw failed(`age-keygen -y ${ageKey}`, shown.stderr);
  return recipient;
};

/**
 * Makes the file with this token in it, and an age key where there is none. What is there already is never replaced.
 * @throws {StackError} SECRET_UNREADABLE, DISK_*
 */
export const makeTokenFile = async (place: TokenFile, token: string): Promise<void> => {
  const { file, signal } = place;
  const recipient = await recipientOf(place);
  const value = token.includes('=') ? token : `CLOUDFLARE_DNS_API_TOKEN=${token}`;
  // JSON is YAML. sops opens its input by name, which it could not do with the socket that Node hands to a child.
  const encrypted = await run(
    'sh',
    [
      '-c',
      'cat | sops "$@" /dev/stdin',
      'sh',
      '--encrypt',
      '--age',
      recipient,
      '--input-type',
      'json',
      '--output-type',
      'yaml',
    ],
    { timeoutMs, signal, stdin: JSON.stringify({ acme: { cloudflare_token: value } }) },
  );
  if (encrypted.exitCode !== 0 || encrypted.stdout === '') throw failed('sops', encrypted.stderr);
  if (await exists(file)) return;
  await makeDirectories(dirname(file));
  await writeAtomic(file, `${encrypted.stdout}\n`, 0o600);
};
