import { createHash, type Hash } from 'node:crypto';
import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { StackError } from '../../shared/errors.ts';
import { baseRecipe, catalogueEntry } from './catalogue.ts';
import type { ImageWorld } from './resolve.ts';

/** Files that say where a line came from; they change nothing in the image. */
const isSourceMap = (name: string): boolean => name.endsWith('.map');

const addTo = async (hash: Hash, root: string, path: string): Promise<void> => {
  const full = join(root, path);
  if ((await stat(full)).isDirectory()) {
    const names = (await readdir(full)).filter((name) => !isSourceMap(name)).sort();
    for (const name of names) await addTo(hash, root, join(path, name));
    return;
  }
  const content = await readFile(full);
  hash.update(`${path}\0${content.length}\0`).update(content);
};

const digestOfPaths = async (parts: readonly (readonly [root: string, path: string])[]): Promise<string> => {
  const hash = createHash('sha256');
  for (const [root, path] of parts) await addTo(hash, root, path);
  return hash.digest('hex');
};

/**
 * Digest of each recipe: its folder and the bundles that go into it. `installation` is the root of this program's files.
 * @throws {StackError} IMAGE_UNAVAILABLE where a bundle has not been built
 */
export const readRecipes = async (
  services: readonly string[],
  installation: string,
): Promise<ImageWorld['recipes']> => {
  const images = join(installation, 'compose', 'images');
  const dist = join(installation, 'dist');
  const recipes = [
    { ...baseRecipe, bundles: [] },
    ...services.flatMap((service) => catalogueEntry(service)?.fallback?.recipe ?? []),
  ];
  const digests = await Promise.all(
    recipes.map(async ({ folder, bundles }) => {
      const parts = [[images, folder] as const, ...bundles.map((bundle) => [dist, bundle] as const)];
      try {
        return [folder, await digestOfPaths(parts)] as const;
      } catch (error) {
        throw new StackError('IMAGE_UNAVAILABLE', `the recipe of the image ${folder} is not complete`, {
          hint: 'run npm run build, then run it again',
          cause: error,
        });
      }
    }),
  );
  return new Map(digests);
};
