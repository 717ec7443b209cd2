import { readFile } from 'node:fs/promises';
import type { Context } from '../context.ts';
import { desiredIdentity } from '../oidc/desired.ts';
import { readKeyFile, type KeyFile } from '../oidc/takeover/encryption-key.ts';
import { inUse, notesOn, undecided, wrongWithDump } from '../oidc/takeover/judge.ts';
import { readUploads, uploadsSql } from '../oidc/takeover/uploads.ts';
import { createAdapters, type Adapters } from '../orchestrator/areas.ts';
import { takeRunLock } from '../orchestrator/lock.ts';
import { runSql } from '../postgres/observe.ts';
import { readDump, type Dump } from '../postgres/restore/dump.ts';
import { besideOf, commentOf, dropBeside, restoreBeside } from '../postgres/restore/restore.ts';
import { digestOf } from '../shared/files.ts';
import { errnoOf, StackError } from '../shared/errors.ts';
import {
  bringUpPostgres,
  chooseKey,
  contentsOf,
  findTarget,
  ownIds,
  type Target,
} from './takeover/surroundings.ts';
import { clearEmpty, keptAside, replace, type Change } from './takeover/replace.ts';
import { bringUp } from './up.ts';

interface Flags {
  /** Paths; the command line has asked for both. */
  readonly dump?: string;
  readonly keyFile?: string;
  readonly uploads?: string;
  /** The old APP_URL. */
  readonly issuer?: string;
  readonly adopt?: boolean;
}

const role = 'pocketid';

const bytesOf = async (path: string, what: string): Promise<Buffer> => {
  try {
    return await readFile(path);
  } catch (error) {
    throw new StackError('USAGE', `cannot read the ${what} ${path} (${errnoOf(error) ?? 'unknown'})`, {
      hint: 'check the path; as another user: sudo',
      cause: error,
    });
  }
};

/** What was read of the command line before anything is looked at. */
interface Given {
  readonly dump: Dump;
  /** Names the dump in the comment of the database. */
  readonly mark: string;
  readonly keys: KeyFile;
  readonly uploads: string | undefined;
  readonly before: string | undefined;
}

const readGiven = async ({ redactor }: Context, flags: Flags): Promise<Given> => {
  const { dump = '', keyFile = '' } = flags;
  const [dumpBytes, keyBytes] = await Promise.all([bytesOf(dump, 'dump'), bytesOf(keyFile, 'key file')]);
  const keys = readKeyFile(keyBytes, keyFile);
  for (const one of keys.candidates) redactor.add(one);
  const uploads = flags.uploads === undefined ? undefined : uploadsSql(await readUploads(flags.uploads));
  return {
    dump: readDump(dumpBytes, dump),
    mark: `skylab: taken over from the dump ${digestOf(dumpBytes.toString('base64')).slice(0, 16)}`,
    keys,
    uploads,
    before: flags.issuer ?? keys.appUrl,
  };
};

const throwFirst = (...errors: readonly (StackError | undefined)[]): void => {
  const first = errors.find((one) => one !== undefined);
  if (first !== undefined) throw first;
};

/** Everything that is known of both sides once the dump lies beside the database. */
interface Plan extends Change {
  readonly notes: readonly string[];
}

/** Restores the dump beside the database and judges it there. @throws {StackError} where it does not fit */
const examine = async (
  context: Context,
  adapters: Adapters,
  target: Target,
  given: Given,
  flags: Flags,
): Promise<Plan> => {
  const { settings, effects, terminal } = context;
  const { signal } = terminal;
  const { database, server } = target;
  const desired = desiredIdentity(settings);
  const now = await contentsOf(adapters, database, signal);
  throwFirst(inUse(now, await ownIds(context)));
  await restoreBeside(adapters.exec, { database, role }, given.dump, effects, signal);
  const dump = await contentsOf(adapters, besideOf(database), signal);
  throwFirst(
    wrongWithDump(dump, server),
    flags.adopt === true ? undefined : undecided(dump, desired),
    given.uploads !== undefined && !dump.hasStorage ? noRoom(server.isStandIn) : undefined,
  );
  const key = chooseKey(given.keys, dump, flags.keyFile ?? '');
  const notes = notesOn(dump, given.before, settings.addresses.issuer);
  const { uploads } = given;
  if (uploads !== undefined)
    await effects.perform('exec', 'put the pictures into the dump', async () =>
      runSql(adapters.exec, besideOf(database), uploads, 'take the pictures', signal),
    );
  return { target, now, key, notes };
};

const noRoom = (isStandIn: boolean): StackError =>
  new StackError(
    'TAKEOVER_REFUSED',
    `the dump has no table for pictures${isStandIn ? ', because it is of a stand-in' : ''}; nothing was changed`,
    { hint: 'start a newer version of the old server once and dump again; or leave --uploads out' },
  );

const takeOver = async (context: Context, flags: Flags, given: Given): Promise<number> => {
  const { tell, effects, terminal } = context;
  const failed = await bringUpPostgres(context);
  if (failed !== undefined) return failed;
  const adapters = createAdapters(context);
  const target = await findTarget(context, adapters);
  const { database } = target;
  const comment = await commentOf(adapters.exec, database, terminal.signal);
  let notes: readonly string[] = [];
  if (comment?.split('\n').includes(given.mark) === true) {
    tell('this dump has been taken over before; going on from there');
    await clearEmpty(context, adapters, target);
  } else {
    try {
      const plan = await examine(context, adapters, target, given, flags);
      await replace(context, adapters, plan, given.mark);
      notes = plan.notes;
      tell(`the dump is now the database ${database}, and its key is in the secret store`);
    } catch (error) {
      if (!terminal.signal.aborted)
        await dropBeside(adapters.exec, database, effects, terminal.signal).catch(() => undefined);
      throw error;
    }
  }
  const code = await bringUp(context, { adopt: flags.adopt === true });
  const kept = await keptAside(context, adapters, target);
  for (const note of [...notes, ...kept]) tell(`note: ${note}`);
  return code;
};

/**
 * `adopt pocketid`: takes over a Pocket ID that ran without this stack: its database, its key, its pictures. Everything is
 * checked before anything is changed; then it is `up`, which ends with the proof of the login.
 */
export const adopt = async (context: Context, flags: Flags): Promise<number> => {
  if (context.flags.json !== true) context.tell(context.hostLine);
  const given = await readGiven(context, flags);
  const lock = await takeRunLock(context.settings.paths.runLock, 'adopt');
  try {
    return await takeOver(context, flags, given);
  } finally {
    context.close();
    await lock.release();
  }
};
