import { hostname } from 'node:os';
import { rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { dirname } from 'node:path';
import { sleep } from '../shared/clock.ts';
import { digestOf, ensureDirectory, readText, writeAtomic } from '../shared/files.ts';
import { errnoOf, StackError } from '../shared/errors.ts';
import { bootId, startTicksOf } from '../shared/process-identity.ts';

/*
 * INVARIANTS
 * - The lock file is looked at and written only inside the guard, an abstract socket that the kernel gives to one
 *   process at a time and takes back when that process ends, however it ends.
 * - It is taken over only when its holder is proven dead: other boot, no such process, or the process id was given to a
 *   younger process.
 * It does not work across machines that share the folder, nor across network or PID namespaces; the certificate store,
 * which a container shares, has a lock of its own.
 */

/** Who holds a run lock. */
export interface Holder {
  readonly pid: number;
  /** Kernel clock ticks at which the process started: tells a holder from a later process with the same id. */
  readonly startTicks: string;
  readonly bootId: string;
  readonly machine: string;
  readonly verb: string;
  readonly since: string;
}

export interface RunLock {
  readonly release: () => Promise<void>;
}

const isAlive = async (holder: Holder): Promise<boolean> => {
  if (holder.bootId !== (await bootId())) return false;
  const ticks = await startTicksOf(holder.pid);
  return ticks !== undefined && ticks === holder.startTicks;
};

const parse = (text: string): Holder | undefined => {
  try {
    return JSON.parse(text) as Holder;
  } catch {
    return undefined;
  }
};

/** Who is at work on this host, if anyone is. Never waits. */
export const readHolder = async (path: string): Promise<Holder | undefined> => {
  const text = await readText(path);
  const holder = text === undefined ? undefined : parse(text);
  return holder !== undefined && (await isAlive(holder)) ? holder : undefined;
};

const held = (holder: Holder, path: string): StackError =>
  new StackError(
    'LOCK_HELD',
    `"${holder.verb}" is at work on this host since ${holder.since} (process ${holder.pid})`,
    {
      hint: 'wait for it to end, or end it with Ctrl-C where it runs',
      data: { ...holder, path },
    },
  );

const guardTimeoutMs = 5000;

const tryBind = async (name: string): Promise<(() => Promise<void>) | undefined> =>
  new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', (error) => {
      if (errnoOf(error) === 'EADDRINUSE') resolve(undefined);
      else reject(error);
    });
    server.listen(`\0${name}`, () => {
      resolve(
        async () =>
          new Promise((closed) => {
            server.close(() => {
              closed();
            });
          }),
      );
    });
  });

/** Runs the act while no other process is inside the guard of this path. */
const guarded = async <T>(path: string, act: () => Promise<T>): Promise<T> => {
  const name = `skylab-${digestOf(path).slice(0, 32)}`;
  for (let waitedMs = 0; waitedMs < guardTimeoutMs; waitedMs += 20) {
    const leave = await tryBind(name);
    if (leave !== undefined) {
      try {
        return await act();
      } finally {
        await leave();
      }
    }
    await sleep(20);
  }
  throw new StackError(
    'LOCK_HELD',
    `another run has been taking or leaving the lock ${path} for ${guardTimeoutMs / 1000} s`,
    {
      hint: 'look for a stopped skylab process: ps ax | grep skylab',
      data: { path },
    },
  );
};

/**
 * Takes the lock that lets one run at a time change this host; a dead holder's lock is taken over.
 * @throws {StackError} LOCK_HELD, DISK_*
 */
export const takeRunLock = async (path: string, verb: string): Promise<RunLock> => {
  await ensureDirectory(dirname(path), 0o700);
  const me: Holder = {
    pid: process.pid,
    startTicks: (await startTicksOf(process.pid)) ?? '',
    bootId: await bootId(),
    machine: hostname(),
    verb,
    since: new Date().toISOString(),
  };
  await guarded(path, async () => {
    const holder = await readHolder(path);
    if (holder !== undefined) throw held(holder, path);
    await writeAtomic(path, JSON.stringify(me), 0o600);
  });
  return {
    async release() {
      await guarded(path, async () => rm(path, { force: true }));
    },
  };
};
