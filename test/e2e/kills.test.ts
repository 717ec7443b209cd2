import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  afterKill,
  createReference,
  differences,
  pick,
  shareOut,
  up,
  type Point,
  type Reference,
} from '../support/kills.ts';
import { lookAtFiles, lookAtWorld, sql } from '../support/world.ts';

/*
 * Killed before or after any effect, and run again: the same world. Two hosts of their own share the work.
 *
 * - What is written before the first container starts takes no container to test: the run after the kill is ended where
 *   Compose would be called, and the files are compared.
 * - What happens in PostgreSQL is tested on a running stack, with a database more in the settings.
 * - Every call of Compose, and twenty of all other effects, chosen by a seed, are tested from an empty machine on.
 *
 * SKYLAB_SEED repeats a choice; SKYLAB_KILLS=all tests every effect from an empty machine on.
 */

const isAll = process.env['SKYLAB_KILLS'] === 'all';
const seed = Number(process.env['SKYLAB_SEED'] ?? Math.floor(Math.random() * 1e9));
const beforeContainers: Point = 'before:compose:1';
const minuteMs = 60_000;
const both = (at: string | number): readonly Point[] => [`before:${at}`, `after:${at}`];

const references: Reference[] = [];
/** The first host's, whose effects the points are chosen from. */
const first = (): Reference => {
  const [reference] = references;
  if (reference === undefined) throw new Error('there is no reference');
  return reference;
};
/** Ends runs at these points, each from an empty machine on. */
const coldKills = async (points: readonly Point[]): Promise<readonly string[]> =>
  shareOut(references, points, async ({ host, world }, point) => {
    await host.wipe();
    return afterKill(host, point, world);
  });

beforeAll(async () => {
  references.push(await createReference('kill-a'));
  references.push(await createReference('kill-b'));
}, 5 * minuteMs);
afterAll(async () => Promise.all(references.map(async ({ host }) => host.remove())), minuteMs);

describe('a run that is killed, and run again', { concurrent: false }, () => {
  test('leaves the same databases, at every effect in PostgreSQL', async () => {
    const { host } = first();
    await host.change((settings) => {
      settings['postgres'] = { databases: [{ name: 'killed', extensions: ['citext'] }] };
    });
    const { code, effects } = await up(host);
    const wanted = await lookAtWorld(host);
    const count = effects.filter((effect) => effect.kind === 'exec').length;
    const forget = async () => {
      await sql(host, 'postgres', 'drop database if exists killed');
      await sql(host, 'postgres', 'drop role if exists killed');
    };
    const wrong: string[] = [];
    for (const point of Array.from({ length: count }, (_, index) => both(`exec:${index + 1}`)).flat()) {
      await forget();
      wrong.push(...(await afterKill(host, point, wanted)));
    }

    await host.change((settings) => {
      delete settings['postgres'];
    });

    expect(code).toBe(0);
    // The role and the database; what is inside it.
    expect(count).toBeGreaterThanOrEqual(2);
    expect(wrong).toEqual([]);
  });

  test('leaves the same files, at every effect before the first container', async () => {
    const counts: number[] = [];
    const lanes = await Promise.all(
      references.map(async ({ host }) => {
        await host.wipe();
        const { effects, wasKilled } = await up(host, beforeContainers);
        expect(wasKilled).toBe(true);
        counts.push(effects.length);
        return { host, wanted: await lookAtFiles(host) };
      }),
    );
    const points = Array.from({ length: Math.min(...counts) - 1 }, (_, index) => both(index + 1)).flat();
    const wrong = await shareOut(lanes, points, async ({ host, wanted }, point) => {
      await rm(join(host.folder, 'state'), { recursive: true });
      const killed = await up(host, point);
      const next = await up(host, beforeContainers);
      const at = `${point} (${killed.effects.at(-1)?.what ?? 'no effect'})`;
      if (!killed.wasKilled || !next.wasKilled) return [`${at}: ${killed.last}${next.last}`];
      return differences(wanted, await lookAtFiles(host)).map((line) => `${at}: ${line}`);
    });

    expect(Math.min(...counts)).toBeGreaterThan(20);
    expect(wrong).toEqual([]);
  });

  test.skipIf(isAll)(
    'leaves the same stack, at every call of Compose',
    { timeout: 15 * minuteMs },
    async () => {
      const count = first().effects.filter((effect) => effect.kind === 'compose').length;

      const wrong = await coldKills(
        Array.from({ length: count }, (_, index) => both(`compose:${index + 1}`)).flat(),
      );

      expect(count).toBeGreaterThan(2);
      expect(wrong).toEqual([]);
    },
  );

  test.skipIf(isAll)(
    'leaves the same world, at twenty other effects',
    { timeout: 20 * minuteMs },
    async () => {
      const others = first().effects.filter(
        (effect, index, all) =>
          effect.kind !== 'exec' &&
          effect.kind !== 'compose' &&
          index > all.findIndex((one) => one.kind === 'compose'),
      );
      const points = pick(
        others.flatMap(({ number }) => both(number)),
        20,
        seed,
      );
      const left = others.length * 2 - points.length;
      process.stdout.write(`kills: seed ${seed} (SKYLAB_SEED repeats it): ${points.join(' ')}\n`);
      process.stdout.write(
        `kills: ${left} of ${others.length * 2} such points are left to SKYLAB_KILLS=all\n`,
      );

      expect(await coldKills(points)).toEqual([]);
    },
  );

  test.runIf(isAll)('leaves the same world, at every effect', { timeout: 240 * minuteMs }, async () => {
    const points = first().effects.flatMap(({ number }) => both(number));

    expect(await coldKills(points)).toEqual([]);
  });
});
