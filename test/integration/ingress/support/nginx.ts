import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chown,
  mkdir,
  mkdtemp,
  open,
  readFile,
  readdir,
  rm,
  stat,
  symlink,
  rename,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { ServiceFile } from '../../../../src/orchestrator/area.ts';
import type { DesiredIngress } from '../../../../src/ingress/desired.ts';
import { renderIngress } from '../../../../src/ingress/render.ts';
import { digestOf } from '../../../../src/shared/files.ts';
import { signalFound } from '../../../support/signals.ts';
import type { Issued } from './authority.ts';

/** Polls until the condition holds. @throws after the deadline, with what was seen last */
export const until = async (
  what: string,
  holds: () => boolean | Promise<boolean>,
  deadlineMs = 60_000,
): Promise<void> => {
  const endMs = Date.now() + deadlineMs;
  while (!(await holds())) {
    if (Date.now() > endMs) throw new Error(`${what}: not so after ${deadlineMs} ms`);
    await pause(50);
  }
};

/** After a reload old workers take connections beside the new ones for a moment: waits until none of `old` is left. */
export const untilOnlyNew = async (
  workers: () => Promise<readonly string[]>,
  old: readonly string[],
): Promise<void> =>
  until('only new workers are left', async () => {
    const now = await workers();
    return now.length > 0 && now.every((id) => !old.includes(id));
  });

/** Where tests run as root, nginx runs as the user it has in its container. */
export const nginxUser = process.getuid?.() === 0 ? { uid: 1000, gid: 1000 } : undefined;

const own = async (path: string): Promise<void> => {
  if (nginxUser === undefined) return;
  await chown(path, nginxUser.uid, nginxUser.gid);
  if (!(await stat(path)).isDirectory()) return;
  for (const name of await readdir(path)) await own(join(path, name));
};

export interface Nginx {
  readonly desired: DesiredIngress;
  /** The serial-numbered folder that everything of this nginx is in. */
  readonly folder: string;
  /** Swaps in a version of the files, as the containers area does; `alter` changes their text. */
  readonly putFiles: (
    desired: DesiredIngress,
    alter?: (path: string, text: string) => string,
  ) => Promise<void>;
  /** Swaps in a certificate, as the store does: that of the domain, or of another folder in it. */
  readonly putCertificate: (issued: Issued, of?: string) => Promise<void>;
  readonly start: () => Promise<void>;
  /** Everything it printed. */
  readonly said: () => Promise<string>;
  /** Processes that were started for it and still run, by their command lines. */
  readonly processes: () => Promise<readonly string[]>;
  /** Process ids of its workers, those that are about to end included. */
  readonly workers: () => Promise<readonly string[]>;
  /** Keeps it from noticing what changes, or lets it. */
  readonly watch: (watches: boolean) => Promise<void>;
  /** What it ended with; null while it runs, or where a signal ended it. */
  readonly exitCode: () => number | null;
  /** Ends it with a signal and waits until it has ended. */
  readonly end: (signal: 'SIGTERM' | 'SIGQUIT') => Promise<void>;
  /** Ends it and removes its folder. */
  readonly stop: () => Promise<void>;
}

const textOf = (file: ServiceFile): string =>
  file.content.map((part) => (typeof part === 'string' ? part : '')).join('');

const swap = async (link: string, target: string): Promise<void> => {
  await symlink(target, `${link}.new`);
  await rename(`${link}.new`, link);
};

/** Lays out the folders of one nginx. Nothing is started, and neither files nor certificate are there yet. */
export const prepareNginx = async (
  programFolder: string,
  wanted: (folder: string) => DesiredIngress,
): Promise<Nginx> => {
  const folder = await mkdtemp(join(tmpdir(), 'skylab-nginx-'));
  const desired = wanted(folder);
  for (const path of [desired.places.files, desired.places.certificates, desired.places.scratch])
    await mkdir(path, { recursive: true });
  const log = join(folder, 'log');
  await writeFile(log, '');
  await own(folder);
  let version = 0;
  let child: ReturnType<typeof spawn> | undefined;
  const end = async (signal: 'SIGTERM' | 'SIGQUIT'): Promise<void> => {
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const gone = once(child, 'exit');
    child.kill(signal);
    await gone;
  };
  const processes = async () => {
    if (child?.pid === undefined) return [];
    const group = String(child.pid);
    const ids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
    const ours = await Promise.all(
      ids.map(async (id) => {
        const read = async (name: string) => readFile(`/proc/${id}/${name}`, 'utf8').catch(() => '');
        // After the name, which may hold spaces: state, parent, process group (proc(5)).
        const [state, , itsGroup] = (await read('stat')).replace(/^.*\) /, '').split(' ');
        if (itsGroup !== group || state === 'Z') return [];
        return [{ id, line: (await read('cmdline')).replaceAll('\0', ' ') }];
      }),
    );
    return ours.flat();
  };
  const watch = async (watches: boolean) => {
    const shells = (await processes()).filter(({ line }) => line.startsWith('sh '));
    for (const { id } of shells) signalFound(Number(id), watches ? 'SIGCONT' : 'SIGSTOP');
  };

  return {
    desired,
    folder,
    async putFiles(next, alter = (_path, text) => text) {
      version += 1;
      const place = join(desired.places.files, `v${version}`);
      await mkdir(place);
      for (const file of renderIngress(next, digestOf).files)
        await writeFile(join(place, file.path), alter(file.path, textOf(file)));
      await own(place);
      await swap(join(desired.places.files, 'current'), `v${version}`);
    },
    async putCertificate(issued, of = desired.domain) {
      version += 1;
      const store = join(desired.places.certificates, of);
      const place = join(store, `v${version}`);
      await mkdir(place, { recursive: true });
      await writeFile(join(place, 'fullchain.pem'), issued.fullchain);
      await writeFile(join(place, 'key.pem'), issued.key);
      await own(store);
      await swap(join(store, 'current'), `v${version}`);
    },
    async start() {
      const output = await open(log, 'a');
      child = spawn('sh', [join(desired.places.files, 'current', 'run.sh')], {
        stdio: ['ignore', output.fd, output.fd],
        // A process group of its own, by which what it started is found.
        detached: true,
        env: { ...process.env, PATH: `${programFolder}${delimiter}${process.env['PATH'] ?? ''}` },
        ...nginxUser,
      });
      await output.close();
      const begun = child;
      await until('nginx is healthy', async () => {
        if (begun.exitCode !== null) throw new Error(`nginx ended: ${await readFile(log, 'utf8')}`);
        const answer = await fetch(`http://127.0.0.1:${desired.healthPort}/healthz`).catch(() => undefined);
        return answer?.status === 200;
      });
    },
    said: async () => readFile(log, 'utf8'),
    processes: async () => (await processes()).map(({ line }) => line),
    workers: async () =>
      (await processes()).filter(({ line }) => line.includes('nginx: worker')).map(({ id }) => id),
    watch,
    exitCode: () => child?.exitCode ?? null,
    end,
    async stop() {
      await watch(true);
      await end('SIGTERM');
      await rm(folder, { recursive: true, force: true });
    },
  };
};
