import * as z from 'zod';
import { monotonicMs, sleep, within } from '../shared/clock.ts';
import { isStackError, StackError } from '../shared/errors.ts';
import type { Http } from '../shared/http.ts';
import type { DnsProvider, RecordFields, Zone, ZoneRecord } from './observe.ts';
import { codes, empty, explained, has, isGone, tokenHint, type Attempt } from './refusal.ts';

interface Options {
  /** Base URL of the API, `/client/v4` included. */
  readonly api: string;
  /** @throws {StackError} SECRET_UNREADABLE, SECRET_INVALID */
  readonly token: () => Promise<string | undefined>;
  readonly http: Http;
  /** For one call with its body. Default 15 s. */
  readonly callTimeoutMs?: number;
  /** A server that asks us to wait is obeyed within a call up to this long. Default 15 s. */
  readonly longestPauseMs?: number;
}

const pageSize = 500;

const totals = z.object({ total_pages: z.int().min(0) });

/** What the SDK makes of a list. */
interface Page<T> {
  readonly result: readonly T[];
  readonly result_info: unknown;
}

/** The name itself and its parents down to two labels; labels that start with _ are never zones. */
const candidates = (name: string): readonly string[] => {
  const labels = name.replace(/^\*\./, '').split('.');
  const from = labels.findIndex((label) => !label.startsWith('_'));
  return labels
    .map((_, index) => labels.slice(index).join('.'))
    .slice(from, Math.max(labels.length - 1, from + 1));
};

/** The adapter over Cloudflare's SDK, its only importer; the SDK is loaded with the first call. */
export const createCloudflare = (options: Options): DnsProvider => {
  const { api, http, callTimeoutMs = 15_000, longestPauseMs = 15_000 } = options;

  const connect = async () => {
    const [{ createClient }, { BaseRecords }, { BaseZones }, apiToken] = await Promise.all([
      import('cloudflare/tree-shakable'),
      import('cloudflare/resources/dns/records'),
      import('cloudflare/resources/zones/zones'),
      options.token(),
    ]);
    if (apiToken === undefined || apiToken === '') {
      throw new StackError('SECRET_UNREADABLE', 'there is no token for the DNS provider', {
        hint: tokenHint,
      });
    }
    return createClient({
      resources: [BaseRecords, BaseZones],
      apiToken,
      // Left out, the SDK would take these three from the environment and send them along.
      apiEmail: null,
      apiKey: null,
      baseURL: api,
      fetch: http.fetch,
      // Its own retries ignore aborts and obey any Retry-After.
      maxRetries: 0,
      timeout: callTimeoutMs,
      logLevel: 'off',
    });
  };
  type Client = Awaited<ReturnType<typeof connect>>;
  let connecting: Promise<Client> | undefined;
  const connected = async (): Promise<Client> => {
    connecting ??= connect();
    try {
      return await connecting;
    } catch (error) {
      connecting = undefined;
      throw error;
    }
  };

  const attempt = async <T>(
    tried: Attempt,
    signal: AbortSignal,
    act: (client: Client, limit: AbortSignal) => PromiseLike<T>,
  ): Promise<T> => {
    const client = await connected();
    try {
      // The SDK's time limit ends with the headers; this one holds for the body too.
      return await within(signal, callTimeoutMs, async (limit) =>
        Promise.race([act(client, limit), aborted(limit)]),
      );
    } catch (error) {
      signal.throwIfAborted();
      throw explained(error, tried, api);
    }
  };

  const call = async <T>(
    tried: Attempt,
    signal: AbortSignal,
    act: (client: Client, limit: AbortSignal) => PromiseLike<T>,
  ): Promise<T> => {
    const untilMs = monotonicMs() + longestPauseMs;
    for (;;) {
      try {
        return await attempt(tried, signal, act);
      } catch (error) {
        const pauseMs = isStackError(error) ? error.retryAfterMs : undefined;
        if (pauseMs === undefined || monotonicMs() + pauseMs > untilMs) throw error;
        await sleep(Math.max(pauseMs, 1000), signal);
      }
    }
  };

  /** A call whose answer must hold a result: `success: false` comes out of the SDK as null. */
  const result = async <T>(
    tried: Attempt,
    signal: AbortSignal,
    act: (client: Client, limit: AbortSignal) => PromiseLike<T>,
  ): Promise<NonNullable<T>> => {
    const answer = await call(tried, signal, act);
    if (answer !== null && answer !== undefined) return answer;
    throw empty(tried, api);
  };

  /** A page of a list; one without totals is no list, and comes out of the SDK as an empty one. */
  const page = async <T>(
    tried: Attempt,
    signal: AbortSignal,
    act: (client: Client, limit: AbortSignal) => PromiseLike<Page<T>>,
  ): Promise<{ readonly items: readonly T[]; readonly pages: number }> => {
    const answer = await call(tried, signal, act);
    const info = totals.safeParse(answer.result_info);
    if (!info.success) throw empty(tried, api);
    return { items: answer.result, pages: info.data.total_pages };
  };

  const zonesNamed = async (name: string, signal: AbortSignal): Promise<readonly Zone[]> => {
    try {
      const { items } = await page({ what: `look for the zone ${name}` }, signal, (client, limit) =>
        client.zones.list({ name }, { signal: limit }),
      );
      return items
        .filter((zone) => zone.name === name)
        .map((zone) => ({ id: zone.id, name: zone.name, nameServers: nameServersOf(zone) }));
    } catch (error) {
      // A name that the token does not see is an empty list, or a 403 with code 0 (go-acme/lego#1213).
      if (has(error, codes.maySeeNoZone)) return [];
      throw error;
    }
  };

  const notFound = async (
    name: string,
    tried: readonly string[],
    signal: AbortSignal,
  ): Promise<StackError> => {
    const sees = await page({ what: 'list zones' }, signal, (client, limit) =>
      client.zones.list({ per_page: 50 }, { signal: limit }),
    ).then(
      ({ items }) => (items.length === 0 ? 'no zone at all' : items.map((zone) => zone.name).join(', ')),
      () => 'no zone that it may list',
    );
    signal.throwIfAborted();
    return new StackError(
      'ZONE_NOT_FOUND',
      `no zone for ${name}: looked for ${tried.join(', ')}; the token sees ${sees}`,
      {
        hint: 'set domain to a zone of this account, or make a token for the zone: docs/cloudflare.md',
        data: { name, tried, sees },
      },
    );
  };

  /** Names that were looked up; null where the token sees no zone of that name. */
  const known = new Map<string, Zone | null>();

  return {
    async zoneOf(name, signal) {
      const tried = candidates(name.toLowerCase());
      for (const one of tried) {
        let zone = known.get(one);
        if (zone === undefined) {
          zone = (await zonesNamed(one, signal))[0] ?? null;
          known.set(one, zone);
        }
        if (zone !== null) return zone;
      }
      // The next look may come after the operator has mended it.
      known.clear();
      throw await notFound(name, tried, signal);
    },

    async records(zone, { name, type, commentPrefix }, signal) {
      const all: ZoneRecord[] = [];
      let last = 1;
      for (let number = 1; number <= last; number += 1) {
        const { items, pages } = await page(
          { what: `list the records of ${zone.name}` },
          signal,
          (client, limit) =>
            client.dns.records.list(
              {
                zone_id: zone.id,
                page: number,
                per_page: pageSize,
                ...(name === undefined ? {} : { name: { exact: name } }),
                ...(type === undefined ? {} : { type }),
                ...(commentPrefix === undefined ? {} : { comment: { startswith: commentPrefix } }),
              },
              { signal: limit },
            ),
        );
        last = pages;
        all.push(...items.map((record) => asZoneRecord(record)));
      }
      return all;
    },

    async create(zone, fields, signal) {
      const what = `create ${fields.type} ${fields.name}`;
      try {
        const made = await result({ what, writes: true }, signal, (client, limit) =>
          client.dns.records.create({ zone_id: zone.id, ...wire(fields) }, { signal: limit }),
        );
        return made.id;
      } catch (error) {
        if (has(error, codes.duplicate)) return undefined;
        if (!has(error, codes.nameTaken)) throw error;
        throw new StackError('RECORD_CONFLICT', `cannot ${what}: another record has that name`, {
          hint: 'remove the other record, choose another label under names, or run it again with --adopt',
          data: { name: fields.name },
          cause: error,
        });
      }
    },

    async update(zone, id, fields, signal) {
      try {
        await result(
          { what: `update ${fields.type} ${fields.name}`, writes: true },
          signal,
          (client, limit) =>
            client.dns.records.edit(id, { zone_id: zone.id, ...wire(fields) }, { signal: limit }),
        );
      } catch (error) {
        if (!isGone(error) && !has(error, codes.duplicate)) throw error;
      }
    },

    async remove(zoneId, id, signal) {
      try {
        await result({ what: `remove the record ${id}`, writes: true }, signal, (client, limit) =>
          client.dns.records.delete(id, { zone_id: zoneId }, { signal: limit }),
        );
      } catch (error) {
        if (!isGone(error)) throw error;
      }
    },
  };
};

const aborted = async (signal: AbortSignal): Promise<never> =>
  new Promise((_, reject) => {
    const stop = () => {
      reject(signal.reason as Error);
    };
    if (signal.aborted) stop();
    else signal.addEventListener('abort', stop, { once: true });
  });

/** Not every token is shown them. */
const nameServersOf = ({ name_servers: names }: { readonly name_servers?: unknown }) =>
  z.array(z.string()).safeParse(names).data;

const wire = ({ type, name, content, ttlSeconds, comment }: RecordFields) => ({
  type,
  name,
  content,
  ttl: ttlSeconds,
  comment,
  // Only addresses can be proxied; the API refuses the field on nothing, but it belongs to them.
  ...(type === 'TXT' ? {} : { proxied: false }),
});

const asZoneRecord = (record: {
  readonly id: string;
  readonly name: string;
  readonly type: string;
  readonly content?: string;
  readonly ttl: number;
  readonly proxied?: boolean;
  readonly comment?: string | null;
}): ZoneRecord => ({
  id: record.id,
  name: record.name,
  type: record.type,
  content: record.content ?? '',
  ttlSeconds: record.ttl,
  proxied: record.proxied ?? false,
  comment: record.comment ?? '',
});
