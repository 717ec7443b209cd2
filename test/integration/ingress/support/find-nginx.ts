import { execFile } from 'node:child_process';
import { access, chmod, mkdir, mkdtemp, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** A folder with an executable `nginx` to put first on PATH, or why there is none. */
export type NginxProgram =
  | { readonly folder: string; readonly version: string }
  | { readonly missing: string };

/** `http2 on` is known from 1.25.1 on. */
const isRecent = (version: string): boolean => {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  return major > 1 || minor >= 26;
};

const versionIn = async (folder: string): Promise<string | undefined> => {
  try {
    await access(join(folder, 'nginx'));
    const { stderr } = await run(join(folder, 'nginx'), ['-v'], { timeout: 10_000 });
    return /nginx\/(\S+)/.exec(stderr)?.[1];
  } catch {
    return undefined;
  }
};

const packages = ['nginx', 'libc6', 'libcrypt1', 'libpcre2-8-0', 'libssl3t64', 'zlib1g'];

/** Debian trixie's nginx with the libraries it was built for, started by their own loader: nothing is installed. */
const unpack = async (folder: string): Promise<void> => {
  const work = await mkdtemp(`${folder}-`);
  try {
    const wanted = packages.map((name) => `${name}/trixie`);
    await run('apt-get', ['download', '-q', ...wanted], { cwd: work, timeout: 90_000 });
    for (const archive of (await readdir(work)).filter((name) => name.endsWith('.deb'))) {
      await run('dpkg', ['-x', archive, 'root'], { cwd: work, timeout: 60_000 });
      await rm(join(work, archive));
    }
    const libraries = (await readdir(join(work, 'root', 'usr', 'lib'))).find((name) =>
      name.endsWith('-linux-gnu'),
    );
    const inLibraries = await readdir(join(work, 'root', 'usr', 'lib', libraries ?? ''));
    const loader = inLibraries.find((name) => /^ld-linux.*\.so/.test(name));
    const place = `"$(dirname "$0")/root/usr/lib/${libraries}"`;
    const line = `exec ${place}/${loader} --library-path ${place} "$(dirname "$0")/root/usr/sbin/nginx" "$@"`;
    await writeFile(join(work, 'nginx'), `#!/bin/sh\n${line}\n`);
    await chmod(join(work, 'nginx'), 0o755);
    await chmod(work, 0o755);
    // Another test file may have been faster: its copy is as good.
    await rename(work, folder).catch(() => undefined);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
};

/** nginx of at least 1.26 from PATH, else unpacked from Debian trixie's packages into a cache. Says so where there is none. */
export const findNginx = async (): Promise<NginxProgram> => {
  for (const folder of (process.env['PATH'] ?? '').split(delimiter)) {
    const version = folder === '' ? undefined : await versionIn(folder);
    if (version !== undefined && isRecent(version)) return { folder, version };
  }
  // A user of its own runs it, so it cannot lie in a home that only root may enter.
  const isRoot = process.getuid?.() === 0;
  const cache = isRoot ? '/var/cache' : (process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'));
  const folder = join(cache, 'skylab-stack', 'nginx-trixie');
  try {
    await mkdir(join(folder, '..'), { recursive: true });
    if ((await versionIn(folder)) === undefined) await unpack(folder);
    const version = await versionIn(folder);
    if (version !== undefined) return { folder, version };
    throw new Error('the unpacked program does not start');
  } catch (error) {
    const [line] = (error instanceof Error ? error.message : String(error)).trim().split('\n').slice(-1);
    const missing = `no nginx of at least 1.26 on PATH, and Debian trixie's package cannot be had: ${line ?? ''}`;
    process.stdout.write(`skipped: ${missing}\n`);
    return { missing };
  }
};
