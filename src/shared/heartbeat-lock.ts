import { randomBytes } from 'node:crypto';
import { link, readlink, rename, rm, stat, utimes } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { monotonicMs, nowMs, sleep } from './clock.ts';
import { errnoOf, isMissingFile, StackError } from './errors.ts';
import { readText, writeAtomic } from './files.ts';
import { bootId, startTicksOf } from './process-identity.ts';

/*
 * A lock for a folder that processes in different containers share.
 *
 * INVARIANTS
 * - The lock file is made by link(2), which fails where there is one, and is replaced only by whoever made the ticket
 *   `<lock>.<id of the dead lock>` the same way, after looking once more that the dead lock still stands.
 * - A holder is dead when it belongs to another boot, when its process is gone (asked only inside the same PID
 *   namespace: elsewhere its number means nothing), or when its heartbeat, the file's mtime, stands still for `staleMs`
 *   on the watcher's own clock. The clock of the wall decides nothing, so setting it or suspending the machine is safe.
 * Not guaranteed: a holder that was stopped for longer than `staleMs` and goes on may overlap with its successor until its
 * next heartbeat (at most `beatMs`), which finds the foreign lock and aborts what it guards.
 */

interface Holder {
  readonly id: string;
  /** For people: `up on the host`, `the renewer`. */
  readonly who: string;
  readonly since: string;
  readonly boot: string;
  readonly pidNamespace: string;
  readonly pid: number;
  /** Kernel clock ticks at which the process started: tells it from a later one with the same number. */
  readonly startTicks: string;
}

interface Options {
  /** Who takes it, and what it guards: the words of LOCK_HELD. */
  readonly who: string;
  readonly guards: string;
  readonly beatMs?: number;
  readonly staleMs?: number;
  readonly retryMs?: number;
  /** How long to wait for a live holder. Default 3 minutes. */
  readonly waitMs?: number;
}

const defaults = { beatMs: 5000, staleMs: 15_000, retryMs: 200, waitMs: 180_000 };

const pidNamespace = async (): Promise<string> => readlink('/proc/self/ns/pid').catch(() => '');

/** Stands for a file that cannot be read as a lock: only its age can tell whether someone is there. */
const unreadable: Holder = {
  id: 'unreadable',
  who: 'a process that cannot be named',
  since: 'an unknown time',
  boot: '',
  pidNamespace: '',
  pid: 0,
  startTicks: '',
};

const parse = (text: string): Holder => {
  try {
    const parsed = JSON.parse(text) as Partial<Holder>;
    return typeof parsed.id === 'string' ? { ...unreadable, ...parsed } : unreadable;
  } catch {
    return unreadable;
  }
};

interface Seen {
  readonly holder: Holder;
  readonly beatAtMs: number;
}

const look = async (path: string): Promise<Seen | undefined> => {
  try {
    const { mtimeMs } = await stat(path);
    const text = await readText(path);
    return text === undefined ? undefined : { holder: parse(text), beatAtMs: mtimeMs };
  } catch (error) {
    if (isMissingFile(error)) return undefined;
    throw error;
  }
};

/** True where the kernel proves that the holder is gone; false where only its heartbeat can tell. */
const isProvenDead = async ({ boot, pidNamespace: namespace, pid, startTicks }: Holder): Promise<boolean> => {
  if (boot !== '' && boot !== (await bootId())) return true;
  if (namespace === '' || namespace !== (await pidNamespace())) return false;
  return (await startTicksOf(pid)) !== startTicks;
};

const linked = async (from: string, to: string): Promise<boolean> => {
  try {
    await link(from, to);
    return true;
  } catch (error) {
    if (errnoOf(error) === 'EEXIST') return false;
    throw error;
  }
};

/** Replaces a dead lock with ours; false where another process is about to, or has. */
const takeOver = async (path: string, mine: string, dead: Holder): Promise<boolean> => {
  const ticket = `${path}.${dead.id}`;
  if (!(await linked(mine, ticket))) {
    const rival = await look(ticket);
    // Whoever made the ticket died with it: without this nobody could ever take the lock again.
    if (rival !== undefined && (await isProvenDead(rival.holder))) await rm(ticket, { force: true });
    else if (rival !== undefined && nowMs() - rival.beatAtMs > defaults.staleMs)
      await rm(ticket, { force: true });
    return false;
  }
  try {
    if ((await look(path))?.holder.id !== dead.id) return false;
    await rename(mine, path);
    return true;
  } finally {
    await rm(ticket, { force: true });
  }
};

const held = (holder: Holder, guards: string, path: string): StackError =>
  new StackError('LOCK_HELD', `${holder.who} has been at work on ${guards} since ${holder.since}`, {
    hint: 'wait for it to end, or stop it, then run it again',
    data: { who: holder.who, since: holder.since, path },
  });

/** Who holds the lock, if anyone does: by proof where there is one, else by a heartbeat that is recent. Never waits. */
export const heartbeatHolder = async (path: string): Promise<string | undefined> => {
  const seen = await look(path);
  if (seen === undefined || (await isProvenDead(seen.holder))) return undefined;
  return nowMs() - seen.beatAtMs > defaults.staleMs ? undefined : seen.holder.who;
};

const take = async (path: string, me: Holder, options: Required<Options>, signal: AbortSignal) => {
  const mine = join(dirname(path), `.${basename(path)}.${me.id}`);
  const began = monotonicMs();
  let watched = { beatAtMs: -1, id: '', sinceMs: began };
  await writeAtomic(mine, JSON.stringify(me), 0o644);
  try {
    for (;;) {
      signal.throwIfAborted();
      if (await linked(mine, path)) return;
      const seen = await look(path);
      if (seen !== undefined) {
        const { holder, beatAtMs } = seen;
        if (holder.id !== watched.id || beatAtMs !== watched.beatAtMs) {
          watched = { beatAtMs, id: holder.id, sinceMs: monotonicMs() };
        }
        const isStill = monotonicMs() - watched.sinceMs > options.staleMs;
        if ((isStill || (await isProvenDead(holder))) && (await takeOver(path, mine, holder))) return;
        if (monotonicMs() - began > options.waitMs) throw held(holder, options.guards, path);
      }
      await sleep(options.retryMs, signal);
    }
  } finally {
    await rm(mine, { force: true });
  }
};

/**
 * Runs the act while nobody else holds the lock at `path`. Its signal is aborted when `signal` is, and when the lock is lost.
 * The folder must be there. Lock and heartbeat are no effects: they leave nothing behind.
 * @throws {StackError} LOCK_HELD after `waitMs`; DISK_*
 */
export const withHeartbeatLock = async <T>(
  path: string,
  given: Options,
  signal: AbortSignal,
  act: (signal: AbortSignal) => Promise<T>,
): Promise<T> => {
  const options = { ...defaults, ...given };
  const me: Holder = {
    id: randomBytes(9).toString('hex'),
    who: options.who,
    since: new Date(nowMs()).toISOString(),
    boot: await bootId(),
    pidNamespace: await pidNamespace(),
    pid: process.pid,
    startTicks: (await startTicksOf(process.pid)) ?? '',
  };
  await take(path, me, options, signal);
  const guard = new AbortController();
  const follow = () => {
    guard.abort(signal.reason);
  };
  signal.addEventListener('abort', follow, { once: true });
  const released = new AbortController();
  const isMine = async () => (await look(path))?.holder.id === me.id;
  const beat = async () => {
    for (;;) {
      await sleep(options.beatMs, released.signal);
      if (!(await isMine())) {
        throw new StackError('LOCK_HELD', `the lock of ${options.guards} was taken over by another process`, {
          hint: 'this machine was stopped for a while; run it again',
        });
      }
      const now = new Date(nowMs());
      await utimes(path, now, now);
    }
  };
  const beating = beat().catch((error: unknown) => {
    if (!released.signal.aborted) guard.abort(error);
  });
  try {
    signal.throwIfAborted();
    return await act(guard.signal);
  } finally {
    released.abort();
    signal.removeEventListener('abort', follow);
    await beating;
    if (await isMine()) await rm(path, { force: true });
  }
};
