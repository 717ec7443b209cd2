import * as z from 'zod';
import { errnoOf, isStackError, StackError } from '../shared/errors.ts';

/*
 * What an authority says: its resources, and its refusals as errors of ours. Nothing but a problem's type, the status and
 * Retry-After decides; its words are only shown.
 */

const prefix = 'urn:ietf:params:acme:error:';

/** A problem document. RFC 7807, RFC 8555 section 6.7. */
const problemSchema = z.object({
  type: z
    .string()
    .catch('about:blank')
    .transform((type) => type.replace(prefix, '')),
  detail: z.string().catch(''),
  subproblems: z
    .array(
      z.object({
        type: z.string().catch(''),
        detail: z.string().catch(''),
        identifier: z.object({ value: z.string() }).optional().catch(undefined),
      }),
    )
    .catch([]),
});
/** `type` is without its urn prefix. */
export type Problem = z.output<typeof problemSchema>;

/** The problem in an answer; an empty one where the answer is something else, such as a proxy's page. */
export const problemOf = (data: unknown): Problem =>
  problemSchema.safeParse(data).data ?? { type: 'about:blank', detail: '', subproblems: [] };

/** RFC 8555 section 7.1.1. */
export const directorySchema = z.object({
  newNonce: z.string(),
  newAccount: z.string(),
  newOrder: z.string(),
  meta: z
    .object({ profiles: z.record(z.string(), z.unknown()).optional().catch(undefined) })
    .optional()
    .catch(undefined),
});
const identifierSchema = z.object({ type: z.string(), value: z.string() });
/** RFC 8555 section 7.1.3. */
export const orderSchema = z.object({
  status: z.string(),
  identifiers: z.array(identifierSchema),
  authorizations: z.array(z.string()),
  finalize: z.string(),
  certificate: z.string().optional(),
  error: problemSchema.optional(),
});
const challengeSchema = z.object({
  type: z.string(),
  url: z.string(),
  token: z.string().optional(),
  error: problemSchema.optional(),
});
/** RFC 8555 section 7.1.4. */
export const authorizationSchema = z.object({
  status: z.string(),
  identifier: identifierSchema,
  wildcard: z.boolean().optional(),
  challenges: z.array(challengeSchema),
});

const hints: Readonly<Record<string, string>> = {
  rejectedIdentifier: 'this authority does not issue for that name: choose another certificates.directory',
  caa: 'allow this authority in the CAA records of the domain',
  dns: 'check that every name server of the zone can be reached from outside, all of them showed the record here; where DNSSEC is named, the DS record at the registrar does not fit the zone: npm run doctor shows the delegation',
  unauthorized:
    'remove stale _acme-challenge records of other programs, and check that all name servers of the zone answer alike',
  invalidProfile: 'remove certificates.profile, or name one that the directory offers',
  externalAccountRequired: 'choose another certificates.directory: this one wants an account made by hand',
  userActionRequired: 'agree to the new terms at the address it names, then run it again',
};

/** What was refused, and how the authority put it. */
export interface Refusal {
  /** Host of the directory. */
  readonly authority: string;
  /** What was asked: `POST /order`. */
  readonly asked: string;
  readonly status: number;
  readonly problem: Problem;
  readonly retryAfterMs?: number | undefined;
}

/** A refusal as one of ours: CA_LIMITED where it asks us to wait, CA_UNREACHABLE where it fails, else CA_REFUSED. */
export const refused = ({ authority, asked, status, problem, retryAfterMs: waitMs }: Refusal): StackError => {
  const parts = problem.subproblems.map((one) => `${one.identifier?.value ?? 'a name'}: ${one.detail}`);
  const said = [`[${problem.type}] ${problem.detail}`, ...parts].join('; ');
  const data = { status, ...problem };
  const wait = waitMs === undefined ? {} : { retryAfterMs: waitMs };
  if (status === 429 || problem.type === 'rateLimited' || (status === 503 && waitMs !== undefined)) {
    const howLong = waitMs === undefined ? '' : ` ${Math.ceil(waitMs / 1000)} s`;
    return new StackError('CA_LIMITED', `${authority} asks us to wait${howLong} before ${asked}: ${said}`, {
      hint: 'nothing is wrong here: wait that long, then run it again',
      data,
      ...wait,
    });
  }
  if (status >= 500) {
    return new StackError('CA_UNREACHABLE', `${authority} fails at ${asked} with HTTP ${status}: ${said}`, {
      hint: 'the authority has trouble of its own; run it again later',
      data,
      ...wait,
    });
  }
  return new StackError('CA_REFUSED', `${authority} refuses ${asked}: ${said}`, {
    hint: hints[problem.type] ?? 'the word in brackets names the reason: RFC 8555 section 6.7',
    data,
  });
};

/** True for a CA_REFUSED of this type, such as `accountDoesNotExist`. */
export const isRefusal = (error: unknown, type: string): boolean =>
  isStackError(error) && error.code === 'CA_REFUSED' && error.data['type'] === type;

/** A call that got no answer, as CA_UNREACHABLE with Node's name for the reason. */
export const unanswered = (url: string, error: unknown): StackError => {
  const errno = errnoOf(error) ?? (error instanceof Error ? error.name : 'unknown');
  const isTrust = /CERT|SIGNATURE|ISSUER|ALTNAME/.test(errno);
  const isTime = /^CERT_(HAS_EXPIRED|NOT_YET_VALID)$/.test(errno);
  return new StackError('CA_UNREACHABLE', `cannot reach the certificate authority at ${url} (${errno})`, {
    hint: isTime
      ? 'its own https certificate is not valid at the time of this clock: set the clock (timedatectl set-ntp true); where that is right, the authority has to renew it'
      : isTrust
        ? 'its own https certificate is not trusted: set certificates.directory_ca to the CA that signed it'
        : 'check the network of this machine and certificates.directory, then run it again',
    data: { url, errno },
    cause: error,
  });
};

const dayMs = 86_400_000;

/**
 * Refuses to order by a clock that is a day or more from the authority's: each certificate would be due at once, and be
 * ordered again without end. `date` is the header of RFC 9110 section 6.6.1; without one nothing is known.
 * @throws {StackError} CLOCK_WRONG
 */
export const compareClocks = (directory: string, date: string | undefined, nowMs: number): void => {
  const aheadMs = nowMs - Date.parse(date ?? '');
  if (!(Math.abs(aheadMs) > dayMs)) return;
  const days = Math.round(Math.abs(aheadMs) / dayMs);
  throw new StackError(
    'CLOCK_WRONG',
    `the clock of this machine is ${days} day${days === 1 ? '' : 's'} ${aheadMs > 0 ? 'ahead of' : 'behind'} that of ${new URL(directory).host}: nothing is ordered by it`,
    {
      hint: 'set the clock: timedatectl set-ntp true; npm run doctor compares it with others',
      data: { aheadMs },
    },
  );
};

/** An answer that does not have the form of RFC 8555, as CA_REFUSED. */
export const unfit = (url: string, wanted: string, cause?: unknown): StackError =>
  new StackError('CA_REFUSED', `${url} did not answer with ${wanted}`, {
    hint: 'check that certificates.directory is the address of an ACME directory (RFC 8555)',
    data: { url },
    cause,
  });
