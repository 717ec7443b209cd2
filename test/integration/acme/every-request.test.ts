import { cp } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { DnsFault, HttpFault } from '../../../sandbox/cloudflare/faults.ts';
import { lookAtStore } from '../../../src/acme/renewal/look.ts';
import { readCertificate } from '../../../src/acme/store.ts';
import { isStackError } from '../../../src/shared/errors.ts';
import type { AuthorityFault } from '../../support/authority.ts';
import { zoneName } from '../../support/cloudflare.ts';
import { startLocalWorld, type LocalWorld } from './local-world.ts';

/*
 * A fault at each request of a renewal in turn, until the number is above that of all requests. Each run must end with a
 * valid certificate, or with the old one and an error of ours; and after the next run no TXT record is left. Each kind of
 * fault has a world of its own, and they run side by side: most of the time is spent waiting.
 */

const dayMs = 86_400_000;
const timeoutMs = 600_000;

interface Fault {
  /** Lets the n-th request meet it, from 1. */
  readonly set: (world: LocalWorld, number: number) => void;
  /** How many have met or passed it. */
  readonly seen: (world: LocalWorld) => number;
  /** Nothing is waited for long. */
  readonly isHasty?: boolean;
}

/** Goes through all requests; returns how many there were. `more`: what is ordered, and `must`: every run issues. */
const through = async (
  fault: Fault,
  { nameServers = 1, names = ['netbird'], must = false } = {},
): Promise<number> => {
  const world = await startLocalWorld(nameServers);
  const wishes = (store: string) =>
    world.wishes(store, { names: names.map((label) => `${label}.${zoneName}`) });
  const clear = () => {
    world.authority.fault = undefined;
    world.provider.faults.clear();
  };
  try {
    // The certificate that is to be renewed: still good, and due.
    world.authority.nowMs = () => Date.now() - 70 * dayMs;
    await world.order(wishes('old'));
    world.authority.nowMs = () => Date.now();
    let number = 1;
    for (let run = 1; ; run += 1) {
      expect(run).toBeLessThan(60);
      const wanted = wishes(`run-${run}`);
      await cp(join(world.folder, 'old'), wanted.certificates, { recursive: true, verbatimSymlinks: true });
      const before = await readCertificate(wanted, zoneName);
      expect(before?.version).toBe('versions/1');
      fault.set(world, number);

      const { error, outcome } = await world.order(wanted, false, undefined, fault.isHasty);

      const isMet = fault.seen(world) >= number;
      clear();
      const after = await readCertificate(wanted, zoneName);
      const { judgement } = await lookAtStore(wanted, [world.authority.rootPem]);
      expect(judgement.valid).toBe(true);
      if (must) expect(error).toBeUndefined();
      if (error === undefined) {
        expect(outcome).toBe('issued');
        expect(after?.serial).not.toBe(before?.serial);
      } else {
        expect(isStackError(error) ? error.code : error).toMatch(/^(CA|DNS_API)_/);
        expect(after?.serial).toBe(before?.serial);
      }

      const next = await world.order(wanted);

      expect(next.error).toBeUndefined();
      expect((await lookAtStore(wanted, [world.authority.rootPem])).judgement).toMatchObject({ due: false });
      // What a lost answer or a failed removal left is gone when the next run has looked.
      await world.work(wanted);
      expect(world.txtNames()).toEqual([]);
      // A run that a slow machine ended before the fault was met has shown nothing about this number.
      if (!isMet && error === undefined) return number - 1;
      if (isMet) number += 1;
    }
  } finally {
    clear();
    await world.stop();
  }
};

describe.concurrent('a renewal that meets a fault at its n-th request', { timeout: timeoutMs }, () => {
  test.each<[string, AuthorityFault]>([
    ['its connection ends before', { kind: 'reset' }],
    ['its answer is lost', { kind: 'lost' }],
    ['no answer at all', { kind: 'hang' }],
    ['half an answer, and no more', { kind: 'stall' }],
    ['a page of a proxy', { kind: 'page', status: 502 }],
    ['a limit of 34 hours', { kind: 'problem', status: 429, type: 'rateLimited', retryAfter: '122400' }],
  ])('at the authority: %s', async (_case, fault) => {
    let seen = 0;
    const requests = await through({
      set(world, number) {
        seen = 0;
        world.authority.fault = () => {
          seen += 1;
          return seen === number ? fault : undefined;
        };
      },
      seen: () => seen,
      isHasty: fault.kind === 'hang' || fault.kind === 'stall',
    });

    expect(requests).toBeGreaterThanOrEqual(8);
  });

  test.each<[string, HttpFault['answer']]>([
    ['its answer is lost', { kind: 'lost-answer' }],
    ['no answer at all', { kind: 'hang-before-headers' }],
    ['half an answer, and no more', { kind: 'hang-in-body' }],
    ['a page of a proxy', { kind: 'html', status: 502 }],
    ['a limit of five minutes', { kind: 'rate-limited', retryAfter: '300' }],
    ['an answer without success', { kind: 'not-successful', code: 1000, message: 'no' }],
  ])('at the DNS provider: %s', async (_case, answer) => {
    const requests = await through({
      set(world, number) {
        world.provider.faults.set({ http: [{ requests: [number], answer }] });
      },
      seen: ({ provider }) => (provider.faults.shown().http as readonly { seen: number }[])[0]?.seen ?? 0,
      isHasty: answer.kind.startsWith('hang'),
    });

    expect(requests).toBeGreaterThanOrEqual(4);
  });

  test.each<[string, DnsFault['answer']]>([
    ['SERVFAIL', { kind: 'servfail' }],
    ['silence', { kind: 'drop' }],
    ['an answer from before the record was made', { kind: 'lag', behindMs: 60_000 }],
  ])('at an authoritative server: %s: the order goes on, and issues', async (_case, answer) => {
    const queries = await through(
      {
        set(world, number) {
          world.provider.faults.set({ dns: [{ type: 'TXT', queries: [number], answer }] });
        },
        seen: ({ provider }) => (provider.faults.shown().dns as readonly { seen: number }[])[0]?.seen ?? 0,
        isHasty: false,
      },
      // Each of two servers is asked for each of two names.
      { nameServers: 2, names: ['netbird', 'pocketid'], must: true },
    );

    expect(queries).toBeGreaterThanOrEqual(4);
  });
});
