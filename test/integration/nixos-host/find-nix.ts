import { execFile } from 'node:child_process';
import { access, chmod, mkdir, mkdtemp, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

const answers = async (program: string): Promise<boolean> => {
  try {
    await run(program, ['--version'], { timeout: 10_000 });
    return true;
  } catch {
    return false;
  }
};

/** Packages that apt would add for nix-bin, from its simulation; what is here already, and may be older, is used as it is. */
const missingPackages = async (): Promise<readonly string[]> => {
  const { stdout } = await run('apt-get', ['install', '-s', '-q', '--no-install-recommends', 'nix-bin']);
  return [...stdout.matchAll(/^Inst (\S+) \(/gm)].map((match) => match[1] ?? '');
};

/** Debian's nix-bin with the libraries that this system lacks: nothing is installed, there is no daemon and no /nix. */
const unpack = async (folder: string): Promise<void> => {
  const work = await mkdtemp(`${folder}-`);
  try {
    const names = await missingPackages();
    await run('apt-get', ['download', '-q', ...names], { cwd: work, timeout: 90_000 });
    for (const archive of (await readdir(work)).filter((name) => name.endsWith('.deb'))) {
      await run('dpkg', ['-x', archive, 'root'], { cwd: work, timeout: 60_000 });
      await rm(join(work, archive));
    }
    const inLib = await readdir(join(work, 'root', 'usr', 'lib'));
    const libraries = ['nix', ...inLib.filter((name) => name.endsWith('-linux-gnu'))];
    const places = libraries.map((name) => `$here/root/usr/lib/${name}`).join(':');
    await writeFile(
      join(work, 'nix-instantiate'),
      `#!/bin/sh\nhere=$(dirname "$0")\nLD_LIBRARY_PATH="${places}" exec "$here/root/usr/bin/nix-instantiate" "$@"\n`,
    );
    await chmod(join(work, 'nix-instantiate'), 0o755);
    // Another test file may have been faster: its copy is as good.
    await rename(work, folder).catch(() => undefined);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
};

/** The path of `nix-instantiate`: of PATH, else of Debian's nix-bin, unpacked into a cache. Says so where there is none. */
export const findNix = async (): Promise<string | undefined> => {
  if (await answers('nix-instantiate')) return 'nix-instantiate';
  const cache =
    process.getuid?.() === 0 ? '/var/cache' : (process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'));
  const folder = join(cache, 'skylab-stack', 'nix');
  const program = join(folder, 'nix-instantiate');
  try {
    await mkdir(join(folder, '..'), { recursive: true });
    await access(program).catch(async () => unpack(folder));
    await run(program, ['--version'], { timeout: 10_000 });
    return program;
  } catch (error) {
    const [line] = (error instanceof Error ? error.message : String(error)).trim().split('\n').slice(-1);
    process.stdout.write(
      `skipped: no nix-instantiate on PATH, and Debian's nix-bin cannot be had: ${line ?? ''}\n`,
    );
    return undefined;
  }
};
