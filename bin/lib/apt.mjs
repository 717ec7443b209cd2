import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { allSources, mirrorOf } from './apt-sources.mjs';
import { capture, tail } from './run.mjs';
import { say, Stop } from './say.mjs';

/** The oldest that the stack runs on, by package. */
const oldest = {
  'docker.io': [25],
  'docker-compose': [2, 24, 4],
  'docker-compose-v2': [2, 24, 4],
};

const byHand =
  'install Docker Engine >= 25 and Docker Compose >= 2.24.4 by hand (https://docs.docker.com/engine/install/), then run it again';

/** Runs apt-get; another one that is at work is waited for. */
const aptGet = (args) =>
  capture('apt-get', ['-q', '-o', 'DPkg::Lock::Timeout=120', ...args], {
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive', NEEDRESTART_SUSPEND: '1' },
  });

/**
 * Makes a release known as a source of last resort: same mirror and key, priority 100, so that nothing of it is taken
 * unless it is named. Returns what takes it back. @throws {Stop} ENGINE_MISSING where the mirror is not known
 */
const addRelease = (release, codename, folder) => {
  const sources = allSources(folder);
  if (sources.some((source) => source.suites.includes(release))) return () => undefined;
  const mirror = mirrorOf(sources, codename);
  if (mirror === undefined)
    throw new Stop(
      'ENGINE_MISSING',
      `the package sources in ${folder} name no mirror of ${codename}`,
      byHand,
    );
  const keyring = mirror.signedBy ?? '/usr/share/keyrings/debian-archive-keyring.gpg';
  const preferences = join(folder, 'preferences.d', `skylab-${release}`);
  const source = join(folder, 'sources.list.d', `skylab-${release}.sources`);
  const undo = () => {
    rmSync(source, { force: true });
    rmSync(preferences, { force: true });
    say(`  removed again: ${source}, ${preferences}`);
  };
  // The priority first: there is no moment at which the release counts like the system's own.
  say(`  write ${preferences}: priority 100, nothing of ${release} is taken unless it is named`);
  writeFileSync(preferences, `Package: *\nPin: release n=${release}\nPin-Priority: 100\n`);
  say(`  write ${source}: Debian ${release} from ${mirror.uri}`);
  writeFileSync(
    source,
    `Types: deb\nURIs: ${mirror.uri}\nSuites: ${release}\nComponents: main\nSigned-By: ${keyring}\n`,
  );
  return undo;
};

/** What apt would change besides installing new packages, from the lines of a simulation. */
export const unwanted = (simulation) =>
  simulation.split('\n').flatMap((line) => {
    const removed = /^Remv (\S+)/.exec(line);
    if (removed !== null) return [`remove ${removed[1]}`];
    const upgraded = /^Inst (\S+) \[/.exec(line);
    return upgraded === null ? [] : [`upgrade ${upgraded[1]}`];
  });

/** What apt would install that this stack does not run on, from the lines of a simulation. */
export const tooOld = (simulation) =>
  simulation.split('\n').flatMap((line) => {
    const [, name, version] = /^Inst (\S+) \((?:\d+:)?([\d.]+)/.exec(line) ?? [];
    const wanted = oldest[name];
    if (wanted === undefined) return [];
    const parts = version.split('.').map(Number);
    const at = wanted.findIndex((part, index) => (parts[index] ?? 0) !== part);
    return at >= 0 && (parts[at] ?? 0) < wanted[at]
      ? [`${name} ${version}, wanted is ${wanted.join('.')} or later`]
      : [];
  });

const refuseSimulation = (names) => {
  const args = ['install', '--no-install-recommends', ...names];
  const { code, stdout, stderr } = aptGet(['-s', ...args]);
  if (code !== 0)
    throw new Stop('ENGINE_MISSING', `apt cannot install ${names.join(' ')}:\n${tail(stderr)}`, byHand);
  const changes = unwanted(stdout);
  if (changes.length > 0)
    throw new Stop(
      'ENGINE_MISSING',
      `apt would change what is installed, so nothing was done:\n  ${changes.join('\n  ')}`,
      byHand,
    );
  const old = tooOld(stdout);
  if (old.length > 0)
    throw new Stop('ENGINE_MISSING', `what this release has is too old: ${old.join(', ')}`, byHand);
};

/**
 * Installs packages, said line by line; simulated first: where anything would be upgraded or removed nothing is done.
 * `from` is `{ release, codename }` where they come from another release than the system's own.
 * @throws {Stop} ENGINE_MISSING
 */
export const install = (names, from, folder = '/etc/apt') => {
  const takeBack = from === undefined ? () => undefined : addRelease(from.release, from.codename, folder);
  try {
    say('  apt-get update');
    const updated = aptGet(['update']);
    if (updated.code !== 0)
      throw new Stop(
        'ENGINE_MISSING',
        updated.missing ? 'apt-get is not installed' : `apt-get update failed:\n${tail(updated.stderr)}`,
        'check the network and the package sources, then run it again',
      );
    refuseSimulation(names);
  } catch (error) {
    takeBack();
    throw error;
  }
  say(`  apt-get install --no-install-recommends ${names.join(' ')}`);
  const done = aptGet(['install', '--no-install-recommends', '--no-remove', '-y', ...names]);
  if (done.code !== 0)
    throw new Stop(
      'ENGINE_MISSING',
      `apt-get could not install the packages:\n${tail(done.stderr)}`,
      'mend what apt says above, then run it again',
    );
};
