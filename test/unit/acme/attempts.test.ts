import { describe, expect, test } from 'vitest';
import { failed, heldForPeople, heldUntil, type Attempts } from '../../../src/acme/renewal/attempts.ts';
import { StackError } from '../../../src/shared/errors.ts';
import type { ErrorCode } from '../../../src/shared/error-codes.ts';

const minuteMs = 60_000;
const hourMs = 60 * minuteMs;
const dayMs = 24 * hourMs;
const startMs = Date.parse('2026-11-22T12:00:00Z');
const error = (code: ErrorCode = 'CA_REFUSED', retryAfterMs?: number) =>
  new StackError(code, 'no', { hint: 'mend it', ...(retryAfterMs === undefined ? {} : { retryAfterMs }) });

/** Fails as often as that, each time when it is tried again; returns the pauses in minutes. */
const pauses = (times: number, restMs: number | undefined, random = 0): readonly number[] => {
  const seen: number[] = [];
  let attempts: Attempts | undefined;
  let nowMs = startMs;
  for (let time = 0; time < times; time += 1) {
    const notAfterMs = restMs === undefined ? undefined : nowMs + restMs;
    attempts = failed(attempts, 'wish', error(), { nowMs, notAfterMs, random });
    seen.push((attempts.untilMs - nowMs) / minuteMs);
    nowMs = attempts.untilMs;
  }
  return seen;
};

describe('the pauses after failures in a row', () => {
  test('are 1, 10 and 100 minutes, then a day', () => {
    expect(pauses(6, 30 * dayMs)).toEqual([1, 10, 100, 1440, 1440, 1440]);
  });

  test('grow by chance up to a tenth, so that not all the world comes back at once', () => {
    expect(pauses(4, 30 * dayMs, 0.5)).toEqual([1.05, 10.5, 105, 1512]);
  });

  test('take at most a quarter of the life that is left, and never more than 100 minutes where nothing is left', () => {
    expect(pauses(5, 2 * dayMs)).toEqual([1, 10, 100, 720, 720]);
    expect(pauses(5, 0)).toEqual([1, 10, 100, 100, 100]);
    expect(pauses(5, undefined)).toEqual([1, 10, 100, 100, 100]);
  });

  test('spend less than the five failed validations that an authority allows in an hour', () => {
    const tries = pauses(5, undefined).reduce<number[]>(
      (at, pause) => [...at, (at.at(-1) ?? 0) + pause],
      [0],
    );

    expect(tries.filter((minute) => minute < 60)).toHaveLength(3);
  });

  test('are as long as the authority says where that is longer: 34 hours are scheduled, not slept', () => {
    const clock = { nowMs: startMs, notAfterMs: startMs + 20 * dayMs, random: 0 };

    expect(failed(undefined, 'wish', error('CA_LIMITED', 34 * hourMs), clock).untilMs).toBe(
      startMs + 34 * hourMs,
    );
  });
});

describe('failures hold', () => {
  const clock = { nowMs: startMs, notAfterMs: undefined, random: 0 };
  const attempts = failed(undefined, 'wish', error(), clock);

  test('until their pause is over, and only for what was wanted then', () => {
    expect(heldUntil(attempts, 'wish', startMs)).toBe(startMs + minuteMs);
    expect(heldUntil(attempts, 'wish', startMs + minuteMs)).toBeUndefined();
    expect(heldUntil(attempts, 'another wish', startMs)).toBeUndefined();
    expect(failed(attempts, 'another wish', error(), clock).failures).toBe(1);
  });

  test('not where the clock was set back', () => {
    expect(heldUntil(attempts, 'wish', startMs - dayMs)).toBeUndefined();
  });

  test.each([
    ['CA_REFUSED', true],
    ['CA_LIMITED', true],
    ['CA_UNREACHABLE', false],
    ['DNS_API_DENIED', false],
    ['DNS_NOT_PROPAGATED', false],
  ] as const)('a person who runs up after %s: %s', (code, holds) => {
    const known = failed(undefined, 'wish', error(code), clock);

    expect(heldForPeople(known, 'wish', startMs) !== undefined).toBe(holds);
  });
});
