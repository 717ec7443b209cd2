import { Resolver } from 'node:dns/promises';
import { isIPv6, type LookupFunction } from 'node:net';
import { monotonicMs, sleep } from '../shared/clock.ts';
import { errnoOf, isAbort, StackError } from '../shared/errors.ts';
import { addressesOf, askWithin, endpointOf, type DnsReply, type Endpoint } from './wire/ask.ts';

/** An authoritative server: its name, and the addresses it is asked at. */
interface NameServer {
  readonly name: string;
  readonly addresses: readonly string[];
  readonly port: number;
}

interface Wanted {
  readonly zone: string;
  /** The servers that the provider wants the zone to be delegated to, where it says so. */
  readonly nameServers?: readonly string[] | undefined;
  readonly name: string;
  readonly value: string;
  /** After that no server is asked again; a query that is under way has its own time to be answered. */
  readonly timeoutMs: number;
}

export interface Propagation {
  /**
   * Returns when every address of every authoritative server has shown the TXT value with authority. An address that says
   * nothing at all is not waited for where its server shows the value at another one: from here nobody can tell a server
   * that is down at one address from a network that has no way there, as most have none for IPv6.
   * @throws {StackError} DNS_NOT_PROPAGATED, with the servers that lag and what they answered
   */
  readonly untilShown: (wanted: Wanted, signal: AbortSignal) => Promise<void>;
}

interface Options {
  /** Who is asked for the delegation, as `host` or `host:port`; empty: the resolvers of this system. */
  readonly resolvers: readonly string[];
  /** Servers to ask instead of those that the delegation names. */
  readonly authoritative: readonly string[];
  readonly lookup: LookupFunction;
  /** For one query. Default 2 s. */
  readonly queryTimeoutMs?: number;
  /** Port of the servers that the delegation names. Default 53. */
  readonly port?: number;
}

const dnsPort = 53;
/** What is wrong for longer than that is no lost query, and a person wants to hear of it. */
const lookupPatienceMs = 15_000;
const firstPauseMs = 250;
const longestPauseMs = 2000;

/** Undefined where the value is shown with authority, else what was seen instead. */
const lacking = (packet: DnsReply, value: string): string | undefined => {
  if (packet.rcode !== 'NOERROR') return packet.rcode;
  const texts = packet.answers.flatMap((one) =>
    one.type === 'TXT' ? [Buffer.concat([one.data].flat().map((part) => Buffer.from(part))).toString()] : [],
  );
  if (!packet.authoritative) return 'an answer without authority: something in between answers in its place';
  if (texts.includes(value)) return undefined;
  const alias = packet.answers.find((one) => one.type === 'CNAME');
  if (alias !== undefined) return 'an alias to another name';
  return texts.length === 0 ? 'no TXT record' : `${texts.length} other value${texts.length === 1 ? '' : 's'}`;
};

/** What one address said; `heard`: it answered at all. */
type Seen = { readonly heard: boolean; readonly text: string } | undefined;

const failure = (error: unknown): string =>
  isAbort(error) ? 'no answer' : (errnoOf(error) ?? (error instanceof Error ? error.message : String(error)));

/** A resolver's word that there is no such record or name. */
const isNone = (error: unknown): boolean => ['ENODATA', 'ENOTFOUND'].includes(errnoOf(error) ?? '');

const longer = (pauseMs: number): number => Math.min(pauseMs * 1.5, longestPauseMs);

/** Asks authoritative servers directly; a recursive one would remember "not there" for half an hour (RFC 2308). */
export const createPropagation = (options: Options): Propagation => {
  const { lookup, queryTimeoutMs = 2000 } = options;

  const delegated = async (zone: string, signal: AbortSignal): Promise<readonly NameServer[]> => {
    const resolver = new Resolver({ timeout: queryTimeoutMs, tries: 2 });
    const cancel = () => {
      resolver.cancel();
    };
    signal.addEventListener('abort', cancel, { once: true });
    try {
      const servers = await Promise.all(
        options.resolvers.map(async (text) => {
          const { host, port } = endpointOf(text);
          return (await addressesOf(lookup, host)).map((one) =>
            isIPv6(one) ? `[${one}]:${port}` : `${one}:${port}`,
          );
        }),
      );
      if (servers.length > 0) resolver.setServers(servers.flat());
      const names = await resolver.resolveNs(zone);
      return await Promise.all(
        names.toSorted().map(async (name) => {
          const [v4, v6] = await Promise.allSettled([resolver.resolve4(name), resolver.resolve6(name)]);
          const addresses = [v4, v6].flatMap((one) => (one.status === 'fulfilled' ? one.value : []));
          // Only IPv6 is left where there is no IPv4 address, not where the answer with it was lost.
          if (v4.status === 'rejected' && !(addresses.length > 0 && isNone(v4.reason))) throw v4.reason;
          return { name, addresses, port: options.port ?? dnsPort };
        }),
      );
    } catch (error) {
      signal.throwIfAborted();
      throw new StackError(
        'DNS_NOT_PROPAGATED',
        `cannot find the name servers of ${zone} (${failure(error)})`,
        {
          hint:
            errnoOf(error) === 'ESERVFAIL'
              ? `the resolver finds ${zone} broken: where DNSSEC is on, the DS record at the registrar does not fit the zone; npm run doctor shows both`
              : 'check that this machine resolves names, or set dns.resolvers or dns.authoritative',
          data: { zone },
          cause: error,
        },
      );
    } finally {
      signal.removeEventListener('abort', cancel);
    }
  };

  const configured = async (): Promise<readonly NameServer[]> =>
    Promise.all(
      options.authoritative.map(async (text) => {
        const { host, port } = endpointOf(text);
        const addresses = await addressesOf(lookup, host).catch((error: unknown) => {
          throw new StackError(
            'DNS_NOT_PROPAGATED',
            `cannot find the name server ${text} (${failure(error)})`,
            {
              hint: 'check dns.authoritative in the settings',
              cause: error,
            },
          );
        });
        return { name: text, addresses, port };
      }),
    );

  /** Who is to show the value. A resolver at home loses a query now and then, and is asked again for some seconds. */
  const nameServersOf = async (
    zone: string,
    timeoutMs: number,
    signal: AbortSignal,
  ): Promise<readonly NameServer[]> => {
    const untilMs = monotonicMs() + Math.min(timeoutMs, lookupPatienceMs);
    for (let pauseMs = firstPauseMs; ; pauseMs = longer(pauseMs)) {
      try {
        return await (options.authoritative.length > 0 ? configured() : delegated(zone, signal));
      } catch (error) {
        signal.throwIfAborted();
        if (monotonicMs() + pauseMs > untilMs) throw error;
        await sleep(pauseMs, signal);
      }
    }
  };

  const ask = async (endpoint: Endpoint, { name, value }: Wanted, signal: AbortSignal): Promise<Seen> => {
    try {
      const reply = await askWithin(() => queryTimeoutMs)(endpoint, { name, type: 'TXT' }, signal);
      const text = lacking(reply, value);
      return text === undefined ? undefined : { heard: true, text };
    } catch (error) {
      signal.throwIfAborted();
      return { heard: false, text: failure(error) };
    }
  };

  /** Asks every address of one server until all show it; returns those that do not, with what they said last. */
  const watch = async (
    { name, addresses, port }: NameServer,
    wanted: Wanted,
    untilMs: number,
    signal: AbortSignal,
  ): Promise<readonly { readonly heard: boolean; readonly text: string }[]> => {
    let isShown = false;
    const watchOne = async (address: string): Promise<Seen> => {
      let heard = false;
      for (let pauseMs = firstPauseMs; ; pauseMs = longer(pauseMs)) {
        const seen = await ask({ address, port }, wanted, signal);
        if (seen === undefined) {
          isShown = true;
          return undefined;
        }
        heard ||= seen.heard;
        if (!heard && isShown) return undefined;
        if (monotonicMs() + pauseMs > untilMs) {
          const label = name.includes(address) ? name : `${name} (${address})`;
          return { heard, text: `${label} answered: ${seen.text}` };
        }
        await sleep(pauseMs, signal);
      }
    };
    const last = await Promise.all(addresses.map(watchOne));
    return last.filter((one) => one !== undefined).filter((one) => one.heard || !isShown);
  };

  /** What is entered at the registrar beside what should be; undefined where these agree, or nobody says. */
  const delegation = (
    servers: readonly NameServer[],
    { zone, nameServers = [] }: Wanted,
  ): string | undefined => {
    const sorted = (names: readonly string[]) => [...new Set(names.map((one) => one.toLowerCase()))].sort();
    const seen = sorted(servers.map((one) => one.name)).join(', ');
    const wanted = sorted(nameServers).join(', ');
    if (options.authoritative.length > 0 || wanted === '' || seen === wanted) return undefined;
    return `${zone} is delegated to ${seen === '' ? 'no server' : seen}, and the provider wants ${wanted}`;
  };

  return {
    async untilShown(wanted, signal) {
      const untilMs = monotonicMs() + wanted.timeoutMs;
      const servers = await nameServersOf(wanted.zone, wanted.timeoutMs, signal);
      const all = await Promise.all(servers.map(async (one) => watch(one, wanted, untilMs, signal)));
      const lagging = all.flat();
      if (servers.length > 0 && lagging.length === 0) return;
      const seen =
        servers.length === 0
          ? `${wanted.zone} has no name server`
          : lagging.map(({ text }) => text).join('; ');
      const data = { name: wanted.name, lagging: lagging.map(({ text }) => text) };
      const isDeaf =
        lagging.length > 0 && all.every((one) => one.length > 0) && !lagging.some((one) => one.heard);
      const elsewhere = delegation(servers, wanted);
      if (isDeaf && elsewhere === undefined) {
        throw new StackError(
          'DNS_NOT_PROPAGATED',
          `no authoritative server of ${wanted.zone} answers this machine at all, neither over UDP nor over TCP: outgoing DNS (port 53) is blocked here, it seems (${seen})`,
          {
            hint: 'let this machine send UDP and TCP to port 53, at its own firewall and at the router; or name servers of the zone that it reaches in dns.authoritative',
            data,
          },
        );
      }
      throw new StackError(
        'DNS_NOT_PROPAGATED',
        `TXT ${wanted.name} is not on every name server after ${wanted.timeoutMs / 1000} s: ${[seen, elsewhere].filter((one) => one !== undefined).join('; ')}`,
        {
          hint:
            elsewhere === undefined
              ? 'check that the domain is delegated to the name servers that Cloudflare names, then run it again'
              : 'enter the name servers that the provider wants at the registrar of the domain; until that is known everywhere a day may pass: npm run doctor follows it',
          data,
        },
      );
    },
  };
};
