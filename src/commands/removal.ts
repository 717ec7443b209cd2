import { rm } from 'node:fs/promises';
import type { Context } from '../context.ts';
import type { Keep } from '../orchestrator/area.ts';
import { createAreas, type Adapters } from '../orchestrator/areas.ts';
import { runSql } from '../postgres/observe.ts';
import { exists, onDisk } from '../shared/files.ts';
import { isStackError, StackError } from '../shared/errors.ts';

/*
 * Removing data: only what was named, and only what an area says it keeps. Secrets are never among it.
 */

interface Flags {
  readonly volumes?: string | true;
  readonly databases?: string;
  readonly yes?: boolean;
}

/** What was named and is there. */
export interface Removal {
  readonly chosen: readonly Keep[];
}

const namesIn = (text: string): readonly string[] =>
  text
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '');

/** Volumes and folders that hold data of this stack, each once. */
const keptData = async (
  { terminal }: Context,
  keeps: readonly Keep[],
  { docker }: Adapters,
): Promise<readonly Keep[]> => {
  const found: Keep[] = [];
  for (const one of keeps) {
    if (one.what === 'secret' || found.some((other) => other.name === one.name)) continue;
    const isThere =
      one.what === 'volume' ? docker.engine.hasVolume(one.name, terminal.signal) : exists(one.name);
    if (await isThere) found.push(one);
  }
  return found;
};

const own = /^(postgres|template\d|(pocketid|netbird)(_standin)?(_before_takeover(_\d+)?|_takeover)?)$/;

/** Databases that are not this stack's own; undefined where PostgreSQL cannot be asked. */
const othersIn = async (
  { terminal }: Context,
  { exec }: Adapters,
): Promise<readonly string[] | undefined> => {
  try {
    const sql = 'SELECT datname FROM pg_database ORDER BY 1;\n';
    const text = await runSql(exec, 'postgres', sql, 'list databases', terminal.signal);
    return text.split('\n').filter((name) => name !== '' && !own.test(name));
  } catch (error) {
    if (isStackError(error)) return undefined;
    throw error;
  }
};

const refuseOthers = async (
  context: Context,
  adapters: Adapters,
  accepted: readonly string[],
): Promise<void> => {
  const others = await othersIn(context, adapters);
  if (others === undefined) {
    if (accepted.includes('all')) return;
    throw new StackError(
      'DATA_FOREIGN',
      'PostgreSQL does not answer, so nobody can see whose databases are in its volume; nothing was removed',
      { hint: 'start it: npm run up; or --databases all, if every database in it may be lost' },
    );
  }
  const left = others.filter((name) => !accepted.includes(name));
  if (left.length === 0) return;
  throw new StackError(
    'DATA_FOREIGN',
    `databases of other services are in PostgreSQL: ${left.join(', ')}; nothing was removed`,
    { hint: `back them up; if they may be lost: --databases ${others.join(',')}`, data: { databases: left } },
  );
};

const line = ({ what, name, why }: Keep): string => `  ${what.padEnd(7)} ${name}  (${why})`;

/**
 * What is to be removed, once all that speaks against it has been looked at; it is printed first.
 * @throws {StackError} DECLINED where names or --yes are missing; USAGE, DATA_FOREIGN
 */
export const planRemoval = async (context: Context, flags: Flags): Promise<Removal> => {
  const { adapters, keeps } = createAreas(context, { adopt: false });
  const there = await keptData(context, keeps, adapters);
  const all = there.map((one) => one.name).join(',');
  if (flags.volumes === true || flags.volumes === undefined) {
    context.tell(['data of this host:', ...there.map(line)].join('\n'));
    throw new StackError('DECLINED', 'no data was named, so nothing was removed', {
      hint:
        there.length === 0
          ? 'there is none'
          : `name what you want to lose: npm run -s down -- --volumes ${all} --yes`,
    });
  }
  const names = namesIn(flags.volumes);
  const unknown = names.find((name) => !keeps.some((one) => one.what !== 'secret' && one.name === name));
  if (unknown !== undefined || names.length === 0) {
    throw new StackError('USAGE', `--volumes: "${unknown ?? flags.volumes}" is no data of this host`, {
      hint: `there is: ${all === '' ? 'nothing' : all}`,
    });
  }
  const chosen = there.filter((one) => names.includes(one.name));
  if (chosen.some((one) => one.what === 'volume' && one.name.endsWith('_postgres')))
    await refuseOthers(context, adapters, namesIn(flags.databases ?? ''));
  context.tell(['to be removed, with all that is in it:', ...chosen.map(line)].join('\n'));
  if (flags.yes !== true) {
    throw new StackError('DECLINED', 'nothing was removed', { hint: 'if that is what you want: add --yes' });
  }
  return { chosen };
};

/** Removes what was chosen; nothing runs on it any more. @throws {StackError} ENGINE_*, DISK_* */
export const remove = async (context: Context, { chosen }: Removal): Promise<void> => {
  if (chosen.length === 0) return;
  const { effects, terminal } = context;
  const { adapters } = createAreas(context, { adopt: false });
  for (const { what, name } of chosen) {
    await (what === 'volume'
      ? effects.perform('engine', `remove the volume ${name}`, async () =>
          adapters.docker.engine.removeVolume(name, terminal.signal),
        )
      : effects.perform('file', `remove ${name}`, async () =>
          onDisk(name, async () => rm(name, { recursive: true, force: true })),
        ));
  }
};
