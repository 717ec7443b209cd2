import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { homedir, hostname } from 'node:os';
import { delimiter, join } from 'node:path';
import { capture } from './run.mjs';

/** PATH with the places where only root's own leads, as daemons and their tools need it. */
export const systemPath = (env) =>
  [env.PATH ?? '', '/usr/local/sbin', '/usr/sbin', '/sbin'].filter((one) => one !== '').join(delimiter);

/** True when a program is on PATH, or in one of the places where only root's PATH leads. */
export const hasProgram = (name, env) =>
  systemPath(env)
    .split(delimiter)
    .some((folder) => folder !== '' && existsSync(join(folder, name)));

/** `{ id, like, codename }` of /etc/os-release; empty texts where it says nothing. */
export const readOs = (text) => {
  const value = (key) => new RegExp(`^${key}="?([^"\\n]*)"?$`, 'm').exec(text)?.[1] ?? '';
  return { id: value('ID'), like: value('ID_LIKE'), codename: value('VERSION_CODENAME') };
};

/** Those of these Debian packages that are installed. */
export const installedPackages = (names) =>
  names.filter((name) =>
    capture('dpkg-query', ['-W', '-f=${Status}', name]).stdout.includes('install ok installed'),
  );

/** Where engines listen that are not started by us: of a user, of a desktop, of a cluster. */
const foreignSockets = (env) => [
  ...(env.XDG_RUNTIME_DIR === undefined ? [] : [join(env.XDG_RUNTIME_DIR, 'docker.sock')]),
  join(homedir(), '.docker', 'desktop', 'docker.sock'),
  join(homedir(), '.docker', 'run', 'docker.sock'),
  '/run/containerd/containerd.sock',
  '/run/k3s/containerd/containerd.sock',
  '/run/crio/crio.sock',
];

/** Container engines of any other kind: beside one of these none is ever installed. */
const foreignEngines = (env) => [
  ...installedPackages(['docker-ce', 'containerd.io', 'podman-docker', 'moby-engine']),
  ...['podman', 'nerdctl', 'k3s', 'crio'].filter((name) => hasProgram(name, env)),
  ...foreignSockets(env).filter((path) => existsSync(path)),
];

const foldersIn = (path) => {
  try {
    return readdirSync(path, { withFileTypes: true }).flatMap((entry) =>
      entry.isDirectory() ? [entry.name] : [],
    );
  } catch {
    return [];
  }
};

/** True when these arguments lead to the sandbox, by the same rules as the program's own. */
export const isSandbox = (root, args, env, machineName = hostname()) => {
  const at = args.findIndex((arg) => arg === '--host' || arg.startsWith('--host='));
  const flag = at < 0 ? undefined : args[at].includes('=') ? args[at].slice('--host='.length) : args[at + 1];
  const named = [flag, env.STACK_HOST].find((name) => name !== undefined && name !== '');
  if (named !== undefined) return named.toLowerCase() === 'sandbox';
  const machine = machineName.split('.')[0].toLowerCase();
  const folders = foldersIn(env.SKYLAB_HOSTS ?? join(root, 'compose', 'hosts'));
  return (
    machine === 'sandbox' ||
    !folders.some((folder) => folder !== 'example' && folder.toLowerCase() === machine)
  );
};

/** The init system that starts services here: `systemd`, `sysv`, or `none`. */
const initSystem = () => {
  if (existsSync('/run/systemd/system')) return 'systemd';
  const first = existsSync('/proc/1/comm') ? readFileSync('/proc/1/comm', 'utf8').trim() : '';
  return first === 'init' && existsSync('/etc/init.d/docker') ? 'sysv' : 'none';
};

/** The command line that leads to these arguments, as a person types it. */
export const typedCommand = ([verb, ...flags]) => {
  if (verb === 'self-test') return flags.length === 0 ? 'npm test' : `npm test -- ${flags.join(' ')}`;
  return flags.length === 0 ? `npm run ${verb}` : `npm run -s ${verb} -- ${flags.join(' ')}`;
};

/** What `decide` looks at. */
export const machineFacts = (root, args, env, engine) => ({
  engine,
  isRoot: process.getuid?.() === 0,
  os: readOs(existsSync('/etc/os-release') ? readFileSync('/etc/os-release', 'utf8') : ''),
  hasDockerd: hasProgram('dockerd', env),
  foreign: foreignEngines(env),
  install: ['yes', 'no'].includes(env.SKYLAB_INSTALL) ? env.SKYLAB_INSTALL : undefined,
  hasTerminal: process.stdin.isTTY === true && process.stderr.isTTY === true,
  isSandbox: isSandbox(root, args, env),
  init: initSystem(),
  typed: typedCommand(args),
});
