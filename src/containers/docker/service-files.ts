import { randomBytes } from 'node:crypto';
import { chmod, chown, lstat, readdir, readFile, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Effects } from '../../orchestrator/effects.ts';
import {
  digestOf,
  ensureDirectory,
  makeDirectories,
  onDisk,
  readSymlink,
  swapSymlink,
  writeAtomic,
  type Owner,
} from '../../shared/files.ts';
import { errnoOf, isMissingFile, isStackError, StackError } from '../../shared/errors.ts';
import type { FilesWish, Folder } from '../desired.ts';

/** The files of one service, on disk and as they should be. */
export interface FilesState {
  /** Name of the version that should be there; undefined where it cannot be rendered yet. */
  readonly wanted: string | undefined;
  /** Digest of the files that the service does not reload by itself. */
  readonly label: string | undefined;
  /** Why it cannot be rendered, as a sentence. */
  readonly why: string | undefined;
  /** The version that `current` points at, where every file of it is as wanted. */
  readonly current: string | undefined;
  /** What else lies in the folder: older versions, and what a killed run left. */
  readonly leftovers: readonly string[];
}

type ReadSecret = (name: string) => Promise<string | undefined>;

interface Rendered {
  readonly path: string;
  readonly text: string;
  readonly reloads: boolean;
}

const render = async (wish: FilesWish, readSecret: ReadSecret): Promise<readonly Rendered[]> =>
  Promise.all(
    wish.files.map(async ({ path, content, reloads }) => {
      const parts = await Promise.all(
        content.map(async (part) => {
          if (typeof part === 'string') return part;
          if ('real' in part) return wish.standIn ? part.standIn : part.real;
          const value = await readSecret(part.secret);
          if (value !== undefined) return part.as === 'url' ? encodeURIComponent(value) : value;
          throw new StackError(
            'SECRET_UNREADABLE',
            `${wish.service} needs the secret ${part.secret}, which is not there yet`,
            {
              hint: 'run npm run up again; if it stays so, see docs/errors.md#secret_unreadable',
              data: { secret: part.secret, service: wish.service },
            },
          );
        }),
      );
      return { path, text: parts.join(''), reloads };
    }),
  );

/** As root the folder belongs to its one reader; otherwise everybody may read it, and nobody gets into the one above. */
const modesOf = (wish: FilesWish): { owner: Owner; folder: number; file: number } =>
  wish.user.uid === 0
    ? { owner: wish.files[0]?.reader ?? wish.user, folder: 0o500, file: 0o400 }
    : { owner: wish.user, folder: 0o755, file: 0o444 };

const digestLength = 16;
const labelOf = (files: readonly Rendered[]): string =>
  digestOf(JSON.stringify(files.filter((one) => !one.reloads).map(({ path, text }) => [path, text]))).slice(
    0,
    digestLength,
  );
const versionOf = (wish: FilesWish, files: readonly Rendered[]): string =>
  digestOf(JSON.stringify([modesOf(wish), files.map(({ path, text }) => [path, text])])).slice(
    0,
    digestLength,
  );

const current = 'current';

const cannotBeSeen = (error: unknown): boolean =>
  isMissingFile(error) || errnoOf(error) === 'EACCES' || errnoOf(error) === 'ENOTDIR';

/** What lies in a folder and where `current` points; nothing where the folder cannot be seen. */
const survey = async (folder: string): Promise<{ pointed: string | undefined; names: readonly string[] }> => {
  try {
    const [pointed, names] = await Promise.all([readSymlink(join(folder, current)), readdir(folder)]);
    return { pointed, names };
  } catch (error) {
    if (cannotBeSeen(error)) return { pointed: undefined, names: [] };
    throw error;
  }
};

const isAsWanted = async (wish: FilesWish, version: string, files: readonly Rendered[]): Promise<boolean> => {
  const { owner, folder, file } = modesOf(wish);
  const isOwn = async (path: string, mode: number) => {
    const seen = await lstat(path);
    return (seen.mode & 0o7777) === mode && seen.uid === owner.uid && seen.gid === owner.gid;
  };
  try {
    const root = join(wish.folder, version);
    const good = await Promise.all([
      isOwn(wish.folder, folder),
      isOwn(root, folder),
      ...files.map(async ({ path, text }) => {
        const place = join(root, path);
        return (await isOwn(place, file)) && (await readFile(place, 'utf8')) === text;
      }),
    ]);
    return good.every(Boolean);
  } catch (error) {
    if (cannotBeSeen(error)) return false;
    throw error;
  }
};

/** Looks at the files of one service. Reads only; what cannot be rendered yet is a value. */
export const observeFiles = async (wish: FilesWish, readSecret: ReadSecret): Promise<FilesState> => {
  const { pointed, names } = await survey(wish.folder);
  const leftovers = names.filter((name) => name !== current && name !== pointed);
  try {
    const files = await render(wish, readSecret);
    const wanted = versionOf(wish, files);
    const isCurrent = pointed === wanted && (await isAsWanted(wish, wanted, files));
    return {
      wanted,
      label: labelOf(files),
      why: undefined,
      current: isCurrent ? wanted : undefined,
      leftovers,
    };
  } catch (error) {
    if (!isStackError(error)) throw error;
    return { wanted: undefined, label: undefined, why: error.message, current: undefined, leftovers };
  }
};

const writeVersion = async (wish: FilesWish, version: string, files: readonly Rendered[]): Promise<void> => {
  const { owner, folder, file } = modesOf(wish);
  const place = join(wish.folder, version);
  const temporary = join(wish.folder, `.${version}.${randomBytes(6).toString('hex')}`);
  await onDisk(temporary, async () => {
    try {
      const folders = [...new Set(files.map((one) => dirname(join(temporary, one.path))))];
      for (const one of folders) await makeDirectories(one);
      for (const one of files) await writeAtomic(join(temporary, one.path), one.text, file, owner);
      for (const one of [...folders, temporary].sort((a, b) => b.length - a.length)) {
        await chown(one, owner.uid, owner.gid);
        await chmod(one, folder);
      }
      await rm(place, { recursive: true, force: true });
      await rename(temporary, place);
    } catch (error) {
      await rm(temporary, { recursive: true, force: true });
      throw error;
    }
  });
};

/**
 * Writes the files of one service as a new version, points `current` at it, and removes what is old. A container sees
 * the old files or the new ones, never some of each.
 * @throws {StackError} SECRET_UNREADABLE, DISK_*
 */
export const writeFiles = async (
  wish: FilesWish,
  readSecret: ReadSecret,
  effects: Effects,
): Promise<void> => {
  const files = await render(wish, readSecret);
  const version = versionOf(wish, files);
  const { owner, folder } = modesOf(wish);
  const pointer = join(wish.folder, current);
  const { pointed } = await survey(wish.folder);
  if (pointed !== version || !(await isAsWanted(wish, version, files))) {
    await effects.perform('file', `write files of ${wish.service}`, async () => {
      await ensureDirectory(wish.folder, folder, owner);
      await writeVersion(wish, version, files);
    });
    await effects.perform('file', `show ${wish.service} its new files`, async () =>
      swapSymlink(pointer, version),
    );
  }
  const { names } = await survey(wish.folder);
  const old = names.filter((name) => name !== current && name !== version);
  if (old.length === 0) return;
  await effects.perform('file', `remove old files of ${wish.service}`, async () =>
    onDisk(wish.folder, async () => {
      for (const name of old) await rm(join(wish.folder, name), { recursive: true, force: true });
    }),
  );
};

/** What is wrong with a folder, as a sentence; undefined where it is as it should be. */
export const wrongWithFolder = async ({ path, mode, owner }: Folder): Promise<string | undefined> => {
  try {
    const seen = await lstat(path);
    if (!seen.isDirectory()) return `${path} is no folder`;
    const found = (seen.mode & 0o7777).toString(8);
    if (seen.uid !== owner.uid || seen.gid !== owner.gid)
      return `${path} belongs to ${seen.uid}:${seen.gid}, not to ${owner.uid}:${owner.gid}`;
    return (seen.mode & 0o7777) === mode ? undefined : `${path} has mode ${found}, not ${mode.toString(8)}`;
  } catch (error) {
    if (isMissingFile(error)) return `${path} is not there`;
    if (errnoOf(error) === 'EACCES' || errnoOf(error) === 'ENOTDIR') return `${path} cannot be seen`;
    throw error;
  }
};
