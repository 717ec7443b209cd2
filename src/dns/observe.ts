import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { isIP } from 'node:net';
import type { WantedAddress } from '../settings/public-address.ts';
import { kindOfAddress } from '../shared/addresses.ts';
import { nowMs } from '../shared/clock.ts';
import { errnoOf, isAbort, isStackError, type StackError } from '../shared/errors.ts';
import { createHttp, isOfThisMachine, retryAfterMs, type Http } from '../shared/http.ts';
import type { DnsDesired } from './desired.ts';

export interface Zone {
  readonly id: string;
  readonly name: string;
  /** The servers that the provider wants the zone to be delegated to; left out where it does not say. */
  readonly nameServers?: readonly string[] | undefined;
}

export interface RecordFields {
  readonly type: 'A' | 'AAAA' | 'TXT';
  readonly name: string;
  readonly content: string;
  readonly ttlSeconds: number;
  readonly comment: string;
}

/** A record as the provider has it; `comment` is empty where there is none. */
export interface ZoneRecord {
  readonly id: string;
  readonly name: string;
  readonly type: string;
  readonly content: string;
  readonly ttlSeconds: number;
  readonly proxied: boolean;
  readonly comment: string;
}

/** The records of our zone. Every call throws only StackErrors (DNS_API_*, ZONE_NOT_FOUND, SECRET_*) or the signal's reason. */
export interface DnsProvider {
  /** The zone a name belongs to: the most specific one that the token sees. */
  readonly zoneOf: (name: string, signal: AbortSignal) => Promise<Zone>;
  readonly records: (
    zone: Zone,
    filter: { readonly name?: string; readonly type?: 'TXT' | 'CNAME'; readonly commentPrefix?: string },
    signal: AbortSignal,
  ) => Promise<readonly ZoneRecord[]>;
  /** The new record's id; undefined where an identical record exists. @throws {StackError} RECORD_CONFLICT */
  readonly create: (zone: Zone, fields: RecordFields, signal: AbortSignal) => Promise<string | undefined>;
  /** Makes a record say this; one that is gone, or would double another, is left for the next look. */
  readonly update: (zone: Zone, id: string, fields: RecordFields, signal: AbortSignal) => Promise<void>;
  /** Removes a record; one that is gone already is fine. */
  readonly remove: (zoneId: string, id: string, signal: AbortSignal) => Promise<void>;
}

/** The address that our names should lead to, or why it is not known and what a person can do about it. */
export type FoundAddress =
  | { readonly address: string }
  | {
      readonly unknown: string;
      readonly hint: string;
      /** Where a server said when it may be asked again. */
      readonly retryAfterMs?: number | undefined;
    };

/** What the provider shows. */
export type DnsWorld =
  | {
      readonly seen: 'records';
      readonly zone: Zone;
      readonly address: FoundAddress;
      /** Every record of the zone. */
      readonly records: readonly ZoneRecord[];
    }
  /** `notStarted`: the provider may be to run on this host, nothing listens there, and nobody has waited for it yet. */
  | { readonly seen: 'unreachable'; readonly error: StackError; readonly notStarted: boolean }
  /** Somebody has to do something first: the token or the zone is wrong. */
  | { readonly seen: 'refused'; readonly error: StackError };

export interface DnsPorts {
  readonly provider: DnsProvider;
  readonly http: Http;
}

const traceTimeoutMs = 5000;

const resolved = async (http: Http, host: string): Promise<readonly string[]> =>
  new Promise((resolve, reject) => {
    http.lookup(host, { all: true }, (error, found) => {
      if (error !== null) reject(error);
      else resolve(typeof found === 'string' ? [found] : found.map(({ address }) => address));
    });
  });

/** What a person can do where the address cannot be found out. */
const setIt = 'set reachability.address to the address itself';

/** What to say of an address that nobody outside can dial. */
const undialable = {
  carrier: 'an address that providers share among customers (carrier-grade NAT, RFC 6598)',
  private: 'a private address',
  local: 'an address of this machine itself',
} as const;

/** An address is only good for a record if it can be dialled from outside. */
const judged = (address: string, host: string): FoundAddress => {
  const kind = kindOfAddress(address);
  if (kind === 'public') return { address };
  return {
    unknown: `${host} sees this host at ${address}, ${undialable[kind]}: nobody can dial it from outside, so no name is led there`,
    hint: 'ask the provider for a public IPv4 address, or choose reachability.mode: lan (docs/closed-ports.md); a fixed reachability.address is taken as it is',
  };
};

/** `ip=` of the page that every host behind Cloudflare serves: the address this call came from. */
const traced = async (api: string, dialled: string, signal: AbortSignal): Promise<FoundAddress> => {
  const url = new URL('/cdn-cgi/trace', api);
  const http = createHttp({ addressOf: () => dialled });
  try {
    const { status, headers, text } = await http.call('GET', url.href, { timeoutMs: traceTimeoutMs, signal });
    const address = /^ip=(\S+)$/m.exec(text)?.[1];
    if (status === 200 && address !== undefined && isIP(address) !== 0) return judged(address, url.hostname);
    return {
      ...unknownFrom(url.hostname, status === 200 ? 'the answer names no address' : `it answers ${status}`),
      retryAfterMs: retryAfterMs(headers['retry-after'], nowMs()),
    };
  } finally {
    http.close();
  }
};

const unknownFrom = (host: string, seen: string) => ({
  unknown: `the public address of this host is not known: asking ${host} failed (${seen})`,
  hint: setIt,
});

/**
 * IPv4 wherever there is one: behind a home router only IPv4 ports are forwarded, IPv6 needs a rule of its own. A failure
 * over IPv4 never leads to IPv6, or a short outage would move the names from one to the other.
 */
const internetAddress = async (api: string, http: Http, signal: AbortSignal): Promise<FoundAddress> => {
  const hostname = new URL(api).hostname.replaceAll(/[[\]]/g, '');
  try {
    const dialled = isIP(hostname) === 0 ? await resolved(http, hostname) : [hostname];
    const one = dialled.find((address) => isIP(address) === 4) ?? dialled[0];
    if (one !== undefined) return await traced(api, one, signal);
    return unknownFrom(hostname, 'it has no address');
  } catch (error) {
    signal.throwIfAborted();
    const seen = isAbort(error)
      ? 'not in time'
      : (errnoOf(error) ?? (error instanceof Error ? error.message : String(error)));
    return unknownFrom(hostname, seen);
  }
};

/** The source address of the route to the internet; connecting a UDP socket sends nothing. */
const lanAddress = async (): Promise<FoundAddress> => {
  const socket = createSocket('udp4');
  try {
    // An address that nobody has (RFC 5737); only the routing table is asked.
    socket.connect(53, '192.0.2.1');
    await once(socket, 'connect');
    return { address: socket.address().address };
  } catch (error) {
    return {
      unknown: `this host has no route out of itself (${errnoOf(error) ?? String(error)})`,
      hint: setIt,
    };
  } finally {
    socket.close();
  }
};

/** The address that our names should lead to. */
export const findAddress = async (
  wanted: WantedAddress,
  api: string,
  http: Http,
  signal: AbortSignal,
): Promise<FoundAddress> => {
  switch (wanted.from) {
    case 'settings':
      return { address: wanted.address };
    case 'lan':
      return lanAddress();
    case 'internet':
      return internetAddress(api, http, signal);
  }
};

/** What a port answers behind which nothing runs, or that Docker has published for something not ready yet. */
const nobodyThere = new Set(['ECONNREFUSED', 'ECONNRESET']);
const passing = new Set(['DNS_API_UNREACHABLE', 'DNS_API_LIMITED', 'DNS_API_FAILED']);

const seenZone = async ({ domain }: DnsDesired, provider: DnsProvider, signal: AbortSignal) => {
  const zone = await provider.zoneOf(domain, signal);
  return { zone, records: await provider.records(zone, {}, signal) };
};

/**
 * Looks at the zone. Reads only; throws only when aborted. `waited`: this run has waited for a provider on this host.
 */
export const observeDns = async (
  desired: DnsDesired,
  { provider, http }: DnsPorts,
  waited: boolean,
  signal: AbortSignal,
): Promise<DnsWorld> => {
  try {
    const [address, zoneSeen] = await Promise.all([
      findAddress(desired.address, desired.api, http, signal),
      seenZone(desired, provider, signal),
    ]);
    return { seen: 'records', address, ...zoneSeen };
  } catch (error) {
    signal.throwIfAborted();
    if (!isStackError(error)) throw error;
    if (!passing.has(error.code)) return { seen: 'refused', error };
    const notStarted =
      !waited && isOfThisMachine(desired.api) && nobodyThere.has(String(error.data['errno']));
    return { seen: 'unreachable', error, notStarted };
  }
};
