import { parse } from 'yaml';
import { run } from '../shared/exec.ts';
import { readText } from '../shared/files.ts';
import { StackError } from '../shared/errors.ts';

/*
 * A value from a file that sops encrypted with age. The names in such a file are in the clear, its values are not. The
 * program `sops` decrypts it; nothing of it is written anywhere.
 */

interface Where {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly signal: AbortSignal;
}

const unreadable = (message: string, hint: string): StackError =>
  new StackError('SECRET_UNREADABLE', message, { hint });

const isSection = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** The age recipients that a file was encrypted for; undefined where it is not encrypted at all. */
export const recipientsOf = (text: string): readonly string[] | undefined => {
  let document: unknown;
  try {
    document = parse(text, { logLevel: 'error' });
  } catch {
    return undefined;
  }
  const metadata = isSection(document) ? document['sops'] : undefined;
  if (!isSection(metadata)) return undefined;
  const age: unknown = metadata['age'];
  return (Array.isArray(age) ? (age as readonly unknown[]) : []).flatMap((one) =>
    isSection(one) && typeof one['recipient'] === 'string' ? [one['recipient']] : [],
  );
};

/** What sops printed, without its frames and line breaks. */
const said = (stderr: string): string =>
  stderr
    .split('\n')
    .map((line) => line.replace(/^[\s|-]+/, '').trim())
    .join(' ')
    .trim();

const defaultKeys = '~/.config/sops/age/keys.txt';

/** Where sops takes the age key from, for people; under sudo the home is that of root. */
const placeOfKey = (env: Where['env']): string => {
  const user = env['SUDO_USER'];
  if (user === undefined || env['SOPS_AGE_KEY_FILE'] !== undefined)
    return `sops takes it from the file that SOPS_AGE_KEY_FILE names, else from ${defaultKeys}`;
  return `under sudo ${defaultKeys} is that of root; name yours: sudo SOPS_AGE_KEY_FILE=/home/${user}/.config/sops/age/keys.txt npm run up`;
};

/** Exit codes of sops (its cmd/sops/codes). */
const exits = { brokenValue: 25, macMismatch: 51, macMissing: 52, noDataKey: 128 } as const;

const noKey = (file: string, text: string, recipients: readonly string[], env: Where['env']): StackError => {
  const wanted = recipients.length === 0 ? 'another kind of key than age' : recipients.join(' or ');
  const missing = /failed to open (?:\S+ file: open )?(\S+): no such file/.exec(text)?.[1];
  if (missing !== undefined)
    return unreadable(
      `cannot decrypt ${file}: the age key file ${missing} is not there`,
      `let SOPS_AGE_KEY_FILE name the file with the key of ${wanted}`,
    );
  if (/did not match|no identity matched|incorrect identity/.test(text))
    return unreadable(
      `cannot decrypt ${file}: it was encrypted for ${wanted}, and no age key here is that one`,
      `bring that key (${placeOfKey(env)}); or where you have it, add this machine's: sops rotate --in-place --add-age <its public key, age1…> ${file}`,
    );
  if (/failed to parse/.test(text))
    return unreadable(
      `cannot decrypt ${file}: what should be an age key is none`,
      'the file wants a line that starts with AGE-SECRET-KEY-1, as age-keygen writes it',
    );
  return unreadable(`cannot decrypt ${file}: there is no age key (wanted: ${wanted})`, placeOfKey(env));
};

/** Why sops failed, as an error with its fix: decided by its exit code, and for keys by its words. */
export const sopsFailure = (
  ended: {
    readonly exitCode: number | undefined;
    readonly stderr: string;
    readonly errno: string | undefined;
  },
  {
    file,
    recipients,
    env,
  }: {
    readonly file: string;
    readonly recipients: readonly string[];
    readonly env: Where['env'];
  },
): StackError => {
  const text = said(ended.stderr);
  if (ended.errno === 'ENOENT')
    return unreadable(
      `cannot decrypt ${file}: the program sops is not installed`,
      'install it: nix shell nixpkgs#sops on NixOS; elsewhere https://getsops.io, which Debian has no package of',
    );
  switch (ended.exitCode) {
    case exits.noDataKey:
      return noKey(file, text, recipients, env);
    case exits.brokenValue:
    case exits.macMismatch:
    case exits.macMissing:
      return unreadable(
        `cannot decrypt ${file}: it was changed after sops had written it`,
        `take the last whole version (git log -- ${file}), and change it only with: sops ${file}`,
      );
    case undefined:
      return unreadable(
        `cannot decrypt ${file}: sops did not end in time`,
        'a key that asks for a passphrase cannot be used here; take an age key without one',
      );
    default:
      return unreadable(
        `cannot decrypt ${file}: sops ended with ${ended.exitCode} (${text.slice(0, 300)})`,
        `try it by hand: sops decrypt ${file}`,
      );
  }
};

/** The text at a path such as `acme/cloudflare_token`. @throws {StackError} SECRET_UNREADABLE, SECRET_INVALID */
const textAt = (document: unknown, key: string, file: string): string => {
  let found: unknown = document;
  const walked: string[] = [];
  for (const part of key.split('/')) {
    const names = isSection(found) ? Object.keys(found) : [];
    if (!isSection(found) || !names.includes(part)) {
      const where = walked.length === 0 ? 'it has' : `"${walked.join('/')}" has`;
      throw unreadable(
        `${file} has nothing at "${key}": ${where} ${names.length === 0 ? 'no further names' : names.join(', ')}`,
        `add it with: sops ${file}; or change cloudflare.token.key in settings.yaml`,
      );
    }
    found = found[part];
    walked.push(part);
  }
  if (typeof found === 'string') return found;
  throw new StackError('SECRET_INVALID', `${file} has no text at "${key}"`, {
    hint: `write it as text: sops ${file}`,
  });
};

/**
 * The text at a key of a file that sops encrypted.
 * @throws {StackError} SECRET_UNREADABLE, SECRET_INVALID; never with a value in it
 */
export const readSops = async (file: string, key: string, { env, signal }: Where): Promise<string> => {
  const text = await readText(file);
  if (text === undefined)
    throw unreadable(
      `there is no file ${file}`,
      `make it with: sops ${file} (docs/cloudflare.md shows how, age key included)`,
    );
  const recipients = recipientsOf(text);
  if (recipients === undefined)
    throw new StackError('SECRET_INVALID', `${file} is not encrypted: whoever reads it has what is in it`, {
      hint: `sops encrypt --in-place ${file}; if it was ever committed or copied, make a new token`,
    });
  const ended = await run('sops', ['--decrypt', '--output-type', 'json', file], {
    timeoutMs: 20_000,
    signal,
  });
  if (ended.exitCode !== 0) throw sopsFailure(ended, { file, recipients, env });
  return textAt(parse(ended.stdout), key, file);
};
