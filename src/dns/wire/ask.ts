import { randomInt } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { connect, isIP, isIPv6, type LookupFunction } from 'node:net';
import {
  CHECKING_DISABLED,
  decode,
  encode,
  RECURSION_DESIRED,
  type Answer,
  type DecodedPacket,
} from 'dns-packet';
import { within } from '../../shared/clock.ts';

/*
 * DNS, asked by hand (RFC 1035): Node's own resolver shows neither who speaks with authority, nor the parent's side of
 * a delegation, nor what validation took away.
 */

/** An address and port at which a name server listens. */
export interface Endpoint {
  readonly address: string;
  readonly port: number;
}

export interface DnsQuestion {
  readonly name: string;
  readonly type: 'A' | 'AAAA' | 'CAA' | 'DNSKEY' | 'DS' | 'NS' | 'TXT';
  /** True: a resolver is to find the answer. Left out: the server says what it knows itself. */
  readonly recurse?: boolean;
  /** True: the resolver leaves out validation (RFC 4035 §3.2.2). */
  readonly unchecked?: boolean;
}

/** Records as dns-packet decodes them, by section. */
export interface DnsReply {
  /** Such as NOERROR, NXDOMAIN, SERVFAIL. */
  readonly rcode: string;
  readonly authoritative: boolean;
  readonly answers: readonly Answer[];
  readonly authorities: readonly Answer[];
}

/** Asks one server one question. @throws Node's network errors, TimeoutError, or the signal's reason */
export type AskDns = (server: Endpoint, question: DnsQuestion, signal: AbortSignal) => Promise<DnsReply>;

const dnsPort = 53;
const udpBytes = 1232;

/** `host`, `host:port` or `[v6]:port`; a bare IPv6 address has no port. */
export const endpointOf = (text: string): { readonly host: string; readonly port: number } => {
  if (isIPv6(text)) return { host: text, port: dnsPort };
  const match = /^(?:\[([^\]]+)\]|([^:]+))(?::(\d+))?$/.exec(text);
  return { host: match?.[1] ?? match?.[2] ?? text, port: Number(match?.[3] ?? dnsPort) };
};

/** Every address of a host name; an address is its own. @throws what the look-up throws */
export const addressesOf = async (lookup: LookupFunction, host: string): Promise<readonly string[]> => {
  if (isIP(host) !== 0) return [host];
  return new Promise((resolve, reject) => {
    lookup(host, { all: true }, (error, found) => {
      if (error !== null) reject(error);
      else resolve(typeof found === 'string' ? [found] : found.map(({ address }) => address));
    });
  });
};

const encoded = (question: DnsQuestion): { readonly id: number; readonly bytes: Buffer } => {
  const id = randomInt(0x1_00_00);
  const opt = {
    type: 'OPT',
    name: '.',
    udpPayloadSize: udpBytes,
    extendedRcode: 0,
    ednsVersion: 0,
    flags: 0,
    flag_do: false,
    options: [],
  } as const;
  const flags =
    (question.recurse === true ? RECURSION_DESIRED : 0) |
    (question.unchecked === true ? CHECKING_DISABLED : 0);
  const questions = [{ type: question.type, name: question.name } as const];
  return {
    id,
    bytes: encode({ type: 'query', id, flags, questions, additionals: [{ ...opt, options: [] }] }),
  };
};

/** dns-packet has `rcode`; its types do not. */
type Packet = DecodedPacket & { readonly rcode: string };

const answerTo = (id: number, bytes: Buffer): Packet | undefined => {
  try {
    const packet = decode(bytes) as Packet;
    return packet.flag_qr && packet.id === id ? packet : undefined;
  } catch {
    return undefined;
  }
};

const overUdp = async (server: Endpoint, question: DnsQuestion, signal: AbortSignal): Promise<Packet> => {
  const socket = createSocket(isIPv6(server.address) ? 'udp6' : 'udp4');
  try {
    const { id, bytes } = encoded(question);
    // Connected, the socket takes answers from that server alone and hears when nothing listens there.
    socket.connect(server.port, server.address);
    await once(socket, 'connect', { signal });
    socket.send(bytes);
    for (;;) {
      const [received] = (await once(socket, 'message', { signal })) as [Buffer];
      const packet = answerTo(id, received);
      if (packet !== undefined) return packet;
    }
  } finally {
    socket.close();
  }
};

const overTcp = async (server: Endpoint, question: DnsQuestion, signal: AbortSignal): Promise<Packet> => {
  const { id, bytes } = encoded(question);
  const length = Buffer.alloc(2);
  length.writeUInt16BE(bytes.length);
  const socket = connect(server.port, server.address);
  const stop = () => {
    socket.destroy(signal.reason as Error);
  };
  signal.addEventListener('abort', stop, { once: true });
  try {
    socket.write(Buffer.concat([length, bytes]));
    let received = Buffer.alloc(0);
    for await (const chunk of socket) {
      received = Buffer.concat([received, chunk as Buffer]);
      if (received.length < 2 || received.length < 2 + received.readUInt16BE(0)) continue;
      const packet = answerTo(id, received.subarray(2));
      if (packet !== undefined) return packet;
      break;
    }
    throw new Error('a broken answer');
  } finally {
    signal.removeEventListener('abort', stop);
    socket.destroy();
  }
};

const replyOf = (packet: Packet): DnsReply => ({
  rcode: packet.rcode,
  authoritative: packet.flag_aa,
  answers: packet.answers ?? [],
  authorities: packet.authorities ?? [],
});

/** UDP, then TCP where the answer was cut short or UDP gave none; each gets `limitMs()` from its start on. */
export const askWithin =
  (limitMs: () => number): AskDns =>
  async (server, question, signal) => {
    try {
      const packet = await within(signal, limitMs(), async (limit) => overUdp(server, question, limit));
      if (!packet.flag_tc) return replyOf(packet);
    } catch {
      signal.throwIfAborted();
    }
    return replyOf(await within(signal, limitMs(), async (limit) => overTcp(server, question, limit)));
  };
