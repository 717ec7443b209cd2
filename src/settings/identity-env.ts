import { lstat } from 'node:fs/promises';
import { readText } from '../shared/files.ts';
import { databasePassword as passwordName } from './own-secrets.ts';
import { errnoOf, isMissingFile, isStackError, StackError } from '../shared/errors.ts';

/*
 * `<root>/secrets/pocketid.env`: what a Pocket ID that runs without this stack reads at its start, as an EnvironmentFile of
 * systemd or --env-file. Key and password in it are those of this stack: what is there before the first `up` is taken from
 * it, and what the stack has already is written into it.
 */

/** What of the file is ours to share; undefined where it says nothing of it. */
export interface IdentityEnv {
  readonly encryptionKey: string | undefined;
  /** The password in DB_CONNECTION_STRING, decoded. */
  readonly databasePassword: string | undefined;
}

/** Their names in the secret store. */
export const identityKey = 'pocket-id-encryption-key';
export const identityPassword = passwordName('pocketid');

/** Pocket ID refuses a shorter key (its env_config.go). */
const shortestKeyBytes = 16;

/**
 * Variables of an env file, as systemd reads it: one a line, `#` and `;` begin a comment, quotes around a value are not
 * part of it, the last one counts. systemd.exec(5).
 */
export const parseEnvFile = (text: string): ReadonlyMap<string, string> => {
  const found = new Map<string, string>();
  for (const line of text.split(/\r?\n/)) {
    const [, name = '', value = ''] = /^\s*(?:export\s+)?([A-Za-z_]\w*)=(.*)$/.exec(line) ?? [];
    if (name !== '') found.set(name, value.trim().replace(/^(['"])(.*)\1$/, '$2'));
  }
  return found;
};

const invalid = (path: string, what: string, hint: string): StackError =>
  new StackError('SECRET_INVALID', `${path}: ${what}`, { hint });

/** What is wrong with an encryption key, as the end of a sentence; undefined where it can be used. */
export const wrongWithKey = (key: string): string | undefined => {
  if (Buffer.byteLength(key) < shortestKeyBytes)
    return `has ${Buffer.byteLength(key)} bytes, wanted are at least ${shortestKeyBytes}`;
  return /\p{Cc}/u.test(key) ? 'holds a control character' : undefined;
};

/** What is wrong with a password of a database, as the end of a sentence; undefined where it can be used. */
export const wrongWithPassword = (password: string): string | undefined =>
  /^[!-~]+$/.test(password)
    ? undefined
    : 'is empty, or holds something else than plain letters without spaces';

const passwordIn = (url: string): string | undefined => {
  if (!/^postgres(ql)?:\/\//.test(url) || !URL.canParse(url)) return undefined;
  const { password } = new URL(url);
  try {
    return password === '' ? undefined : decodeURIComponent(password);
  } catch {
    return undefined;
  }
};

/** @throws {StackError} SECRET_UNREADABLE, SECRET_INVALID; never with a value in it */
const checked = (path: string, text: string): IdentityEnv => {
  const all = parseEnvFile(text);
  const encryptionKey = all.get('ENCRYPTION_KEY');
  const databasePassword = passwordIn(all.get('DB_CONNECTION_STRING') ?? '');
  const ofKey = encryptionKey === undefined ? undefined : wrongWithKey(encryptionKey);
  if (ofKey !== undefined)
    throw invalid(
      path,
      `ENCRYPTION_KEY ${ofKey}`,
      'mend it there; if nothing was sealed with it yet, remove the line',
    );
  const ofPassword = databasePassword === undefined ? undefined : wrongWithPassword(databasePassword);
  if (ofPassword !== undefined)
    throw invalid(path, `the password in DB_CONNECTION_STRING ${ofPassword}`, 'choose another one there');
  return { encryptionKey, databasePassword };
};

/**
 * Key and password in the file, where it is there.
 * @throws {StackError} SECRET_UNREADABLE where others can read it or this user cannot, SECRET_INVALID; no value in it
 */
export const readIdentityEnv = async (path: string): Promise<IdentityEnv | undefined> => {
  try {
    const text = await readText(path);
    if (text === undefined) return undefined;
    const { mode } = await lstat(path);
    if ((mode & 0o077) === 0) return checked(path, text);
    throw new StackError(
      'SECRET_UNREADABLE',
      `${path} can be read by others (mode ${(mode & 0o777).toString(8)}, wanted 600)`,
      { hint: `chmod 600 ${path}` },
    );
  } catch (error) {
    if (isStackError(error)) throw error;
    if (isMissingFile(error) || errnoOf(error) === 'ENOTDIR') return undefined;
    throw new StackError('SECRET_UNREADABLE', `${path} cannot be read (${errnoOf(error) ?? 'unknown'})`, {
      hint: 'it holds key and password that this stack is to use: run it as root, or as the owner of that file',
      cause: error,
    });
  }
};

/** What a Pocket ID of one's own needs to know besides key and password. */
export interface IdentityWish {
  readonly issuer: string;
  readonly port: number;
  /** `host:port` of PostgreSQL. */
  readonly database: string;
  readonly encryptionKey: string;
  readonly databasePassword: string;
}

/** Percent-encoded so that neither a URL, systemd nor a shell finds anything special in it. */
const inUrl = (text: string): string =>
  encodeURIComponent(text).replaceAll(
    /[!'()*~]/g,
    (one) => `%${one.charCodeAt(0).toString(16).toUpperCase()}`,
  );

const isHere = (database: string): boolean => /^(127\.|localhost(:|$)|\[::1\])/.test(database);

/**
 * The file for Pocket ID v2: lines that systemd, docker and a shell read alike, because no value needs quotes.
 * @throws {StackError} SECRET_INVALID where the key would need some
 */
export const renderIdentityEnv = (wish: IdentityWish): string => {
  if (!/^[\w+/=.,:@%^-]+$/.test(wish.encryptionKey))
    throw invalid(
      'ENCRYPTION_KEY',
      'it holds characters that not every program reads alike in such a file',
      'give Pocket ID the key as a file instead: ENCRYPTION_KEY_FILE (without a newline at its end)',
    );
  const url = `postgres://pocketid:${inUrl(wish.databasePassword)}@${wish.database}/pocketid`;
  return [
    '# For a Pocket ID that runs without this stack. Whoever reads this file can sign in as anybody: mode 600.',
    '# The key seals what is in the database. It is lost with this file, unless it was backed up elsewhere.',
    `ENCRYPTION_KEY=${wish.encryptionKey}`,
    `DB_CONNECTION_STRING=${url}${isHere(wish.database) ? '?sslmode=disable' : ''}`,
    `APP_URL=${wish.issuer}`,
    'HOST=127.0.0.1',
    `PORT=${wish.port}`,
    '# The reverse proxy on this machine, and nobody else, says who the client is.',
    'TRUST_PROXY=127.0.0.1,::1',
    'FILE_BACKEND=database',
    '',
  ].join('\n');
};

/**
 * Those of the named secrets of ours that the file has, by name. Not read where none is asked for.
 * @throws {StackError} as readIdentityEnv
 */
export const secretsGivenIn = async (
  path: string,
  names: readonly string[],
): Promise<Readonly<Record<string, string>>> => {
  const asked = names.filter((name) => name === identityKey || name === identityPassword);
  const there = asked.length === 0 ? undefined : await readIdentityEnv(path);
  const all = { [identityKey]: there?.encryptionKey, [identityPassword]: there?.databasePassword };
  return Object.fromEntries(
    asked.flatMap((name) => {
      const value = all[name];
      return value === undefined ? [] : [[name, value] as const];
    }),
  );
};
