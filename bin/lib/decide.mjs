import { Stop } from './say.mjs';

/*
 * What to do about a missing Engine, from facts alone.
 *
 * facts: {
 *   isRoot, os: { id, like, codename }, engine: { version } | { errno }, hasDockerd,
 *   foreign: other container engines that are here: packages, programs or sockets (docker-ce, podman, …),
 *   install: 'yes' | 'no' | undefined (SKYLAB_INSTALL), hasTerminal, isSandbox,
 *   init: 'systemd' | 'sysv' | 'none',
 *   typed: the command that was typed, such as `npm run up`
 * }
 */

const isDebianFamily = (os) =>
  os.id === 'debian' || os.id === 'ubuntu' || os.like.split(' ').includes('debian');

/** Debian's packages for this system. On bookworm, whose own are too old, they come from trixie, named one by one. */
export const packagesFor = (os) => {
  if (os.id === 'ubuntu')
    return { names: ['docker.io', 'docker-compose-v2', 'docker-buildx'], release: undefined };
  const names = ['docker.io', 'docker-cli', 'docker-compose', 'docker-buildx', 'containerd'];
  return { names, release: os.codename === 'bookworm' ? 'trixie' : undefined };
};

const consent = ({ install, hasTerminal, isSandbox }) => {
  if (install !== undefined) return install;
  if (hasTerminal) return 'ask';
  return isSandbox ? 'yes' : 'no';
};

const startCommand = {
  systemd: 'sudo systemctl start docker',
  sysv: 'sudo service docker start',
  none: 'sudo dockerd',
};

const manual =
  'install Docker Engine >= 25 and Docker Compose >= 2.24.4 (https://docs.docker.com/engine/install/), then run it again';
const onNixos =
  'import the module of nixos-host/ into the configuration of this host and set services.skylab.enable = true, then run it again';

const accessFor = (os) =>
  os.id === 'nixos'
    ? 'name yourself in services.skylab.operators'
    : 'add yourself to the group docker: sudo usermod -aG docker $USER';

/**
 * `{ do: 'nothing' }`, `{ do: 'start', ask }` or `{ do: 'install', ask, packages }`.
 * @throws {Stop} ENGINE_DENIED, ENGINE_UNREACHABLE, ENGINE_MISSING
 */
export const decide = (facts) => {
  const { engine, hasDockerd, foreign, isRoot, os, init, typed } = facts;
  if (engine.version !== undefined) return { do: 'nothing' };
  if (engine.errno === 'EACCES' || engine.errno === 'EPERM') {
    throw new Stop(
      'ENGINE_DENIED',
      'this user may not talk to the Docker Engine',
      `run it as root; or ${accessFor(os)} (which is as powerful as root), then sign in again`,
    );
  }
  if (engine.errno !== 'ENOENT' && engine.errno !== 'ECONNREFUSED') {
    throw new Stop(
      'ENGINE_UNREACHABLE',
      `the Docker Engine does not answer (${engine.errno})`,
      'look at it: systemctl status docker',
    );
  }
  if (hasDockerd) {
    const go = isRoot ? consent(facts) : 'no';
    if (go === 'no') {
      throw new Stop(
        'ENGINE_UNREACHABLE',
        'the Docker Engine is installed and does not run',
        `start it: ${startCommand[init]}`,
      );
    }
    return { do: 'start', ask: go === 'ask' };
  }
  if (foreign.length > 0) {
    throw new Stop(
      'ENGINE_MISSING',
      `no Docker Engine answers, and another container engine is here (${foreign.join(', ')}): a second one is never put beside it`,
      manual,
    );
  }
  if (!isDebianFamily(os) || !isRoot) {
    const why = isRoot
      ? `this system (${os.id || 'unknown'}) is not of the Debian family`
      : 'only root can install one';
    throw new Stop(
      'ENGINE_MISSING',
      `there is no Docker Engine on this machine, and ${why}`,
      os.id === 'nixos' ? onNixos : manual,
    );
  }
  const go = consent(facts);
  if (go === 'no') {
    throw new Stop(
      'ENGINE_MISSING',
      'there is no Docker Engine on this machine',
      `let it be installed: SKYLAB_INSTALL=yes ${typed}; or ${manual}`,
    );
  }
  return { do: 'install', ask: go === 'ask', packages: packagesFor(os) };
};
