import { readFile } from 'node:fs/promises';
import { parse } from 'yaml';
import { errnoOf } from '../shared/errors.ts';

/** Names of the services in Compose files, sorted; a file that is not there has none. */
export const serviceNames = async (paths: readonly string[]): Promise<readonly string[]> => {
  const names = new Set<string>();
  for (const path of paths) {
    const text = await readFile(path, 'utf8').catch((error: unknown) => {
      if (errnoOf(error) === 'ENOENT') return '';
      throw error;
    });
    // Overrides have tags of Compose's own (!reset), which name nothing.
    const file = parse(text, { logLevel: 'error' }) as {
      services?: Readonly<Record<string, unknown>>;
    } | null;
    for (const name of Object.keys(file?.services ?? {})) names.add(name);
  }
  return [...names].sort();
};
