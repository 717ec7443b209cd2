import { createHash, randomBytes } from 'node:crypto';
import {
  chmod,
  chown,
  lstat,
  mkdir,
  open,
  readdir,
  readFile,
  readlink,
  rename,
  rm,
  stat,
  symlink,
} from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { errnoOf, isMissingFile, StackError } from './errors.ts';

/** Who owns a file. Left out: the user this program runs as. */
export interface Owner {
  readonly uid: number;
  readonly gid: number;
}

const explained = (error: unknown, path: string): unknown => {
  const data = { path, errno: errnoOf(error) };
  switch (errnoOf(error)) {
    case 'ENOSPC':
    case 'EDQUOT':
      return new StackError('DISK_FULL', `cannot write ${path}: no space left (${data.errno})`, {
        hint: `free some space, then run it again: df -h ${dirname(path)}`,
        data,
        cause: error,
      });
    case 'EROFS':
      return new StackError('DISK_READ_ONLY', `cannot write ${path}: the file system is read-only (EROFS)`, {
        hint: 'mount it writable, or set storage.root to a folder that is',
        data,
        cause: error,
      });
    case 'EACCES':
    case 'EPERM':
      return new StackError('DISK_DENIED', `cannot write ${path}: this user may not (${data.errno})`, {
        hint: `run it as the user who owns ${dirname(path)}, or as root`,
        data,
        cause: error,
      });
    case 'ENOTDIR':
    case 'EEXIST':
      return new StackError(
        'DISK_READ_ONLY',
        `cannot write ${path}: a file stands where a folder should be (${data.errno})`,
        { hint: 'move that file away, or set storage.root to a folder', data, cause: error },
      );
    case undefined:
    default:
      return error;
  }
};

/** Runs a write and turns the disk's own errors (full, read-only, denied, no folder) into ours. */
export const onDisk = async <T>(path: string, act: () => Promise<T>): Promise<T> => {
  try {
    return await act();
  } catch (error) {
    throw explained(error, path);
  }
};

/** The text of a file, or undefined where there is none. */
export const readText = async (path: string): Promise<string | undefined> => {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (isMissingFile(error)) return undefined;
    throw error;
  }
};

/** Makes what was renamed, made or removed in a folder outlive a power cut. */
export const syncDirectory = async (path: string): Promise<void> => {
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
};

/** A name beside a path that nobody else has. */
const temporaryOf = (path: string): string =>
  join(dirname(path), `.${basename(path)}.${randomBytes(6).toString('hex')}`);

/** Removes what killed processes left beside a path under such names. */
const removeTemporaries = async (path: string): Promise<void> => {
  const start = `.${basename(path)}.`;
  const left = (await readdir(dirname(path))).filter(
    (name) => name.startsWith(start) && /^[0-9a-f]{12}$/.test(name.slice(start.length)),
  );
  for (const name of left) await rm(join(dirname(path), name), { force: true });
};

const tries = 5;
/**
 * Makes a file under a temporary name and renames it. Where another process takes it for one that was left behind, it is
 * made again: both mean the same path, and the last one wins.
 */
const inOneStep = async (path: string, make: (temporary: string) => Promise<void>): Promise<void> => {
  for (let attempt = 1; ; attempt += 1) {
    const temporary = temporaryOf(path);
    try {
      await removeTemporaries(path);
      await make(temporary);
      await rename(temporary, path);
      break;
    } catch (error) {
      await rm(temporary, { force: true });
      if (!isMissingFile(error) || attempt === tries) throw error;
    }
  }
  await syncDirectory(dirname(path));
};

/**
 * Writes a file so that a reader sees the old or the new text, never half of it, and a power cut loses neither:
 * temporary file, fsync, rename, fsync of the folder. `mode` holds from the first byte on.
 * @throws {StackError} DISK_FULL, DISK_READ_ONLY, DISK_DENIED
 */
export const writeAtomic = async (path: string, text: string, mode: number, owner?: Owner): Promise<void> =>
  onDisk(path, async () =>
    inOneStep(path, async (temporary) => {
      const handle = await open(temporary, 'wx', mode);
      try {
        await handle.writeFile(text);
        await handle.chmod(mode);
        if (owner !== undefined) await handle.chown(owner.uid, owner.gid);
        await handle.sync();
      } finally {
        await handle.close();
      }
    }),
  );

/** Makes a folder and those above it. Node's own `recursive` calls a read-only file system ENOENT. */
export const makeDirectories = async (path: string): Promise<void> => {
  try {
    await mkdir(path);
  } catch (error) {
    if (errnoOf(error) === 'EEXIST' && (await stat(path)).isDirectory()) return;
    if (!isMissingFile(error) || dirname(path) === path) throw error;
    await makeDirectories(dirname(path));
    await makeDirectories(path);
  }
};

/**
 * Makes a folder (and those above it) with this mode and owner, whatever the umask says; safe to repeat.
 * @throws {StackError} DISK_FULL, DISK_READ_ONLY, DISK_DENIED
 */
export const ensureDirectory = async (path: string, mode: number, owner?: Owner): Promise<void> =>
  onDisk(path, async () => {
    await makeDirectories(path);
    await chmod(path, mode);
    if (owner !== undefined) await chown(path, owner.uid, owner.gid);
  });

/** Points a symlink at a target, in one step for every reader; the target is kept as written (relative stays relative). */
export const swapSymlink = async (path: string, target: string): Promise<void> =>
  onDisk(path, async () => inOneStep(path, async (temporary) => symlink(target, temporary)));

/** Where a symlink points, or undefined where there is none. */
export const readSymlink = async (path: string): Promise<string | undefined> => {
  try {
    return await readlink(path);
  } catch (error) {
    if (isMissingFile(error) || errnoOf(error) === 'EINVAL') return undefined;
    throw error;
  }
};

export const exists = async (path: string): Promise<boolean> => {
  try {
    await lstat(path);
    return true;
  } catch (error) {
    if (isMissingFile(error)) return false;
    throw error;
  }
};

/** Hex SHA-256 of a text. */
export const digestOf = (text: string): string => createHash('sha256').update(text).digest('hex');
