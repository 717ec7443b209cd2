import { execFile, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import { homedir } from 'node:os';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';

/*
 * The real sops and age for tests. Debian has age and no sops, so sops is made once from its source, where Go is at hand
 * and somebody said that things may be installed; it is kept in a cache of the user's, outside of the project.
 */

/** Builds with Go 1.25.8 and later. */
const version = '3.13.3';
const cache = join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'skylab-stack-tests');
const cached = join(cache, `sops-${version}`);

const say = (text: string): void => {
  process.stderr.write(`${text}\n`);
};

const onPath = (program: string): boolean => spawnSync(program, ['--help']).error === undefined;

const build = async (): Promise<string | undefined> => {
  if (process.env['SKYLAB_INSTALL'] !== 'yes')
    return 'sops is not on PATH; with SKYLAB_INSTALL=yes it is built once, which takes minutes';
  if (!onPath('go')) return 'neither sops nor go (to build it) is on PATH';
  mkdirSync(cache, { recursive: true });
  const folder = mkdtempSync(join(cache, '.build-'));
  const startedMs = Date.now();
  try {
    const args = ['-n', '19', 'go', 'install', '-trimpath', '-ldflags', '-s -w'];
    await promisify(execFile)('nice', [...args, `github.com/getsops/sops/v3/cmd/sops@v${version}`], {
      cwd: folder,
      env: { ...process.env, GOBIN: folder, GOFLAGS: '-mod=mod', GOTOOLCHAIN: 'local', CGO_ENABLED: '0' },
      timeout: 1_800_000,
      maxBuffer: 64 * 1024 * 1024,
    });
    mkdirSync(cached, { recursive: true });
    renameSync(join(folder, 'sops'), join(cached, 'sops'));
    say(`sops ${version} was built for the tests in ${Math.round((Date.now() - startedMs) / 1000)} s`);
    return undefined;
  } catch (error) {
    const last =
      String((error as { stderr?: unknown }).stderr ?? error)
        .trim()
        .split('\n')
        .at(-1) ?? '';
    return `sops could not be built: ${last}`;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
};

/** A PATH on which sops and age are; undefined where they cannot be had, which is printed with the reason. */
export const pathWithSops = async (): Promise<string | undefined> => {
  const skip = (why: string) => {
    say(`skipped: ${why}`);
    return undefined;
  };
  if (!onPath('age-keygen')) return skip('age is not installed (Debian package age)');
  const path = process.env['PATH'] ?? '';
  if (onPath('sops')) return path;
  if (!existsSync(join(cached, 'sops'))) {
    const why = await build();
    if (why !== undefined) return skip(why);
  }
  return `${cached}${delimiter}${path}`;
};
