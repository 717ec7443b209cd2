import { mkdtemp, readdir, readFile, readlink, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { swapSymlink, writeAtomic } from '../../../src/shared/files.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'skylab-files-'));
});
afterEach(async () => rm(folder, { recursive: true }));

test('a file is written without what a killed process left of it, and nothing else is touched', async () => {
  const others = ['.env.example', '.env.0123456789ab.keep', '.other.0123456789ab'];
  for (const name of [...others, '.env.0123456789ab']) await writeFile(join(folder, name), 'half');

  await writeAtomic(join(folder, 'env'), 'whole', 0o600);

  expect((await readdir(folder)).sort()).toEqual([...others, 'env'].sort());
});

test('a link is pointed elsewhere without what a killed process left of it', async () => {
  await writeFile(join(folder, '.current.0123456789ab'), '');

  await swapSymlink(join(folder, 'current'), 'one');
  await swapSymlink(join(folder, 'current'), 'two');

  expect(await readdir(folder)).toEqual(['current']);
  expect(await readlink(join(folder, 'current'))).toBe('two');
});

test('many writers of one file at once all succeed, and leave one whole text', async () => {
  const texts = Array.from({ length: 4 }, (_, index) => String(index).repeat(10_000));

  await Promise.all(texts.map(async (text) => writeAtomic(join(folder, 'env'), text, 0o600)));

  expect(await readdir(folder)).toEqual(['env']);
  expect(texts).toContain(await readFile(join(folder, 'env'), 'utf8'));
});
