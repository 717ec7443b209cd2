import { readdir, readFile, readlink, stat } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { effectsFor, Killed } from '../support/steps.ts';
import { createTiny, docker, type Tiny } from './containers-tiny.ts';

/*
 * A run that is killed before or after any of its effects, and the next one: the world is the same as after a run that
 * nobody disturbed.
 */

let tiny: Tiny;
afterEach(async () => {
  await tiny.clear();
});

/** Every file with its owner and mode, and what it says where that is the same in every run. */
const tree = async (folder: string, root = folder): Promise<readonly string[]> => {
  const names = (await readdir(folder)).filter((name) => name !== 'cache').sort();
  const all = await Promise.all(
    names.map(async (name) => {
      const path = join(folder, name);
      const shown = relative(root, path).replaceAll(/[0-9a-f]{16}/g, '<version>');
      const seen = await stat(path);
      const about = `${shown} ${(seen.mode & 0o7777).toString(8)} ${seen.uid}:${seen.gid}`;
      if (name === 'current') return [`${about} -> ${(await readlink(path)).length}`];
      if (seen.isDirectory()) return [about, ...(await tree(path, root))];
      // Names, ports and subnets in it have different lengths from one test stack to the next.
      if (name === 'compose.env') return [about];
      return [`${about} ${(await readFile(path, 'utf8')).length}`];
    }),
  );
  return all.flat();
};

const containers = async (project: string) =>
  (
    await docker(
      'ps',
      '-a',
      '--filter',
      `label=com.docker.compose.project=${project}`,
      '--format',
      '{{.Names}} {{.State}} {{.Label "com.docker.compose.service"}}',
    )
  )
    .split('\n')
    .sort();

const worldOf = async ({ settings }: Tiny) => ({
  files: [...(await tree(settings.paths.state))].sort(),
  containers: (await containers(settings.project)).map((line) =>
    line.replaceAll(settings.project, '<project>'),
  ),
});

/** Takes the containers and the state away, and keeps the rest of the host. */
const reset = async (): Promise<void> => {
  await tiny.clear();
  tiny = await createTiny();
};

test('killed before or after any effect, the next run ends in the same world', async () => {
  tiny = await createTiny();
  const counting = effectsFor();
  await tiny.up({ effects: counting });
  const wanted = await worldOf(tiny);
  expect(counting.count()).toBeGreaterThan(14);
  expect(wanted.containers.length).toBe(2);

  for (let at = 1; at <= counting.count(); at += 1) {
    for (const when of ['before', 'after'] as const) {
      await reset();
      const killed = await tiny.up({ effects: effectsFor({ when, at }) });
      expect(killed.failures.some((one) => one.error.cause instanceof Killed)).toBe(true);
      const outcome = await tiny.up();
      expect([when, at, outcome.failures.map((one) => one.error.message)]).toEqual([when, at, []]);
      expect([when, at, await worldOf(tiny)]).toEqual([when, at, wanted]);
      expect([when, at, await tiny.planned()]).toEqual([when, at, []]);
    }
  }
});

test('killed in the middle of a change, the next run ends in the same world', async () => {
  tiny = await createTiny();
  await tiny.up();
  const change = (text: string) => {
    tiny.setScript(`echo ${text}; : > /tmp/ready; exec /bin/busybox sleep 100000\n`);
    tiny.setReloaded(text);
  };
  const counting = effectsFor();
  change('first');
  await tiny.up({ effects: counting });
  const wanted = await worldOf(tiny);
  expect(counting.count()).toBeGreaterThan(4);

  for (let at = 1; at <= counting.count(); at += 1) {
    for (const when of ['before', 'after'] as const) {
      change(`${when[0]}${String(at).padStart(4, '0')}`);
      await tiny.up({ effects: effectsFor({ when, at }) });
      expect((await tiny.up()).failures).toEqual([]);
      expect([when, at, await worldOf(tiny)]).toEqual([when, at, wanted]);
      expect([when, at, await tiny.planned()]).toEqual([when, at, []]);
    }
  }
});
