import type { Effects } from '../../orchestrator/effects.ts';
import type { ContainerExec } from '../../orchestrator/ports.ts';
import { StackError } from '../../shared/errors.ts';
import { runSql } from '../observe.ts';
import { quoteIdentifier, quoteLiteral } from '../sql.ts';
import type { Dump } from './dump.ts';

/*
 * A dump is restored beside the database that it is to become, and looked at there; a swap of names then takes one
 * transaction. So nothing is lost when it does not fit, and nothing is half done when the run is killed.
 */

/** The name under which a dump is restored before it takes its place. */
export const besideOf = (database: string): string => `${database}_takeover`;

const restoreError = (stderr: string, format: Dump['format']): StackError => {
  const said = stderr
    .split('\n')
    .filter((line) => /error|fatal/i.test(line))
    .slice(0, 3)
    .join(' | ');
  return new StackError('DUMP_UNUSABLE', `the dump cannot be restored (${format}): ${said}`, {
    hint: 'make it with pg_dump of the same or an older major version than the PostgreSQL here, then run it again',
  });
};

/**
 * Restores a dump beside a database, in one transaction, as the role that owns it. What an earlier run left there is
 * removed first. @throws {StackError} DUMP_UNUSABLE, DATABASE_FAILED, ENGINE_*
 */
export const restoreBeside = async (
  exec: ContainerExec,
  target: { readonly database: string; readonly role: string },
  dump: Dump,
  effects: Effects,
  signal: AbortSignal,
): Promise<void> => {
  const beside = besideOf(target.database);
  const [name, role] = [quoteIdentifier(beside), quoteIdentifier(target.role)];
  const sql = (doing: string, script: string) =>
    effects.perform('exec', doing, async () => runSql(exec, 'postgres', script, doing, signal));
  await dropBeside(exec, target.database, effects, signal);
  await sql(
    `make the database ${beside}`,
    `CREATE DATABASE ${name} OWNER ${role};\nREVOKE CONNECT ON DATABASE ${name} FROM PUBLIC;\n`,
  );
  const connection = ['-U', target.role, '-d', beside];
  const argv =
    dump.format === 'custom'
      ? [
          'pg_restore',
          ...connection,
          '--no-owner',
          '--no-acl',
          '--no-comments',
          '--single-transaction',
          '--exit-on-error',
        ]
      : [
          'psql',
          '-X',
          '-q',
          '-v',
          'ON_ERROR_STOP=1',
          ...connection,
          '--single-transaction',
          '-o',
          '/dev/null',
          '-f',
          '-',
        ];
  const ended = await effects.perform('exec', `restore the dump into ${beside}`, async () =>
    exec.exec('postgres', argv, { user: 'postgres', stdin: dump.bytes, signal }),
  );
  if (ended.exitCode !== 0) throw restoreError(ended.stderr, dump.format);
};

/** Removes what was restored and did not take its place. */
export const dropBeside = async (
  exec: ContainerExec,
  database: string,
  effects: Effects,
  signal: AbortSignal,
): Promise<void> => {
  const beside = besideOf(database);
  const doing = `remove the database ${beside}`;
  const script = `DROP DATABASE IF EXISTS ${quoteIdentifier(beside)} WITH (FORCE);\n`;
  await effects.perform('exec', doing, async () => runSql(exec, 'postgres', script, doing, signal));
};

/** What is said of a database, or undefined where there is none of that name. */
export const commentOf = async (
  exec: ContainerExec,
  database: string,
  signal: AbortSignal,
): Promise<string | undefined> => {
  const sql = `SELECT json_build_object('comment', coalesce(shobj_description(oid, 'pg_database'), '')) FROM pg_database WHERE datname = ${quoteLiteral(database)};\n`;
  const text = (await runSql(exec, 'postgres', sql, `look at ${database}`, signal)).trim();
  return text === '' ? undefined : (JSON.parse(text) as { comment: string }).comment;
};

/** A database whose data goes on under another name. */
export interface Aside {
  readonly database: string;
  readonly aside: string;
}

/**
 * Lets what was restored take the place of the database. What was there before keeps its data under the name `aside`,
 * and so do others. All in one transaction; whoever is connected to one of them is cut off.
 */
export const swapIn = async (
  exec: ContainerExec,
  target: Aside & { readonly comment: string },
  others: readonly Aside[],
  effects: Effects,
  signal: AbortSignal,
): Promise<void> => {
  const rename = (from: string, to: string) =>
    `ALTER DATABASE ${quoteIdentifier(from)} RENAME TO ${quoteIdentifier(to)};`;
  const beside = besideOf(target.database);
  const all = [target.database, beside, ...others.map((one) => one.database)].map(quoteLiteral).join(', ');
  const script = [
    `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname IN (${all}) AND pid <> pg_backend_pid();`,
    'BEGIN;',
    ...[target, ...others].map((one) => rename(one.database, one.aside)),
    rename(beside, target.database),
    `COMMENT ON DATABASE ${quoteIdentifier(target.database)} IS ${quoteLiteral(target.comment)};`,
    'COMMIT;\n',
  ].join('\n');
  const doing = `put the dump in the place of ${target.database}`;
  await effects.perform('exec', doing, async () => runSql(exec, 'postgres', script, doing, signal));
};

/** Removes a database that holds no table. */
export const dropEmpty = async (
  exec: ContainerExec,
  database: string,
  effects: Effects,
  signal: AbortSignal,
): Promise<void> => {
  const doing = `remove the empty database ${database}`;
  const script = `DROP DATABASE IF EXISTS ${quoteIdentifier(database)};\n`;
  await effects.perform('exec', doing, async () => runSql(exec, 'postgres', script, doing, signal));
};
