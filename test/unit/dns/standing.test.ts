import { describe, expect, test } from 'vitest';
import {
  looked,
  nothingKnown,
  recordsDue,
  recordsFailed,
  recordsRight,
  withOtherWishes,
  type Clock,
  type Standing,
} from '../../../src/dns/follow/standing.ts';
import type { FoundAddress } from '../../../src/dns/observe.ts';

const minuteMs = 60_000;
const pauses = { everyMs: 5 * minuteMs, confirmMs: minuteMs / 2 };
const at = (minutes: number): Clock => ({
  nowMs: 1_000_000 + minutes * minuteMs,
  nowTick: minutes * minuteMs,
});
const a = { address: '198.51.100.7' };
const b = { address: '203.0.113.9' };
const nobody = { unknown: 'nobody answers', hint: 'look at the cable' };

/** One look a minute, from nothing or from a standing. */
const lookingAt = (all: readonly FoundAddress[], from: Standing = nothingKnown): Standing =>
  all.reduce((before, found, index) => looked(before, found, pauses, at(index)), from);

describe('an address', () => {
  test('is taken at once where none was known, and keeps the moment since when it is ours', () => {
    expect(lookingAt([a]).address).toEqual({ text: a.address, sinceMs: at(0).nowMs, seenMs: at(0).nowMs });
    expect(lookingAt([a, a, a]).address).toEqual({
      text: a.address,
      sinceMs: at(0).nowMs,
      seenMs: at(2).nowMs,
    });
  });

  test('that is another one is taken when two looks in a row show it, the second of them soon', () => {
    const once = lookingAt([a, b]);

    expect([once.address?.text, once.candidate]).toEqual([a.address, b.address]);
    expect(once.lookAtTick - at(1).nowTick).toBe(pauses.confirmMs);
    expect(lookingAt([a, b, b])).toMatchObject({
      address: { text: b.address, sinceMs: at(2).nowMs },
      candidate: undefined,
      lookAtTick: at(2).nowTick + pauses.everyMs,
    });
  });

  test.each([
    ['comes and goes', [a, b, a, b, a, b]],
    ['is parted by a failure', [a, b, nobody, b]],
  ])('that %s is never taken', (_what, looks) => {
    expect(lookingAt(looks).address?.text).toBe(a.address);
  });

  test('stays while nobody can say what it is, and is asked for again: soon at first, then as always', () => {
    const pausesMs: number[] = [];
    let standing = lookingAt([a]);
    for (let failures = 1; failures <= 8; failures += 1) {
      standing = looked(standing, nobody, pauses, at(failures));
      pausesMs.push(standing.lookAtTick - at(failures).nowTick);
    }

    expect(standing.address?.text).toBe(a.address);
    expect(pausesMs.map((ms) => ms / 1000)).toEqual([15, 30, 60, 120, 240, 300, 300, 300]);
    expect(standing.trouble.address).toEqual({
      message: nobody.unknown,
      hint: nobody.hint,
      sinceMs: at(1).nowMs,
      failures: 8,
    });
    expect(looked(standing, a, pauses, at(9)).trouble.address).toBeUndefined();
  });

  test('is not asked for earlier than a server says', () => {
    const standing = looked(lookingAt([a]), { ...nobody, retryAfterMs: 20 * minuteMs }, pauses, at(1));

    expect(standing.lookAtTick).toBe(at(21).nowTick);
  });
});

describe('the records', () => {
  const wish = 'w';
  const failure = { message: 'no', hint: 'yes' };

  test('are due for an address or for wishes that they were not led to, and not again', () => {
    const standing = lookingAt([a]);
    const right = recordsRight(standing, a.address, wish);

    expect(recordsDue(nothingKnown, wish, at(0))).toBeUndefined();
    expect(recordsDue(standing, wish, at(0))).toBe(a.address);
    expect(recordsDue(right, wish, at(0))).toBeUndefined();
    expect(recordsDue(right, 'other', at(0))).toBe(a.address);
    expect(recordsDue(lookingAt([b, b], right), wish, at(2))).toBe(b.address);
  });

  test('are not due while another address was seen only once', () => {
    const right = recordsRight(lookingAt([a]), a.address, wish);

    expect(recordsDue(lookingAt([b], right), wish, at(1))).toBeUndefined();
  });

  test('that fail are tried again after pauses that grow to an hour', () => {
    const pausesMs: number[] = [];
    let standing = lookingAt([a]);
    for (let failures = 1; failures <= 8; failures += 1) {
      standing = recordsFailed(standing, failure, pauses, at(0));
      pausesMs.push(standing.workAtTick);
      expect(recordsDue(standing, wish, { nowMs: 0, nowTick: standing.workAtTick - 1 })).toBeUndefined();
      expect(recordsDue(standing, wish, { nowMs: 0, nowTick: standing.workAtTick })).toBe(a.address);
    }

    expect(pausesMs.map((ms) => ms / minuteMs)).toEqual([1, 2, 4, 8, 16, 32, 60, 60]);
  });

  test('wait as long as the provider asks, whatever address comes meanwhile', () => {
    const asked = { ...failure, retryAfterMs: 90 * minuteMs };
    const held = recordsFailed(lookingAt([a]), asked, pauses, at(0));

    expect(recordsDue(lookingAt([b, b], held), wish, at(89))).toBeUndefined();
    expect(recordsDue(lookingAt([b, b], held), wish, at(90))).toBe(b.address);
  });

  test('are tried at once for other wishes, or with another token', () => {
    const held = recordsFailed(lookingAt([a]), failure, pauses, at(0));

    expect(recordsDue(withOtherWishes(held), wish, at(0))).toBe(a.address);
    expect(withOtherWishes(held).address).toEqual(held.address);
  });
});
