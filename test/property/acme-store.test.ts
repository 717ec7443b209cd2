import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { readStored, saveCertificate } from '../../src/acme/store.ts';
import type { Effects } from '../../src/orchestrator/effects.ts';

const domain = 'example.org';
let folder = '';
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'skylab-store-'));
});
afterEach(async () => {
  await rm(folder, { recursive: true, force: true });
});

const ended = new Error('the process ended here');
/** Effects of a process that ends before or after its n-th one: nothing after that point happens. */
const effectsUntil = (at: number, when: 'before' | 'after'): Effects => {
  let count = 0;
  return {
    async perform(_kind, _what, act) {
      count += 1;
      if (when === 'before' && count >= at) throw ended;
      const result = await act();
      if (count >= at) throw ended;
      return result;
    },
    count: () => count,
  };
};
const whole = (): Effects => effectsUntil(Infinity, 'before');

/** Chain and key that can be told to belong together. */
const save = async (number: number, effects: Effects) =>
  saveCertificate(
    folder,
    domain,
    {
      pair: { chainPem: `chain ${number}`, keyPem: `key ${number}` },
      meta: { directory: 'https://ca/dir', names: [domain], serial: String(number), issued_at: '2026-11-22' },
    },
    effects,
  );

/** The number that chain, key and notes agree on; undefined where nothing is stored. */
const agreed = async (): Promise<number | undefined> => {
  const stored = await readStored(folder, domain);
  if (stored === undefined) return undefined;
  if ('damaged' in stored) throw new Error(stored.damaged);
  const number = Number(stored.pair.chainPem.slice('chain '.length));
  expect(stored.pair.keyPem).toBe(`key ${number}`);
  expect(stored.meta?.serial).toBe(String(number));
  return number;
};

describe('the store', () => {
  test('holds the old or the new pair, wherever a save ends, and the next save succeeds', async () => {
    const kills = fc.array(
      fc.record({
        at: fc.integer({ min: 1, max: 6 }),
        when: fc.constantFrom('before' as const, 'after' as const),
      }),
      { minLength: 1, maxLength: 6 },
    );
    await fc.assert(
      fc.asyncProperty(kills, async (points) => {
        await rm(join(folder, domain), { recursive: true, force: true });
        let before: number | undefined;
        for (const [number, { at, when }] of points.entries()) {
          const outcome = await save(number, effectsUntil(at, when)).then(
            () => 'saved',
            (error: unknown) => error,
          );
          const now = await agreed();

          expect([ended, 'saved']).toContain(outcome);
          expect([before, number]).toContain(now);
          before = now;
        }
        await save(99, whole());

        expect(await agreed()).toBe(99);
        const versions = await readdir(join(folder, domain, 'versions'));
        expect(versions.length).toBeLessThanOrEqual(2);
      }),
      { numRuns: 60 },
    );
  });

  test('shows every reader a pair that belongs together while it is swapped', async () => {
    await save(0, whole());
    const saved = new AbortController();
    const seen = new Set<number | undefined>();
    const reading = (async () => {
      while (!saved.signal.aborted) seen.add(await agreed());
    })();

    for (let number = 1; number <= 40; number += 1) await save(number, whole());
    saved.abort();
    await reading;

    expect(await agreed()).toBe(40);
    expect(seen.size).toBeGreaterThan(3);
  });

  test('keeps the version before the present one, and no other', async () => {
    for (const number of [1, 2, 3]) await save(number, whole());

    expect((await readdir(join(folder, domain, 'versions'))).sort()).toEqual(['2', '3']);
  });
});
