import * as z from 'zod';
import { nowMs } from '../shared/clock.ts';
import type { ErrorCode } from '../shared/error-codes.ts';
import { errnoOf, isAbort, isStackError, StackError } from '../shared/errors.ts';
import { retryAfterMs } from '../shared/http.ts';

/** Codes of the API that lead somewhere else than to an error; certbot, acme.sh and lego tell the same ones apart. */
export const codes = {
  missingRecord: [81_044],
  duplicate: [81_057, 81_058],
  /** An alias where an address should go, or the other way round. */
  nameTaken: [81_053, 81_054],
  maySeeNoZone: [0],
} as const;

const malformedHeader = 6003;
const invalidToken = 9109;

/** One call, for its messages. */
export interface Attempt {
  /** Such as `list zones`. */
  readonly what: string;
  readonly writes?: boolean;
}

/** The part of the SDK's errors that is read: its classes are not loaded for that. */
const apiError = z.object({
  status: z.number(),
  headers: z.instanceof(Headers).optional().catch(undefined),
  errors: z.array(z.object({ code: z.number(), message: z.string() })).catch([]),
});

export const tokenHint =
  'make a token with the template "Edit zone DNS" for this zone and put it where cloudflare.token says';
const statusHint = 'look at https://www.cloudflarestatus.com, then run it again';

/** What a refusal means: decided by the code and by what was tried, never by the text of the answer. */
const denial = (status: number, seen: readonly number[], writes: boolean): string | undefined => {
  if (seen.includes(malformedHeader)) return 'the token does not have the form of one';
  if (status === 401) return 'the token is unknown or has expired';
  if (status !== 403) return undefined;
  if (seen.includes(invalidToken)) return 'the token is unknown, has expired, or was made for something else';
  return writes ? 'the token may read this zone and not edit it' : 'the token may not do this';
};

const unanswered = (error: unknown, { what }: Attempt, api: string): StackError => {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  const errno = errnoOf(cause);
  const text = cause instanceof Error ? cause.message : String(cause);
  const seen = isAbort(cause) ? 'not in time' : (errno ?? text);
  return new StackError(
    'DNS_API_UNREACHABLE',
    `cannot ${what}: no answer from ${new URL(api).host} (${seen})`,
    {
      hint: `check that this machine reaches ${api}`,
      data: { api, errno },
      cause: error,
    },
  );
};

/** Whatever the SDK threw, as one of our errors: DNS_API_UNREACHABLE, _LIMITED, _DENIED or _FAILED. */
export const explained = (error: unknown, attempt: Attempt, api: string): StackError => {
  const parsed = apiError.safeParse(error);
  if (!parsed.success) return unanswered(error, attempt, api);
  const { status, headers, errors } = parsed.data;
  const { host } = new URL(api);
  const seen = errors.map(({ code }) => code);
  const said = errors.map(({ code, message }) => `${code} ${message}`).join('; ');
  const fail = (code: ErrorCode, message: string, hint: string, pauseMs?: number) =>
    new StackError(code, `cannot ${attempt.what}: ${message}`, {
      hint,
      data: { api, status, codes: seen },
      cause: error,
      ...(pauseMs === undefined ? {} : { retryAfterMs: pauseMs }),
    });
  if (status === 429) {
    const pauseMs = retryAfterMs(headers?.get('retry-after') ?? undefined, nowMs());
    const text = pauseMs === undefined ? 'to slow down' : `to wait ${Math.ceil(pauseMs / 1000)} s`;
    return fail('DNS_API_LIMITED', `${host} asks us ${text}`, 'run it again after that time', pauseMs);
  }
  const answered = `${host} answered ${status}${said === '' ? '' : `: ${said}`}`;
  const denied = denial(status, seen, attempt.writes ?? false);
  return denied === undefined
    ? fail('DNS_API_FAILED', answered, statusHint)
    : fail('DNS_API_DENIED', `${denied} (${answered})`, tokenHint);
};

/** An answer that says neither error nor result: with `success: false` the SDK gives back null, or an empty list. */
export const empty = ({ what }: Attempt, api: string): StackError =>
  new StackError('DNS_API_FAILED', `cannot ${what}: the answer of ${new URL(api).host} holds no result`, {
    hint: statusHint,
    data: { api },
  });

/** True where the API refused a call with one of these codes. */
export const has = (error: unknown, wanted: readonly number[]): boolean =>
  isStackError(error) &&
  Array.isArray(error.data['codes']) &&
  error.data['codes'].some((code: unknown) => typeof code === 'number' && wanted.includes(code));

/** True where what should be changed is not there (any more). */
export const isGone = (error: unknown): boolean =>
  has(error, codes.missingRecord) || (isStackError(error) && error.data['status'] === 404);
