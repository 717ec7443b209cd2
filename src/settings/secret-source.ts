import { stat } from 'node:fs/promises';
import { isAbsolute, join } from 'node:path';
import { readText } from '../shared/files.ts';
import { errnoOf, isStackError, StackError } from '../shared/errors.ts';
import type { SecretSource } from './schema.ts';
import { readSops } from './sops.ts';

interface Where {
  /** Relative paths count from here: the folder of the host. */
  readonly folder: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly signal: AbortSignal;
}

const unreadable = (message: string, hint: string, cause?: unknown): StackError =>
  new StackError('SECRET_UNREADABLE', message, { hint, cause });

const wantedForm = 'write it as CLOUDFLARE_DNS_API_TOKEN=your_token_here, or as the bare token';

const invalid = (source: string, what: string): StackError =>
  new StackError('SECRET_INVALID', `${source}: ${what}`, { hint: wantedForm });

/** Only names that are known are shown: another one may be a part of a secret. */
const shownName = (name: string): string => (/^(CF|CLOUDFLARE)_[A-Z_]+$/.test(name) ? name : 'another name');

/**
 * `NAME=value` (the form of env files, as the mission has it) or the bare value; without line ends and quotes.
 * @throws {StackError} SECRET_INVALID, without the value
 */
export const tokenIn = (text: string, source: string): string => {
  const line = text.trim();
  const [, name, assigned] = /^(?:export\s+)?([A-Z_][A-Z0-9_]*)=(.*)$/s.exec(line) ?? [];
  if (name !== undefined && !/^(CF|CLOUDFLARE)_(DNS_)?API_TOKEN$/.test(name)) {
    throw invalid(source, `it sets ${shownName(name)}, wanted is CLOUDFLARE_DNS_API_TOKEN`);
  }
  const value = (assigned ?? line).trim().replace(/^(['"])(.*)\1$/s, '$2');
  if (value === '') throw invalid(source, 'the value is empty');
  if (value === 'your_token_here' || value.startsWith('<'))
    throw invalid(source, 'the token is still to be filled in');
  // It goes into an HTTP header (RFC 6750 §2.1).
  if (!/^[!-~]+$/.test(value))
    throw invalid(source, 'the value is not one line of plain letters, without spaces');
  return value;
};

const fromFile = async (path: string): Promise<string> => {
  try {
    const text = await readText(path);
    if (text === undefined)
      throw unreadable(`there is no file ${path}`, 'write the secret there, readable by its owner only');
    const { mode } = await stat(path);
    if ((mode & 0o077) === 0) return text;
    throw unreadable(
      `${path} can be read by others (mode ${(mode & 0o777).toString(8)}, wanted 600)`,
      `chmod 600 ${path}`,
    );
  } catch (error) {
    const errno = errnoOf(error);
    if (isStackError(error) || errno === undefined) throw error;
    throw unreadable(`${path} cannot be read (${errno})`, `run it as the user who owns ${path}`, error);
  }
};

/**
 * The value of a secret that the operator keeps.
 * @throws {StackError} SECRET_UNREADABLE, SECRET_INVALID; never with the value in it
 */
export const readSecretSource = async (source: SecretSource, where: Where): Promise<string> => {
  if ('env' in source) {
    const value = where.env[source.env];
    if (value === undefined)
      throw unreadable(`the environment has no ${source.env}`, `export ${source.env}=…, then run it again`);
    return tokenIn(value, source.env);
  }
  if ('value' in source) return tokenIn(source.value, 'cloudflare/token/value');
  const absolute = (path: string) => (isAbsolute(path) ? path : join(where.folder, path));
  if ('file' in source) return tokenIn(await fromFile(absolute(source.file)), source.file);
  return tokenIn(await readSops(absolute(source.sops), source.key, where), `${source.sops} at ${source.key}`);
};

/** Where a secret comes from, for people. */
export const sourceText = (source: SecretSource): string => {
  if ('sops' in source) return `sops file ${source.sops}, key ${source.key}`;
  if ('file' in source) return `file ${source.file}`;
  return 'env' in source ? `environment variable ${source.env}` : 'settings.yaml';
};
