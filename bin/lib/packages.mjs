import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { capture, tail } from './run.mjs';
import { say, Stop } from './say.mjs';

const digest = (parts) => {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return hash.digest('hex');
};
const readStamp = (path) => (existsSync(path) ? readFileSync(path, 'utf8') : undefined);

const isAlive = (id) => {
  try {
    process.kill(id, 0);
    return true;
  } catch (error) {
    return error.code === 'EPERM';
  }
};

/**
 * Runs an act while no other process runs one for the same folder: two that install or build at once would spoil each
 * other's files. A lock whose process is gone is taken over.
 */
const alone = async (root, act) => {
  const name = `skylab-setup-${process.getuid?.() ?? 0}-${digest([root]).slice(0, 16)}`;
  const lock = join(tmpdir(), name);
  for (let isFirst = true; ; isFirst = false) {
    try {
      writeFileSync(lock, String(process.pid), { flag: 'wx', mode: 0o600 });
      break;
    } catch (error) {
      if (error.code !== 'EEXIST') throw error;
    }
    const holder = Number(readStamp(lock) ?? 0);
    // Empty for the moment between its making and its writing.
    if (holder > 0 && !isAlive(holder)) rmSync(lock, { force: true });
    else if (isFirst) say(`waiting for another run that installs or builds (process ${holder})`);
    await sleep(200);
  }
  try {
    act();
  } finally {
    rmSync(lock, { force: true });
  }
};

/** Installs the packages of the lock file, if what is installed came from another one, another Node or another system. */
export const ensurePackages = async (root) => {
  if (packagesAreThere(root)) return;
  await alone(root, () => {
    if (!packagesAreThere(root)) installPackages(root);
  });
};

const packagesStamp = (root) => {
  const stampFile = join(root, 'node_modules', '.skylab-stamp');
  const major = process.versions.node.split('.')[0];
  const wanted = digest([
    readFileSync(join(root, 'package-lock.json')),
    `${major} ${process.platform} ${process.arch}`,
  ]);
  return { stampFile, wanted };
};

const packagesAreThere = (root) => {
  const { stampFile, wanted } = packagesStamp(root);
  return readStamp(stampFile) === wanted;
};

const installPackages = (root) => {
  const { stampFile, wanted } = packagesStamp(root);
  say('installing packages (npm ci)');
  const npm = capture('npm', ['ci', '--include=dev', '--no-audit', '--no-fund', '--loglevel=error'], {
    cwd: root,
  });
  if (npm.code !== 0) {
    const seen = npm.missing ? 'npm is not installed' : tail(npm.stderr);
    throw new Stop(
      'PACKAGES_MISSING',
      `the packages could not be installed: ${seen}`,
      'check the network, then run it again',
    );
  }
  writeFileSync(stampFile, wanted);
};

const filesBelow = (folder) =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();

const buildStamp = (root) => {
  const sources = ['src', 'sandbox'].flatMap((folder) => filesBelow(join(root, folder)));
  const all = [...sources, join(root, 'scripts', 'build.mjs'), join(root, 'package-lock.json')];
  return {
    stampFile: join(root, 'dist', '.skylab-stamp'),
    wanted: digest(all.flatMap((file) => [file.slice(root.length), readFileSync(file)])),
  };
};

const isBuilt = (root) => {
  const { stampFile, wanted } = buildStamp(root);
  return readStamp(stampFile) === wanted && existsSync(join(root, 'dist', 'cli.js'));
};

/** Builds dist/, if the sources are not those it was built from. */
export const ensureBuild = async (root) => {
  if (isBuilt(root)) return;
  await alone(root, () => {
    if (!isBuilt(root)) buildAll(root);
  });
};

const buildAll = (root) => {
  const { stampFile, wanted } = buildStamp(root);
  // A build that is broken off leaves files of two versions behind.
  rmSync(stampFile, { force: true });
  say('building');
  const build = capture(process.execPath, [join(root, 'scripts', 'build.mjs')], { cwd: root });
  if (build.code !== 0) {
    throw new Stop(
      'INTERNAL',
      `the build failed:\n${tail(build.stderr, 20)}`,
      'report this, or go back to a released version',
      1,
    );
  }
  writeFileSync(stampFile, wanted);
};
