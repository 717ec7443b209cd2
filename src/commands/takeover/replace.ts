import { readdir, rename } from 'node:fs/promises';
import type { Context } from '../../context.ts';
import type { Contents } from '../../oidc/takeover/contents.ts';
import type { Adapters } from '../../orchestrator/areas.ts';
import { commentOf, dropEmpty, swapIn } from '../../postgres/restore/restore.ts';
import { isMissingFile } from '../../shared/errors.ts';
import { exists } from '../../shared/files.ts';
import { rememberProof } from '../verify.ts';
import { contentsOf, type Target } from './surroundings.ts';

/*
 * The change itself, once everything was checked. What gives way is kept under another name, never removed.
 */

const keySecret = 'pocket-id-encryption-key';
const keySecretBefore = `${keySecret}-before-takeover`;
const stopTimeoutMs = 60_000;

/** What is to take the place of what. `now`: what the database of this stack holds. */
export interface Change {
  readonly target: Target;
  readonly now: Contents;
  readonly key: string;
}

const asideName = (name: string): string => `${name}_before_takeover`;

const freeName = async (isTaken: (name: string) => Promise<boolean>, wanted: string): Promise<string> => {
  for (let count = 1; ; count += 1) {
    const name = count === 1 ? wanted : `${wanted}_${count}`;
    if (!(await isTaken(name))) return name;
  }
};

/** Stops what runs on the data that gives way. */
const stopServices = async (context: Context, { docker }: Adapters): Promise<void> => {
  const { settings, effects, terminal } = context;
  const all = await docker.engine.containers(settings.project, terminal.signal);
  const running = all
    .filter((one) => ['pocket-id', 'netbird-management'].includes(one.service) && one.state !== 'exited')
    .map((one) => one.service);
  if (running.length === 0) return;
  await effects.perform('compose', `stop ${running.join(', ')}`, async () =>
    docker.compose.stop(settings.project, running, stopTimeoutMs, terminal.signal),
  );
};

const isFilled = async (folder: string): Promise<boolean> => {
  try {
    return (await readdir(folder)).length > 0;
  } catch (error) {
    if (isMissingFile(error)) return false;
    throw error;
  }
};

/** Lets the dump take its place. The caller holds the run lock; killed anywhere, it can be run again. */
export const replace = async (
  context: Context,
  adapters: Adapters,
  { target, now, key }: Change,
  mark: string,
): Promise<void> => {
  const { secrets, effects, terminal } = context;
  const { exec } = adapters;
  const { signal } = terminal;
  const { mesh, database } = target;
  const save = async (name: string, value: string) =>
    effects.perform('file', `save ${name}`, async () => secrets.save(name, value));
  const isTaken = async (name: string) => (await commentOf(exec, name, signal)) !== undefined;
  const asideOf = async (name: string) => ({
    database: name,
    aside: await freeName(isTaken, asideName(name)),
  });
  await stopServices(context, adapters);
  const before = await secrets.read(keySecret);
  if (now.kind !== 'empty' && before !== undefined && before !== key) await save(keySecretBefore, before);
  // The mesh of an unused stack belongs to an administrator who is not in the dump.
  const isMeshOurs = now.kind !== 'empty' && (await secrets.read('netbird-service-token')) !== undefined;
  if (isMeshOurs && (await isFilled(mesh.folder))) {
    const aside = await freeName(exists, asideName(mesh.folder));
    await effects.perform('file', `move ${mesh.folder}`, async () => rename(mesh.folder, aside));
  }
  const hasMeshDatabase = isMeshOurs && mesh.database !== undefined && (await isTaken(mesh.database));
  const others = hasMeshDatabase ? [await asideOf(mesh.database)] : [];
  // Before the data that it opens: the other way round a run that is killed would leave data without its key.
  await save(keySecret, key);
  await rememberProof(context, 'begun');
  const place = await asideOf(database);
  await swapIn(exec, { ...place, comment: mark }, others, effects, signal);
  if (now.kind === 'empty') await dropEmpty(exec, place.aside, effects, signal);
};

/** Removes what a killed run left of the empty database that gave way. */
export const clearEmpty = async (
  { effects, terminal }: Context,
  adapters: Adapters,
  { database }: Target,
): Promise<void> => {
  const { signal } = terminal;
  const aside = asideName(database);
  if ((await commentOf(adapters.exec, aside, signal)) === undefined) return;
  if ((await contentsOf(adapters, aside, signal)).kind !== 'empty') return;
  await dropEmpty(adapters.exec, aside, effects, signal);
};

/** What gave way and is kept, one line each, also by an earlier run. */
export const keptAside = async (
  { secrets, terminal }: Context,
  { exec }: Adapters,
  { database, mesh }: Target,
): Promise<readonly string[]> => {
  const isDatabase = async (name: string | undefined) =>
    name !== undefined && (await commentOf(exec, asideName(name), terminal.signal)) !== undefined;
  const found = [
    [await isDatabase(database), `its database: ${asideName(database)}`],
    [(await secrets.names()).includes(keySecretBefore), `its key: the secret ${keySecretBefore}`],
    [await exists(asideName(mesh.folder)), `the mesh's data: ${asideName(mesh.folder)}`],
    [await isDatabase(mesh.database), `the mesh's database: ${asideName(mesh.database ?? '')}`],
  ] as const;
  return found.filter(([isThere]) => isThere).map(([, text]) => `what was here before is kept, ${text}`);
};
