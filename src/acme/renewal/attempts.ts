import type { ErrorCode } from '../../shared/error-codes.ts';
import type { StackError } from '../../shared/errors.ts';

/*
 * How often a certificate is tried for after failures. Pure; instants in ms since the epoch.
 */

const minuteMs = 60_000;
/** Pauses after the first, second, third failure, then daily. Let's Encrypt's integration guide. */
const ladderMs = [minuteMs, 10 * minuteMs, 100 * minuteMs, 1440 * minuteMs];
/** Where nothing, or almost nothing, of a certificate's life is left, no pause is longer. */
const longestUrgentMs = 100 * minuteMs;
/** A pause takes at most this part of what is left of a certificate's life. */
const partOfRest = 1 / 4;
const jitter = 0.1;

/** Failures in a row for the same wishes, as they are kept between runs. */
export interface Attempts {
  /** Digest of what was wanted: for other wishes the failures mean nothing. */
  readonly wish: string;
  readonly failures: number;
  readonly sinceMs: number;
  readonly lastMs: number;
  /** Not before then, unless a person says so. */
  readonly untilMs: number;
  readonly code: ErrorCode;
  readonly message: string;
  readonly hint: string;
}

/** Adds a failure. `notAfterMs` is the end of the certificate that is served; `random` is from 0 to below 1. */
export const failed = (
  before: Attempts | undefined,
  wish: string,
  error: StackError,
  clock: { readonly nowMs: number; readonly notAfterMs: number | undefined; readonly random: number },
): Attempts => {
  const { nowMs, notAfterMs, random } = clock;
  const known = before?.wish === wish ? before : undefined;
  const failures = (known?.failures ?? 0) + 1;
  const rungMs = ladderMs[Math.min(failures, ladderMs.length) - 1] ?? minuteMs;
  const restMs = Math.max(0, (notAfterMs ?? nowMs) - nowMs);
  const pauseMs = Math.min(rungMs, Math.max(longestUrgentMs, restMs * partOfRest));
  const waitMs = Math.max(pauseMs * (1 + jitter * random), error.retryAfterMs ?? 0);
  return {
    wish,
    failures,
    sinceMs: known?.sinceMs ?? nowMs,
    lastMs: nowMs,
    untilMs: nowMs + Math.round(waitMs),
    code: error.code,
    message: error.message,
    hint: error.hint,
  };
};

/** Until when nothing is tried by itself; undefined where it may be tried now. */
export const heldUntil = (
  attempts: Attempts | undefined,
  wish: string,
  nowMs: number,
): number | undefined => {
  if (attempts?.wish !== wish || nowMs >= attempts.untilMs) return undefined;
  // A clock that was set back must not hold anything for longer than was meant.
  return nowMs < attempts.lastMs ? undefined : attempts.untilMs;
};

/**
 * The same for somebody who runs `up`: only the authority's own word holds. What failed anywhere else may have been mended
 * meanwhile, and to try it again costs nothing that is counted.
 */
export const heldForPeople = (
  attempts: Attempts | undefined,
  wish: string,
  nowMs: number,
): number | undefined =>
  attempts?.code === 'CA_LIMITED' || attempts?.code === 'CA_REFUSED'
    ? heldUntil(attempts, wish, nowMs)
    : undefined;
