import { spawn, type ChildProcess } from 'node:child_process';
import { openSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { runProgram } from './host.ts';
import { signalFound } from './signals.ts';

/*
 * A Docker Engine of a test's own: socket, data, processes and network are all its own, so that it can be stopped and
 * killed. It lives in a network namespace, since two Engines in one would share their firewall rules.
 */

export interface PrivateEngine {
  /** What runs a program beside it: put before the program and its arguments. */
  readonly enter: readonly string[];
  /** Environment that leads the docker command and the program under test there. */
  readonly env: Readonly<Record<string, string>>;
  readonly start: () => Promise<void>;
  /** SIGKILL takes its containerd too, as a machine that fails would; containers live on until the next start. */
  readonly stop: (signal: 'SIGTERM' | 'SIGKILL') => Promise<void>;
  /** Copies images from the machine's own Engine; those that are not there are left out. */
  readonly copyImages: (refs: readonly string[]) => Promise<void>;
  readonly remove: () => Promise<void>;
}

const startTimeoutMs = 60_000;

/** Polls until the condition holds. @throws with what was last seen, when it is too late */
export const until = async <T>(
  what: string,
  timeoutMs: number,
  look: () => Promise<T>,
  isGood: (seen: T) => boolean,
): Promise<T> => {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    const seen = await look();
    if (isGood(seen)) return seen;
    if (performance.now() > deadline)
      throw new Error(`${what}: not within ${timeoutMs / 1000} s; seen last: ${JSON.stringify(seen)}`);
    await setTimeout(250);
  }
};

const ended = async (child: ChildProcess | undefined): Promise<void> => {
  if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
  await once(child, 'exit');
};

/** Processes whose command line names this folder: what an Engine that was killed left behind. */
const processesOf = async (folder: string): Promise<readonly number[]> => {
  const ids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(Number);
  const found = await Promise.all(
    ids.map(async (id) => {
      const line = await readFile(`/proc/${id}/cmdline`, 'utf8').catch(() => '');
      return line.includes(folder) ? [id] : [];
    }),
  );
  return found.flat();
};

/** Makes the place for an Engine; it does not run yet. Needs root. */
export const createPrivateEngine = async (): Promise<PrivateEngine> => {
  // Sockets have short paths.
  const folder = await mkdtemp(join(tmpdir(), 'skylab-engine-'));
  const address = `unix://${folder}/docker.sock`;
  const env = { DOCKER_HOST: address };
  const holder = spawn(
    'unshare',
    ['--net', 'sh', '-c', 'ip link set lo up && echo up && exec sleep infinity'],
    {
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  );
  await once(holder.stdout, 'data');
  const enter = ['nsenter', `--net=/proc/${holder.pid}/ns/net`, '--'];
  const log = openSync(join(folder, 'log'), 'a');
  const pidFile = join(folder, 'pid');
  let daemon: ChildProcess | undefined;

  const start = async () => {
    const places = ['data-root', 'exec-root'].map((name) => `--${name}=${folder}/${name}`);
    const [file = '', ...before] = enter;
    await rm(pidFile, { force: true });
    daemon = spawn(
      file,
      [...before, 'dockerd', '-H', address, ...places, `--pidfile=${pidFile}`, '--bridge=none'],
      { stdio: ['ignore', log, log] },
    );
    await until(
      'the Engine of this test answers',
      startTimeoutMs,
      async () => runProgram('docker', ['version'], { ...process.env, ...env }),
      ({ code }) => code === 0,
    );
  };

  const stop: PrivateEngine['stop'] = async (signal) => {
    if (signal === 'SIGKILL') {
      const containerd = Number(await readFile(`${folder}/exec-root/containerd/containerd.pid`, 'utf8'));
      process.kill(containerd, signal);
    }
    daemon?.kill(signal);
    await ended(daemon);
  };

  const copyImages: PrivateEngine['copyImages'] = async (refs) => {
    const there = await Promise.all(
      refs.map(async (ref) =>
        (await runProgram('docker', ['image', 'inspect', ref])).code === 0 ? [ref] : [],
      ),
    );
    const wanted = there.flat();
    if (wanted.length === 0) return;
    const copied = await runProgram('sh', [
      '-c',
      'docker save "$@" | DOCKER_HOST="$0" docker load',
      address,
      ...wanted,
    ]);
    if (copied.code !== 0) throw new Error(`images could not be copied: ${copied.stderr}`);
  };

  return {
    enter,
    env,
    start,
    stop,
    copyImages,
    async remove() {
      // Only an Engine can end its containers and let go of their file systems.
      if (daemon?.exitCode !== null || daemon.signalCode !== null) await start();
      await stop('SIGTERM');
      for (const id of await processesOf(folder)) signalFound(id, 'SIGKILL');
      holder.kill('SIGKILL');
      await ended(holder);
      // Mounted onto itself by an Engine that was killed; the one after it leaves that so.
      await runProgram('umount', [`${folder}/data-root`]);
      await rm(folder, { recursive: true, force: true });
    },
  };
};
