import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { ensureDirectory, readText, writeAtomic } from '../shared/files.ts';
import { isMissingFile } from '../shared/errors.ts';
import type { Redactor } from '../shared/redact.ts';

/** Secrets that the operator keeps, by name: read where the settings say, never saved by us. */
export type OperatorSecrets = Readonly<Record<string, () => Promise<string>>>;

/**
 * One file a secret, 0600 in a folder of 0700: what we generated once, and ids and tokens of what we made at other
 * systems. Every value that is read is known to the redactor from then on (ids, which are no secrets, excepted).
 */
export interface SecretStore {
  /**
   * The value, or undefined where it was never saved. Never trimmed.
   * @throws {StackError} SECRET_UNREADABLE, SECRET_INVALID for a secret of the operator
   */
  readonly read: (name: string) => Promise<string | undefined>;
  /** Saves a value; not an effect by itself, so call it inside one. @throws {StackError} DISK_* */
  readonly save: (name: string, value: string) => Promise<void>;
  readonly names: () => Promise<readonly string[]>;
}

/** Names of entries that are ids, not secrets: they may appear in output. */
const isId = (name: string): boolean => name.startsWith('id-');

export const createSecretStore = (
  folder: string,
  redactor: Redactor,
  operatorSecrets: OperatorSecrets = {},
): SecretStore => {
  const learn = (name: string, value: string) => {
    if (!isId(name)) redactor.add(value);
  };
  return {
    async read(name) {
      const value = await (operatorSecrets[name]?.() ?? readText(join(folder, name)));
      if (value !== undefined) learn(name, value);
      return value;
    },
    async save(name, value) {
      learn(name, value);
      await ensureDirectory(folder, 0o700);
      await writeAtomic(join(folder, name), value, 0o600);
    },
    async names() {
      try {
        const all = await readdir(folder);
        return all.filter((name) => !name.startsWith('.')).sort();
      } catch (error) {
        if (isMissingFile(error)) return [];
        throw error;
      }
    },
  };
};
