import * as z from 'zod';
import { isStackError, StackError } from '../../shared/errors.ts';
import type { Answer, Http } from '../../shared/http.ts';
import { empty, explained, isGone, tokenHint, type Attempt } from '../refusal.ts';

/** A zone as its token shows it. */
export interface SeenZone {
  readonly id: string;
  readonly name: string;
  /** `pending` until Cloudflare has seen the delegation, then `active`. */
  readonly status: string;
  /** The name servers that Cloudflare gave to this zone. */
  readonly nameServers: readonly string[];
}

/** What a token may do, asked without writing anything. Every call throws only DNS_API_*, SECRET_* or the signal's reason. */
export interface TokenReader {
  /** Every zone that it sees, by name. */
  readonly zones: (signal: AbortSignal) => Promise<readonly SeenZone[]>;
  /** When it ends, as an ISO date; undefined where it has no end, or is of the kind that does not say. */
  readonly endsOn: (signal: AbortSignal) => Promise<string | undefined>;
  readonly mayEdit: (zone: Pick<SeenZone, 'id' | 'name'>, signal: AbortSignal) => Promise<boolean>;
}

const envelope = z.object({
  success: z.boolean(),
  errors: z
    .array(z.object({ code: z.number(), message: z.string() }))
    .nullish()
    .transform((all) => all ?? []),
  result: z.unknown(),
  result_info: z.object({ total_pages: z.number() }).nullish(),
});
const zoneList = z.array(
  z.object({
    id: z.string(),
    name: z.string(),
    status: z.string().default('unknown'),
    name_servers: z
      .array(z.string())
      .nullish()
      .transform((all) => all ?? []),
  }),
);
const verified = z.object({ expires_on: z.string().optional() });

const mostPages = 20;
/** An id that no record has: removing it changes nothing, and is refused to those who may only read. */
const nobodysRecord = '0'.repeat(32);

interface Options {
  readonly api: string;
  /** @throws {StackError} SECRET_UNREADABLE, SECRET_INVALID */
  readonly token: () => Promise<string | undefined>;
  readonly http: Pick<Http, 'call'>;
}

/** The calls that show what a token of Cloudflare may do. */
export const createTokenReader = ({ api, token, http }: Options): TokenReader => {
  const call = async (
    method: 'GET' | 'DELETE',
    path: string,
    attempt: Attempt,
    signal: AbortSignal,
  ): Promise<z.output<typeof envelope>> => {
    const value = await token();
    if (value === undefined || value === '')
      throw new StackError('SECRET_UNREADABLE', 'there is no token for the DNS provider', {
        hint: tokenHint,
      });
    let answer: Answer;
    try {
      answer = await http.call(method, `${api}${path}`, {
        headers: { authorization: `Bearer ${value}` },
        signal,
      });
    } catch (error) {
      signal.throwIfAborted();
      throw explained(error, attempt, api);
    }
    const body = envelope.safeParse(answer.json()).data;
    if (answer.status >= 400 || body?.success === false) {
      const headers = new Headers({ 'retry-after': answer.headers['retry-after'] ?? '' });
      const refusal = { status: answer.status, headers, errors: body?.errors ?? [] };
      throw explained(refusal, attempt, api);
    }
    if (body === undefined) throw empty(attempt, api);
    return body;
  };

  return {
    async zones(signal) {
      const all: SeenZone[] = [];
      for (let page = 1, last = 1; page <= Math.min(last, mostPages); page += 1) {
        const attempt = { what: 'list zones' };
        const body = await call('GET', `/zones?per_page=50&page=${page}`, attempt, signal);
        const zones = zoneList.safeParse(body.result);
        if (!zones.success) throw empty(attempt, api);
        last = body.result_info?.total_pages ?? 1;
        all.push(...zones.data.map(({ name_servers: nameServers, ...zone }) => ({ ...zone, nameServers })));
      }
      return all;
    },

    async endsOn(signal) {
      try {
        const body = await call('GET', '/user/tokens/verify', { what: 'verify the token' }, signal);
        return verified.safeParse(body.result).data?.expires_on;
      } catch (error) {
        // A token of an account is refused here although it works (cloudflare/cloudflare-docs#29486).
        if (isStackError(error) && error.code === 'DNS_API_DENIED') return undefined;
        throw error;
      }
    },

    async mayEdit(zone, signal) {
      const attempt = { what: `edit the records of ${zone.name}`, writes: true };
      try {
        await call('DELETE', `/zones/${zone.id}/dns_records/${nobodysRecord}`, attempt, signal);
        return true;
      } catch (error) {
        if (isGone(error)) return true;
        if (isStackError(error) && error.code === 'DNS_API_DENIED') return false;
        throw error;
      }
    },
  };
};
