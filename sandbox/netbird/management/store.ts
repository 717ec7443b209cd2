import { closeSync, fsyncSync, mkdirSync, openSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { StartError } from '../start-error.ts';
import type { StoreDocument } from './model.ts';

/** The document in memory, and how it gets to disk. Handlers change `document` in place and then call `save`. */
export interface Store {
  readonly document: StoreDocument;
  /**
   * Writes the whole document: a reader or a crash sees the old one or the new one, never a part. It does not yield,
   * so that a handler runs from its first line to its last without another in between.
   */
  save(): void;
}

const empty = (): StoreDocument => ({
  format: 'skylab-sandbox netbird management',
  version: 1,
  account: null,
  users: [],
  tokens: [],
  groups: [],
  policies: [],
  setupKeys: [],
  networks: [],
  zones: [],
  nameserverGroups: [],
  disabledManagementGroups: [],
});

/**
 * Opens `<directory>/store.json`, or begins an empty one that is first written by the first `save`.
 * @throws {StartError} the directory cannot be made, or the file is not a store of this stand-in.
 */
export function openStore(directory: string): Store {
  const path = join(directory, 'store.json');
  try {
    mkdirSync(directory, { recursive: true });
  } catch (error) {
    throw new StartError(`Error: failed creating datadir: ${directory}: ${messageOf(error)}`);
  }
  const document = read(path);
  return { document, save: () => writeWhole(directory, path, `${JSON.stringify(document, undefined, 2)}\n`) };
}

function read(path: string): StoreDocument {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return empty();
    throw new StartError(`failed to create store: ${messageOf(error)}`);
  }
  try {
    const found = JSON.parse(text) as { readonly format?: unknown; readonly version?: unknown };
    const { format, version } = empty();
    if (found.format === format && found.version === version) return found as StoreDocument;
  } catch {
    throw new StartError(`failed to create store: ${path} is not JSON`);
  }
  throw new StartError(`failed to create store: ${path} is not a store of this stand-in`);
}

function writeWhole(directory: string, path: string, text: string): void {
  const fresh = `${path}.new`;
  const file = openSync(fresh, 'w', 0o600);
  try {
    writeFileSync(file, text);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  renameSync(fresh, path);
  const folder = openSync(directory, 'r');
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
