import type { Context } from '../../context.ts';
import { meshDataFolder } from '../../containers/desired.ts';
import { contentsSql, readContents, type Contents } from '../../oidc/takeover/contents.ts';
import { opens, type KeyFile } from '../../oidc/takeover/encryption-key.ts';
import type { Server } from '../../oidc/takeover/judge.ts';
import { createAreas, type Adapters } from '../../orchestrator/areas.ts';
import { converge, factsOf, lookAround } from '../../orchestrator/converge.ts';
import { exitCodeOfOutcome, outcomeText } from '../../orchestrator/report/text.ts';
import { runSql } from '../../postgres/observe.ts';
import { errorCodes } from '../../shared/error-codes.ts';
import { StackError } from '../../shared/errors.ts';

/*
 * What `adopt` finds out about this stack before it changes anything.
 */

/** PostgreSQL with its roles and databases, and nothing else; undefined where it is up, else the exit code. */
export const bringUpPostgres = async (context: Context): Promise<number | undefined> => {
  const { areas } = createAreas(context, { adopt: false, only: ['postgres'] });
  const { effects, emit, terminal } = context;
  const chosen = areas.filter((area) => area.name === 'containers' || area.name === 'postgres');
  const outcome = await converge({ areas: chosen, effects, emit, signal: terminal.signal });
  // A run that was killed between the key and the database is mended by this very run.
  const failures = outcome.failures.filter((one) => one.error.code !== 'ENCRYPTION_KEY_CHANGED');
  const facts = factsOf(await lookAround(chosen, terminal.signal));
  if (failures.length === 0 && facts['postgres.ready'] === true) return undefined;
  context.tell(outcomeText({ ...outcome, failures }, terminal.style));
  // Postgres that is not ready is no success, whatever was left to do.
  return exitCodeOfOutcome({ ...outcome, failures }) || errorCodes.BLOCKED.exit;
};

export interface Target {
  readonly server: Server;
  readonly database: string;
  readonly mesh: { readonly database: string | undefined; readonly folder: string };
}

/** Which database the image of Pocket ID would use here. */
export const findTarget = async (context: Context, { docker, images }: Adapters): Promise<Target> => {
  const { settings, terminal } = context;
  const { overrides, stand_ins: standIns } = settings.images;
  const services = ['pocket-id', 'netbird-management'];
  const present = new Set((await docker.engine.images(terminal.signal)).keys());
  const choice = await images.choose(services, present, { overrides, standIns }, terminal.signal);
  const isStandIn = (service: string) =>
    choice.images.find((one) => one.service === service)?.kind === 'stand-in';
  const nameOf = (name: string, service: string) => (isStandIn(service) ? `${name}_standin` : name);
  return {
    server: { isStandIn: isStandIn('pocket-id'), isPinned: overrides['pocket-id'] === undefined },
    database: nameOf('pocketid', 'pocket-id'),
    mesh: {
      database: settings.mesh.store === 'postgres' ? nameOf('netbird', 'netbird-management') : undefined,
      folder: meshDataFolder(settings, isStandIn('netbird-management')),
    },
  };
};

export const contentsOf = async (
  { exec }: Adapters,
  database: string,
  signal: AbortSignal,
): Promise<Contents> =>
  readContents(await runSql(exec, database, contentsSql, `look into ${database}`, signal));

/** The key that opens the dump, as it was tried; where it cannot be tried, the file as it stands. */
export const chooseKey = ({ candidates }: KeyFile, dump: Contents, file: string): string => {
  const { signingKey, instanceId } = dump;
  const [first = ''] = candidates;
  if (signingKey === undefined || instanceId === undefined) return first;
  const found = candidates.find((one) => opens(one, instanceId, signingKey));
  if (found !== undefined) return found;
  throw new StackError(
    'ENCRYPTION_KEY_CHANGED',
    `the key in ${file} does not open the signing key in the dump; nothing was changed`,
    { hint: 'name the file that has the ENCRYPTION_KEY the old Pocket ID ran with, byte for byte' },
  );
};

/** Ids of everything this program made at Pocket ID. */
export const ownIds = async ({ secrets }: Context): Promise<ReadonlySet<string>> => {
  const names = (await secrets.names()).filter((name) => name.startsWith('id-pocket-id-'));
  return new Set((await Promise.all(names.map(secrets.read))).filter((id) => id !== undefined));
};
