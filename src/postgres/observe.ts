import * as z from 'zod';
import type { ContainerExec } from '../orchestrator/ports.ts';
import type { SecretStore } from '../settings/secret-store.ts';
import { isStackError, StackError } from '../shared/errors.ts';
import type { Desired } from './desired.ts';
import { readMark } from './key-mark.ts';
import { fits } from './scram.ts';
import { lookSql } from './sql.ts';

export interface Ports {
  readonly exec: ContainerExec;
  readonly secrets: SecretStore;
}

/** What PostgreSQL holds, as far as it can be seen. */
export type World =
  /** `absent`: it does not run or does not answer yet. `unreachable`: the Engine does not answer. */
  | { readonly seen: 'absent' | 'unreachable'; readonly text: string; readonly hint: string }
  | {
      readonly seen: 'all';
      readonly roles: Readonly<Record<string, { readonly login: boolean; readonly passwordFits: boolean }>>;
      readonly databases: Readonly<
        Record<
          string,
          { readonly owner: string; readonly open: boolean; readonly extensions: readonly string[] }
        >
      >;
      /** Extensions that the image has. */
      readonly available: readonly string[];
      /** Of each database that is there and whose data is sealed: how the key of the secret store stands to it. */
      readonly seals: Readonly<Record<string, Seal>>;
    };

/**
 * `state`: `empty` holds no table yet; `none` has no mark of a key; `fits` and `differs` compare the mark with the key
 * of the secret store; `unknown`: there is no key. `comment`: what is said of the database.
 */
export interface Seal {
  readonly state: 'empty' | 'none' | 'fits' | 'differs' | 'unknown';
  readonly comment: string;
}

const server = z.object({
  roles: z.array(z.object({ name: z.string(), login: z.boolean(), verifier: z.string().nullable() })),
  databases: z.array(
    z.object({ name: z.string(), owner: z.string(), open: z.boolean(), comment: z.string() }),
  ),
  available: z.array(z.string()),
});
const inside = z.object({ database: z.string(), extensions: z.array(z.string()), empty: z.boolean() });

/** What psql said about an error, without what stands for a password. */
const said = (stderr: string): string =>
  stderr
    .replaceAll(/SCRAM-SHA-256\$[^'\s]+/g, '[redacted]')
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '')
    .slice(-4)
    .join(' | ');

/**
 * Runs a script as PostgreSQL's superuser over the socket inside the container, where no password is asked for. The
 * script goes through standard input: a command line can be read by every process.
 * @throws {StackError} DATABASE_FAILED, and what ContainerExec throws
 */
export const runSql = async (
  exec: ContainerExec,
  database: string,
  sql: string,
  doing: string,
  signal: AbortSignal,
): Promise<string> => {
  const argv = ['psql', '-X', '-q', '-A', '-t', '-v', 'ON_ERROR_STOP=1', '-U', 'postgres', '-d', database];
  const { exitCode, stdout, stderr } = await exec.exec('postgres', argv, {
    user: 'postgres',
    stdin: sql,
    signal,
  });
  if (exitCode === 0) return stdout;
  throw new StackError('DATABASE_FAILED', `PostgreSQL refused to ${doing}: ${said(stderr)}`, {
    hint: 'the log of the server says more: npm run -s logs -- --service postgres',
    data: { exitCode, database },
  });
};

const sealOf = async (
  comment: string,
  isEmpty: boolean,
  secret: Promise<string | undefined>,
): Promise<Seal> => {
  const key = await secret;
  if (isEmpty) return { state: 'empty', comment };
  return { state: key === undefined ? 'unknown' : readMark(comment, key), comment };
};

/** Looks at roles, databases and extensions with one call. Reads only. */
export const observeDatabases = async (
  { exec, secrets }: Ports,
  desired: Desired,
  signal: AbortSignal,
): Promise<World> => {
  const wanted = desired.databases.map((one) => one.name);
  try {
    const text = await runSql(exec, 'postgres', lookSql(wanted), 'show what it holds', signal);
    const [first = '', ...others] = text.split('\n').filter((line) => line.startsWith('{'));
    const { roles, databases, available } = server.parse(JSON.parse(first));
    const insides = new Map(
      others.map((line) => {
        const one = inside.parse(JSON.parse(line));
        return [one.database, one] as const;
      }),
    );
    const owners = [desired.superuser, ...desired.databases.map((one) => one.owner)];
    const checked = await Promise.all(
      roles.map(async ({ name, login, verifier }) => {
        const owner = owners.find((one) => one.name === name);
        const password = owner === undefined ? undefined : await secrets.read(owner.secret);
        const passwordFits = password !== undefined && fits(password, verifier);
        return [name, { login, passwordFits }] as const;
      }),
    );
    const sealed = await Promise.all(
      desired.databases.flatMap(({ name, sealedBy }) => {
        const found = databases.find((one) => one.name === name);
        const isEmpty = insides.get(name)?.empty !== false;
        return sealedBy === undefined || found === undefined
          ? []
          : [sealOf(found.comment, isEmpty, secrets.read(sealedBy)).then((seal) => [name, seal] as const)];
      }),
    );
    return {
      seen: 'all',
      roles: Object.fromEntries(checked),
      databases: Object.fromEntries(
        databases.map(({ name, owner, open }) => [
          name,
          { owner, open, extensions: insides.get(name)?.extensions ?? [] },
        ]),
      ),
      available,
      seals: Object.fromEntries(sealed),
    };
  } catch (error) {
    if (!isStackError(error)) throw error;
    const seen = error.code.startsWith('ENGINE_') ? 'unreachable' : 'absent';
    return { seen, text: error.message, hint: error.hint };
  }
};
