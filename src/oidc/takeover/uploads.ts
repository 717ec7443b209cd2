import { readdir, readFile, stat } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { errnoOf, StackError } from '../../shared/errors.ts';

/*
 * Pictures that the old Pocket ID kept as files. Here they are kept in the database (FILE_BACKEND=database), under the
 * same relative paths (backend/internal/storage/database.go), in the table `storage`.
 */

const rooms = ['application-images', 'oidc-client-images', 'profile-pictures'];

const unusable = (seen: string): StackError =>
  new StackError('TAKEOVER_REFUSED', `${seen}; nothing was changed`, {
    hint: `name the old UPLOAD_PATH, which holds ${rooms.join(', ')}; often /var/lib/pocket-id/data/uploads`,
  });

/** The folder itself, or `uploads` in it. @throws {StackError} TAKEOVER_REFUSED */
const rootOf = async (folder: string): Promise<string> => {
  for (const one of [folder, join(folder, 'uploads')]) {
    try {
      if ((await readdir(one)).some((name) => rooms.includes(name))) return one;
    } catch (error) {
      if (errnoOf(error) === 'EACCES') throw unusable(`this user may not read ${one}`);
      if (errnoOf(error) !== 'ENOENT' && errnoOf(error) !== 'ENOTDIR') throw error;
    }
  }
  throw unusable(`${folder} holds no pictures of Pocket ID`);
};

interface Upload {
  /** As the table has it: relative, parted by /. */
  readonly path: string;
  readonly bytes: Buffer;
  readonly changedAt: Date;
}

/** Reads every picture below a folder. @throws {StackError} TAKEOVER_REFUSED where it is no such folder */
export const readUploads = async (folder: string): Promise<readonly Upload[]> => {
  const root = await rootOf(folder);
  const uploads: Upload[] = [];
  for (const room of rooms) {
    const entries = await readdir(join(root, room), { recursive: true, withFileTypes: true }).catch(
      (error: unknown) => {
        if (errnoOf(error) === 'ENOENT') return [];
        throw error;
      },
    );
    for (const entry of entries) {
      // Files it was writing when it ended are no pictures.
      if (!entry.isFile() || entry.name.endsWith('-tmp')) continue;
      const path = join(entry.parentPath, entry.name);
      const [bytes, { mtime }] = await Promise.all([readFile(path), stat(path)]);
      uploads.push({ path: relative(root, path), bytes, changedAt: mtime });
    }
  }
  return uploads;
};

const hex = (text: string): string => Buffer.from(text, 'utf8').toString('hex');

/** A script that puts the pictures into the database, over those of the same name. */
export const uploadsSql = (uploads: readonly Upload[]): string =>
  [
    'BEGIN;',
    ...uploads.map(
      ({ path, bytes, changedAt }) =>
        `INSERT INTO public.storage (path, data, size, mod_time, created_at) VALUES (convert_from(decode('${hex(path)}', 'hex'), 'UTF8'), decode('${bytes.toString('base64')}', 'base64'), ${bytes.length}, '${changedAt.toISOString()}', now()) ON CONFLICT (path) DO UPDATE SET data = excluded.data, size = excluded.size, mod_time = excluded.mod_time;`,
    ),
    'COMMIT;\n',
  ].join('\n');
