import { readFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Effects } from '../orchestrator/effects.ts';
import {
  identityKey,
  identityPassword,
  readIdentityEnv,
  renderIdentityEnv,
  wrongWithKey,
  wrongWithPassword,
  type IdentityEnv,
} from '../settings/identity-env.ts';
import { ownSecrets } from '../settings/own-secrets.ts';
import type { SecretStore } from '../settings/secret-store.ts';
import type { Settings } from '../settings/settings.ts';
import { errnoOf, StackError } from '../shared/errors.ts';
import type { Prompts } from '../shared/prompts.ts';
import { ensureDirectory, exists, onDisk, readText, writeAtomic } from '../shared/files.ts';
import type { ChosenOwner } from './owner.ts';

/*
 * The file for a Pocket ID that runs without this stack. Values come from the store of this stack where it has them, since
 * a native Pocket ID and the container have to agree; else from flags, a person, or the file that is replaced; else they
 * are made. Before the first `up` the file is the only place they are kept, and `up` takes them from it.
 */

export interface Wish {
  readonly path: string;
  readonly keyFile: string | undefined;
  readonly passwordFile: string | undefined;
  /** `host[:port]` of PostgreSQL. */
  readonly databaseHost: string;
  readonly replace: boolean;
  /** undefined where nobody can be asked. */
  readonly prompts: Pick<Prompts, 'secret'> | undefined;
}

interface Given {
  readonly settings: Settings;
  readonly secrets: SecretStore;
  readonly effects: Effects;
}

/** How an existing file stands to the store. `unused`: the stack has neither secret yet, and will take these. */
export type Agreement = 'unused' | 'agrees' | 'differs';

const storedIn = async (secrets: SecretStore): Promise<IdentityEnv> => ({
  encryptionKey: await secrets.read(identityKey),
  databasePassword: await secrets.read(identityPassword),
});

/** How the file at this path stands to the store; undefined where there is none. @throws {StackError} SECRET_* */
export const agreementOf = async (path: string, secrets: SecretStore): Promise<Agreement | undefined> => {
  if (!(await exists(path))) return undefined;
  const there = await readIdentityEnv(path);
  const stored = await storedIn(secrets);
  if (stored.encryptionKey === undefined && stored.databasePassword === undefined) return 'unused';
  const same = (['encryptionKey', 'databasePassword'] as const).every(
    (one) => stored[one] === undefined || there?.[one] === stored[one],
  );
  return same ? 'agrees' : 'differs';
};

/** Of a file that a person named; a newline at its end is not part of it. */
const fromFile = async (path: string, wrong: (value: string) => string | undefined): Promise<string> => {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    throw new StackError('SECRET_UNREADABLE', `cannot read ${path} (${errnoOf(error) ?? 'unknown'})`, {
      hint: 'check the path',
      cause: error,
    });
  }
  const value = text.replace(/\r?\n$/, '');
  const what = wrong(value);
  if (what === undefined) return value;
  throw new StackError('SECRET_INVALID', `the value in ${path} ${what}`, { hint: 'put another one there' });
};

interface Question {
  /** Such as `encryption key`. */
  readonly what: string;
  readonly name: string;
  readonly stored: string | undefined;
  readonly file: string | undefined;
  readonly before: string | undefined;
  readonly wrong: (value: string) => string | undefined;
}

/** A value, and where it comes from. */
interface Found {
  readonly value: string;
  readonly from: string;
}

const find = async (question: Question, prompts: Wish['prompts'], settings: Settings): Promise<Found> => {
  const { what, name, stored, file, before, wrong } = question;
  const named = file === undefined ? undefined : await fromFile(file, wrong);
  if (stored !== undefined) {
    if (named === undefined || named === stored) return { value: stored, from: 'that of this stack' };
    throw new StackError(
      'SECRET_INVALID',
      `the ${what} in ${file} is not that of this stack, which has one already`,
      {
        hint: `leave the flag out: the file gets the one of the stack, ${name}`,
      },
    );
  }
  if (named !== undefined) return { value: named, from: `from ${file}` };
  if (before !== undefined) return { value: before, from: 'as it was in the file' };
  const typed = await prompts?.secret({
    message: `${what} (Enter: make one)`,
    check: (answer) => (answer === '' ? undefined : wrong(answer)),
  });
  if (typed !== undefined && typed !== '') return { value: typed, from: 'as typed' };
  const made =
    ownSecrets(settings)
      .find((one) => one.name === name)
      ?.generate() ?? '';
  return { value: made, from: 'made now' };
};

/** What was written, in words. */
export interface Written {
  readonly keyFrom: string;
  readonly passwordFrom: string;
  /** Where the file that was replaced is kept. */
  readonly kept: string | undefined;
}

/** Writes the file. @throws {StackError} SECRET_*, DISK_*; USAGE where there is one and it is not to be replaced */
export const writeIdentityFile = async (
  { settings, secrets, effects }: Given,
  wish: Wish,
  owner: ChosenOwner,
): Promise<Written> => {
  const { path } = wish;
  const isThere = await exists(path);
  if (isThere && !wish.replace)
    throw new StackError('USAGE', `there is a file ${path} already`, {
      hint: '--replace keeps it as .previous',
    });
  const before = isThere ? await readIdentityEnv(path) : undefined;
  const stored = await storedIn(secrets);
  const key = await find(
    {
      what: 'encryption key',
      name: identityKey,
      stored: stored.encryptionKey,
      file: wish.keyFile,
      before: before?.encryptionKey,
      wrong: wrongWithKey,
    },
    wish.prompts,
    settings,
  );
  const password = await find(
    {
      what: 'password of the database',
      name: identityPassword,
      stored: stored.databasePassword,
      file: wish.passwordFile,
      before: before?.databasePassword,
      wrong: wrongWithPassword,
    },
    wish.prompts,
    settings,
  );
  const text = renderIdentityEnv({
    issuer: settings.addresses.issuer,
    port: settings.identity.loopback_port,
    database: wish.databaseHost,
    encryptionKey: key.value,
    databasePassword: password.value,
  });
  const kept = isThere ? `${path}.previous` : undefined;
  const old = isThere ? await readText(path) : undefined;
  if (kept !== undefined && old !== undefined)
    await effects.perform('file', `keep ${kept}`, async () => writeAtomic(kept, old, 0o600));
  // Others have files in that folder, too: one that is there stays as it is.
  const folder = dirname(path);
  if (!(await exists(folder)))
    await effects.perform('file', `make ${folder}`, async () =>
      onDisk(folder, async () => ensureDirectory(folder, 0o711)),
    );
  await effects.perform('file', `write ${path}`, async () => writeAtomic(path, text, 0o600, owner));
  return { keyFrom: key.from, passwordFrom: password.from, kept };
};
