import type { FoundAddress } from '../observe.ts';

/*
 * What is known of a public address that may change, and what follows from each look at it. Pure. `…Ms` are instants since
 * the epoch, which people read; `…Tick` are instants of a clock that is never set, by which is waited.
 */

/** Something that fails: said once, and tried again after pauses that grow. */
export interface Trouble {
  readonly message: string;
  readonly hint: string;
  readonly sinceMs: number;
  readonly failures: number;
}

/** The address that was taken for ours, and what is wrong. */
export interface Standing {
  /** Undefined until one was seen. `seenMs`: the last look that showed it. */
  readonly address: { readonly text: string; readonly sinceMs: number; readonly seenMs: number } | undefined;
  /** Another one, that one look has shown so far. */
  readonly candidate: string | undefined;
  /** Address and wishes for which the records were last known to be right. */
  readonly right: { readonly address: string; readonly wish: string } | undefined;
  /** Why the address is not known, and why the records could not be changed. */
  readonly trouble: { readonly address: Trouble | undefined; readonly records: Trouble | undefined };
  readonly lookAtTick: number;
  readonly workAtTick: number;
}

export interface Clock {
  readonly nowMs: number;
  readonly nowTick: number;
}

/** Pauses of one follower. */
export interface Pauses {
  /** Between two looks. */
  readonly everyMs: number;
  /** Before the second look at an address that is new. */
  readonly confirmMs: number;
}

export const nothingKnown: Standing = {
  address: undefined,
  candidate: undefined,
  right: undefined,
  trouble: { address: undefined, records: undefined },
  lookAtTick: 0,
  workAtTick: 0,
};

const minuteMs = 60_000;
const longestPauseMs = 60 * minuteMs;
/** A look costs nothing, so after a failure it is repeated soon: a line that is dialled anew is back within a minute. */
const firstLookAgainMs = 15_000;

const failedAgain = (
  before: Trouble | undefined,
  { message, hint }: { readonly message: string; readonly hint: string },
  { nowMs }: Clock,
): Trouble => ({
  message,
  hint,
  sinceMs: before?.sinceMs ?? nowMs,
  failures: (before?.failures ?? 0) + 1,
});

/** Doubles with each failure, up to `longestMs`; a server that asked for more gets more. */
const pauseAfter = (failures: number, firstMs: number, longestMs: number, askedMs = 0): number =>
  Math.max(Math.min(firstMs * 2 ** (failures - 1), longestMs), askedMs);

/**
 * What a look showed. The very first address is taken at once; another one only when two looks in a row show it, since a
 * single answer may come over a line that is used for a moment.
 */
export const looked = (before: Standing, found: FoundAddress, pauses: Pauses, clock: Clock): Standing => {
  const { nowMs, nowTick } = clock;
  const next = (pauseMs: number) => ({ lookAtTick: nowTick + pauseMs });
  if ('unknown' in found) {
    const trouble = failedAgain(before.trouble.address, { message: found.unknown, hint: found.hint }, clock);
    const first = Math.min(firstLookAgainMs, pauses.everyMs);
    return {
      ...before,
      candidate: undefined,
      trouble: { ...before.trouble, address: trouble },
      ...next(pauseAfter(trouble.failures, first, pauses.everyMs, found.retryAfterMs)),
    };
  }
  const { address } = found;
  const good = { ...before, trouble: { ...before.trouble, address: undefined }, candidate: undefined };
  if (before.address?.text === address)
    return { ...good, address: { ...before.address, seenMs: nowMs }, ...next(pauses.everyMs) };
  if (before.address !== undefined && before.candidate !== address)
    return { ...good, candidate: address, ...next(pauses.confirmMs) };
  return {
    ...good,
    address: { text: address, sinceMs: nowMs, seenMs: nowMs },
    ...next(pauses.everyMs),
  };
};

/** The address to which the records are to be led now; undefined where they are right, or where it is too early. */
export const recordsDue = (standing: Standing, wish: string, { nowTick }: Clock): string | undefined => {
  const { address, right, workAtTick } = standing;
  if (address === undefined || nowTick < workAtTick) return undefined;
  return right?.address === address.text && right.wish === wish ? undefined : address.text;
};

/** The records are right for this address and these wishes. */
export const recordsRight = (before: Standing, address: string, wish: string): Standing => ({
  ...before,
  right: { address, wish },
  trouble: { ...before.trouble, records: undefined },
  workAtTick: 0,
});

/** They could not be made so. */
export const recordsFailed = (
  before: Standing,
  error: { readonly message: string; readonly hint: string; readonly retryAfterMs?: number | undefined },
  { everyMs }: Pauses,
  clock: Clock,
): Standing => {
  const trouble = failedAgain(before.trouble.records, error, clock);
  const first = Math.min(minuteMs, everyMs);
  const pauseMs = pauseAfter(trouble.failures, first, longestPauseMs, error.retryAfterMs);
  return {
    ...before,
    trouble: { ...before.trouble, records: trouble },
    workAtTick: clock.nowTick + pauseMs,
  };
};

/** Other wishes: what failed before means nothing for them, and both are looked at now. */
export const withOtherWishes = (before: Standing): Standing => ({
  ...before,
  trouble: { address: undefined, records: undefined },
  lookAtTick: 0,
  workAtTick: 0,
});
