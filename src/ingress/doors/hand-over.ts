import { join } from 'node:path';
import * as z from 'zod';
import type { Effects } from '../../orchestrator/effects.ts';
import { StackError } from '../../shared/errors.ts';
import { readText, writeAtomic, type Owner } from '../../shared/files.ts';

/*
 * Copies of certificates for the nginx that holds the port: it runs as another user, and what is in the store is for ours
 * alone. Members of the folder's group read them.
 */

/** One certificate of the store, and the file in the other nginx's folder that has it with its key. */
export interface Copy {
  /** Folder in the store. */
  readonly of: string;
  readonly file: string;
}

/** The stored certificate of a folder in the store and its key (PEM); undefined where there is none. */
export type ReadPair = (
  of: string,
) => Promise<{ readonly chainPem: string; readonly keyPem: string } | undefined>;

/** Those whose file is not what the store has; what the store does not have is left alone. */
export const staleCopies = async (
  folder: string,
  copies: readonly Copy[],
  readPair: ReadPair,
): Promise<readonly (Copy & { readonly text: string })[]> => {
  const all = await Promise.all(
    copies.map(async (copy) => {
      const pair = await readPair(copy.of);
      if (pair === undefined) return [];
      const text = `${pair.keyPem.trim()}\n${pair.chainPem}`;
      return (await readText(join(folder, copy.file))) === text ? [] : [{ ...copy, text }];
    }),
  );
  return all.flat();
};

/**
 * Brings the copies up to date and returns the names of the files that changed. The folder gives them its group.
 * @throws {StackError} DISK_*
 */
export const handOver = async (
  folder: string,
  copies: readonly Copy[],
  readPair: ReadPair,
  effects: Effects,
  owner?: Owner,
): Promise<readonly string[]> => {
  const stale = await staleCopies(folder, copies, readPair);
  for (const { file, text } of stale) {
    await effects.perform('file', `write ${join(folder, file)}`, async () =>
      writeAtomic(join(folder, file), text, 0o640, owner),
    );
  }
  return stale.map(({ file }) => file);
};

const schema = z.strictObject({ copies: z.array(z.strictObject({ of: z.string(), file: z.string() })) });

/**
 * The renewer's part: what `up` wrote into `folder` says which copies there are; none where no other nginx holds the port.
 * @throws {StackError} SETTINGS_INVALID
 */
export const readCopies = async (folder: string): Promise<readonly Copy[]> => {
  const path = join(folder, 'front.json');
  const text = await readText(path);
  if (text === undefined) return [];
  try {
    return schema.parse(JSON.parse(text)).copies;
  } catch (error) {
    throw new StackError('SETTINGS_INVALID', `${path} is not what the renewer reads`, {
      hint: 'run npm run up on the host: it writes this file',
      cause: error,
    });
  }
};
