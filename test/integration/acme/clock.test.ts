import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { renewLoop } from '../../../src/acme/renew.ts';
import { workOnce } from '../../../src/acme/renewal/round.ts';
import { readCertificate } from '../../../src/acme/store.ts';
import { zoneName } from '../../support/cloudflare.ts';
import { startLocalWorld, type LocalWorld } from './local-world.ts';
import { portsFor } from './ports.ts';
import { recordedEffects } from './world.ts';

/*
 * The renewer on a machine that was suspended, or whose clock is set: what it sleeps for is looked at again each round.
 */

const dayMs = 86_400_000;
let world: LocalWorld;
const abort = { now: () => undefined as void, loop: Promise.resolve() };
beforeEach(async () => {
  world = await startLocalWorld();
  vi.useFakeTimers({ toFake: ['Date'] });
});
afterEach(async () => {
  abort.now();
  await abort.loop;
  vi.useRealTimers();
  await world.stop();
});

/** Milliseconds since the epoch by a clock that nobody sets. */
const steadyMs = (): number => performance.timeOrigin + performance.now();
/** Sets the clock of this machine so far from the steady one; it goes on from there. */
const setClock = (aheadMs: number) => {
  vi.setSystemTime(Math.round(steadyMs() + aheadMs));
};

/** Waits until it holds. @throws after 60 s by the steady clock */
const until = async (what: string, holds: () => boolean | Promise<boolean>): Promise<void> => {
  const endMs = steadyMs() + 60_000;
  while (!(await holds())) {
    if (steadyMs() > endMs) throw new Error(`not within 60 s: ${what}`);
    await pause(20);
  }
};

const renewing = async () => {
  const desired = world.wishes('store');
  const controller = new AbortController();
  const effects = recordedEffects();
  const said: string[] = [];
  let rounds = 0;
  abort.loop = renewLoop({
    load: async () => {
      rounds += 1;
      return Promise.resolve({ desired, ports: portsFor(desired) });
    },
    work: async (signal) =>
      workOnce({ desired, ports: portsFor(desired), warn: () => undefined }, effects, signal),
    effects,
    heartbeat: join(world.folder, 'heartbeat'),
    say: (level, text) => said.push(`${level}: ${text}`),
    signal: controller.signal,
    roundMs: 50,
  });
  abort.now = () => {
    controller.abort();
  };
  const version = async () => (await readCertificate(desired, zoneName))?.version;
  await until('a certificate', async () => (await version()) !== undefined);
  await until('word of it', () => said.some((line) => line.startsWith('note: good until')));
  return {
    said,
    version,
    orders: () => effects.done.filter((what) => what.startsWith('POST newOrder')).length,
    moreRounds: async () => {
      const wanted = rounds + 20;
      await until('twenty more rounds', () => rounds > wanted);
    },
  };
};

test('a machine that was suspended for longer than a certificate has left renews it in the next round, once', async () => {
  world.authority.nowMs = () => Date.now();
  world.authority.dateMs = () => Date.now();
  const { version, orders, moreRounds } = await renewing();
  setClock(70 * dayMs);

  await until('a second certificate', async () => (await version()) === 'versions/2');
  await moreRounds();
  expect(orders()).toBe(2);
});

test.each([
  ['ahead of', 70, 'is 70 days ahead of'],
  ['far ahead of', 400, 'is 400 days ahead of'],
  ['behind', -20, 'is 20 days behind'],
])(
  'a clock that is set %s the authority orders nothing, says so once, and all is well when it is right again',
  async (_how, days, told) => {
    // Certificates begin an hour back, as those of Let's Encrypt do.
    world.authority.nowMs = () => steadyMs() - 3_600_000;
    world.authority.dateMs = steadyMs;
    const { orders, moreRounds, said, version } = await renewing();
    setClock(days * dayMs);
    await until('word of it', () => said.some((line) => line.includes(told)));
    await moreRounds();

    expect(said.filter((line) => line.startsWith('warning'))).toEqual([
      expect.stringMatching(/^warning: .*the clock of this machine is .* days .*nothing is ordered by it/),
    ]);
    setClock(0);
    const before = said.length;
    await until('good news', () => said.slice(before).some((line) => line.startsWith('note: good until')));
    await moreRounds();
    expect([orders(), await version()]).toEqual([1, 'versions/1']);
  },
);
