import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { failed, type Attempts } from '../../src/acme/renewal/attempts.ts';
import { isOverdue, nextAct } from '../../src/acme/renewal/next.ts';
import { advised, type Advice, type Answer } from '../../src/acme/renewal/schedule.ts';
import { judge, type CertificateFacts } from '../../src/acme/policy.ts';
import { StackError } from '../../src/shared/errors.ts';

/*
 * A year of the renewer in no time: its decisions are the real ones, the clock, the authority and the store are in this
 * file. The renewer looks each minute at most; here it looks when something may have changed.
 */

const minuteMs = 60_000;
const hourMs = 60 * minuteMs;
const dayMs = 24 * hourMs;
const startMs = Date.parse('2027-01-01T00:00:00Z');
const endMs = startMs + 366 * dayMs;
const wanted = { names: ['a.example.org'], directory: 'https://ca.example.net/dir' };

/** What happens in a year: when, and for how long. Parts of a year, and hours. */
interface Event {
  readonly kind: 'outage' | 'refusal' | 'limit' | 'off' | 'window-past' | 'window-late';
  readonly at: number;
  readonly hours: number;
}

interface Year {
  readonly lifetimeMs: number;
  readonly suggests: boolean;
  readonly events: readonly Event[];
  readonly random: () => number;
}

const simulate = ({ lifetimeMs, suggests, events, random }: Year) => {
  const during = (kind: Event['kind'], nowMs: number) =>
    events.find((one) => {
      const from = startMs + one.at * 365 * dayMs;
      return one.kind === kind && nowMs >= from && nowMs < from + one.hours * hourMs;
    });
  let orders = 0;
  let polls = 0;
  let refusals = 0;
  let expiredMs = 0;
  let longestUnasked = 0;
  let askedAtMs = startMs;
  const issued = (nowMs: number): CertificateFacts => ({
    names: wanted.names,
    serial: String(orders),
    notBeforeMs: nowMs,
    notAfterMs: nowMs + lifetimeMs,
    keyMatches: true,
    chain: 'trusted',
    directory: wanted.directory,
  });
  // What is on disk: a restart or a power cut in between changes nothing about it.
  let certificate = issued(startMs);
  let advice: Advice | undefined;
  let attempts: Attempts | undefined;

  const answer = (nowMs: number): Answer => {
    if (during('outage', nowMs) !== undefined) return { heard: false };
    if (!suggests) return { heard: true };
    const centreMs = certificate.notBeforeMs + lifetimeMs * (lifetimeMs < 10 * dayMs ? 1 / 2 : 2 / 3);
    const half = lifetimeMs / 100;
    if (during('window-past', nowMs) !== undefined)
      return { heard: true, window: { startMs: nowMs - 2 * hourMs, endMs: nowMs - hourMs } };
    if (during('window-late', nowMs) !== undefined) {
      const late = certificate.notAfterMs + dayMs;
      return { heard: true, window: { startMs: late, endMs: late + dayMs } };
    }
    const window = { startMs: centreMs - half, endMs: centreMs + half };
    return { heard: true, window, retryAfterMs: 6 * hourMs };
  };
  const refusal = (nowMs: number): StackError | undefined => {
    const hint = 'none';
    if (during('outage', nowMs)) return new StackError('CA_UNREACHABLE', 'away', { hint });
    if (during('refusal', nowMs)) return new StackError('CA_REFUSED', 'no', { hint });
    if (during('limit', nowMs))
      return new StackError('CA_LIMITED', 'wait', { hint, retryAfterMs: 34 * hourMs });
    return undefined;
  };

  for (let nowMs = startMs; nowMs < endMs;) {
    const off = during('off', nowMs);
    if (off !== undefined) {
      nowMs = startMs + off.at * 365 * dayMs + off.hours * hourMs;
      continue;
    }
    const judgement = judge(certificate, wanted, nowMs, advice);
    const seen = { judgement, facts: certificate, advice, attempts, wish: 'w', leftovers: 0 };
    const { act, wakeAtMs } = nextAct({ ...seen, directory: wanted.directory }, nowMs);
    const clock = { nowMs, notAfterMs: certificate.notAfterMs, random: random() };
    if (act === 'issue') {
      const error = refusal(nowMs);
      if (error === undefined) {
        orders += 1;
        certificate = issued(nowMs);
        attempts = undefined;
      } else {
        refusals += error.code === 'CA_REFUSED' ? 1 : 0;
        attempts = failed(attempts, 'w', error, clock);
      }
    } else if (act === 'ask') {
      polls += 1;
      longestUnasked = Math.max(longestUnasked, nowMs - askedAtMs);
      askedAtMs = nowMs;
      advice = advised(certificate.serial, advice, answer(nowMs), nowMs, random());
    }
    expect(isOverdue(seen, nowMs) && !judgement.due).toBe(false);
    const nextMs = act === 'rest' ? Math.max(wakeAtMs, nowMs + minuteMs) : nowMs + minuteMs;
    // The certificate is served until the next look.
    expiredMs += Math.max(0, Math.min(nextMs, endMs) - Math.max(nowMs, certificate.notAfterMs));
    nowMs = nextMs;
  }
  return { orders, polls, refusals, expiredMs, longestUnasked };
};

const lifetimes = fc.constantFrom(160 * hourMs, 10 * dayMs, 45 * dayMs, 64 * dayMs, 90 * dayMs, 200 * dayMs);
const randoms = fc.integer({ min: 1, max: 2 ** 31 - 1 }).map((seed) => {
  let state = seed;
  return () => {
    state = (state * 48_271) % 2_147_483_647;
    return state / 2_147_483_647;
  };
});
const event = (kinds: readonly Event['kind'][], mostHours: number) =>
  fc.record({
    kind: fc.constantFrom(...kinds),
    at: fc.double({ min: 0, max: 1, noNaN: true }),
    hours: fc.integer({ min: 1, max: mostHours }),
  });

describe('a year', () => {
  test('of moved windows, outages, refusals and restarts: no name is served an expired certificate', () => {
    const kinds = ['outage', 'refusal', 'limit', 'off', 'window-past', 'window-late'] as const;
    fc.assert(
      fc.property(
        lifetimes,
        fc.boolean(),
        // Short-lived certificates leave 80 hours in all; events of a day may follow each other.
        fc.array(event(kinds, 20), { maxLength: 6 }),
        randoms,
        (lifetimeMs, suggests, events, random) => {
          // Several that follow each other without a gap would be one long one.
          const apart = events.filter((one, index) =>
            events.slice(0, index).every((other) => Math.abs(other.at - one.at) * 365 > 12),
          );
          const { expiredMs } = simulate({ lifetimeMs, suggests, events: apart, random });

          expect(expiredMs).toBe(0);
        },
      ),
      { numRuns: 60 },
    );
  });

  test('without trouble: as many orders as lifetimes ask for, and the authority is asked at least twice a day', () => {
    fc.assert(
      fc.property(lifetimes, randoms, (lifetimeMs, random) => {
        const { orders, longestUnasked } = simulate({ lifetimeMs, suggests: true, events: [], random });

        const part = lifetimeMs < 10 * dayMs ? 1 / 2 : 2 / 3;
        expect(orders).toBeGreaterThanOrEqual(Math.floor((365 * dayMs) / (lifetimeMs * (part + 0.02))));
        expect(orders).toBeLessThanOrEqual(Math.ceil((366 * dayMs) / (lifetimeMs * (part - 0.02))));
        expect(longestUnasked).toBeLessThanOrEqual(12 * hourMs);
      }),
      { numRuns: 20 },
    );
  });

  test('of an authority that refuses all year: hundreds of tries, not thousands', () => {
    const events = [{ kind: 'refusal', at: 0, hours: 366 * 24 }] as const;
    const { refusals } = simulate({ lifetimeMs: 90 * dayMs, suggests: true, events, random: () => 0.5 });

    // Daily while the certificate lives; each 100 minutes once nothing is left to lose.
    expect(refusals).toBeLessThan((300 * 24 * 60) / 100 + 60);
  });

  test('of an authority whose window is always over: no order follows the other at once', () => {
    const events = [{ kind: 'window-past', at: 0, hours: 366 * 24 }] as const;
    const { orders } = simulate({ lifetimeMs: 90 * dayMs, suggests: true, events, random: () => 0.5 });

    expect(orders).toBeLessThanOrEqual(366 * 2);
  });
});
