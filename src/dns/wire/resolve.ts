import { getServers } from 'node:dns';
import type { LookupFunction } from 'node:net';
import { addressesOf, askWithin, endpointOf, type AskDns, type DnsReply, type Endpoint } from './ask.ts';

/** Whom DNS is asked through, and how; all of it can be replaced, so that a test never leaves its machine. */
export interface DnsView {
  readonly ask: AskDns;
  /** Resolvers, asked one after the other until one answers. */
  readonly resolvers: readonly Endpoint[];
  /** Port of the servers that a delegation names: 53, but in tests. */
  readonly port: number;
}

/** How the zone is asked: the servers that speak with authority, and the view they were found through. */
export interface ZoneView {
  readonly view: DnsView;
  readonly authoritative: readonly Endpoint[];
}

const queryTimeoutMs = 2000;

/** The resolvers of this system, as Node reads them. */
const systemResolvers = (): readonly Endpoint[] =>
  getServers().map((text) => {
    const { host, port } = endpointOf(text);
    return { address: host, port };
  });

/** DNS as this system has it asked. */
export const systemView = (): DnsView => ({
  ask: askWithin(() => queryTimeoutMs),
  resolvers: systemResolvers(),
  port: 53,
});

/** Those that the settings name, else the system's. Names that cannot be looked up are left out. */
export const createDnsView = async (
  resolvers: readonly string[],
  lookup: LookupFunction,
): Promise<DnsView> => {
  const system = systemView();
  return resolvers.length === 0 ? system : { ...system, resolvers: await endpointsOf(resolvers, lookup) };
};

/** Every address of servers written as `host` or `host:port`. */
export const endpointsOf = async (
  texts: readonly string[],
  lookup: LookupFunction,
): Promise<readonly Endpoint[]> => {
  const found = await Promise.all(
    texts.map(async (text) => {
      const { host, port } = endpointOf(text);
      const addresses = await addressesOf(lookup, host).catch(() => []);
      return addresses.map((address) => ({ address, port }));
    }),
  );
  return found.flat();
};

type Wanted = Parameters<AskDns>[1];

/** Asks each server in turn until one answers at all; undefined where none does. @throws the signal's reason */
export const askAny = async (
  ask: AskDns,
  servers: readonly Endpoint[],
  question: Wanted,
  signal: AbortSignal,
): Promise<DnsReply | undefined> => {
  let refused: DnsReply | undefined;
  for (const server of servers) {
    try {
      const reply = await ask(server, question, signal);
      if (reply.rcode !== 'REFUSED') return reply;
      refused = reply;
    } catch {
      signal.throwIfAborted();
    }
  }
  return refused;
};

/** Lets the resolvers find the answer; undefined where none answers. @throws the signal's reason */
export const resolveBy = async (
  view: DnsView,
  question: Wanted,
  signal: AbortSignal,
): Promise<DnsReply | undefined> => askAny(view.ask, view.resolvers, { ...question, recurse: true }, signal);

/** The records of one type whose data is text (A, AAAA, NS, CNAME), in lower case and sorted. */
export const textsOf = (
  records: DnsReply['answers'],
  type: 'A' | 'AAAA' | 'NS' | 'CNAME',
): readonly string[] =>
  records
    .flatMap((one) => (one.type === type && typeof one.data === 'string' ? [one.data.toLowerCase()] : []))
    .toSorted();
