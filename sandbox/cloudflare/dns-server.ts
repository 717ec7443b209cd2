import { createSocket, type Socket as UdpSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import {
  AUTHORITATIVE_ANSWER,
  decode,
  encode,
  TRUNCATED_RESPONSE,
  type Answer,
  type Packet,
  type Question,
} from 'dns-packet';
import { monotonicMs } from '../../src/shared/clock.ts';
import { answer, type ServedZone } from './dns-answers.ts';
import type { Faults } from './faults.ts';

export interface DnsServer {
  readonly host: string;
  readonly port: number;
  readonly close: () => Promise<void>;
}

interface Options {
  readonly host: string;
  /** 0: any free port, the same for UDP and TCP. */
  readonly port: number;
  /** Its index among the servers of the same zones. */
  readonly index: number;
  /** The zones as they are (undefined), or as they were at an instant (ms of the monotonic clock). */
  readonly zones: (atMs: number | undefined) => readonly ServedZone[];
  readonly faults: Faults;
}

const rcodes = { NOERROR: 0, FORMERR: 1, SERVFAIL: 2, NXDOMAIN: 3, NOTIMP: 4, REFUSED: 5 } as const;
type Rcode = keyof typeof rcodes;

/** Without EDNS (RFC 6891) a UDP answer has at most 512 bytes; with it no more than what avoids fragments. */
const plainUdpBytes = 512;
const ednsUdpBytes = 1232;
const opcodeMask = 0x7800;
const recursionDesired = 0x0100;
const idleMs = 10_000;

interface Draft {
  readonly rcode: Rcode;
  readonly authoritative?: boolean;
  readonly truncated?: boolean;
  readonly answers?: readonly Answer[];
  readonly authorities?: readonly Answer[];
}

const packet = (query: Packet, draft: Draft): Buffer => {
  const edns = query.additionals?.some((one) => one.type === 'OPT') ?? false;
  const flags =
    rcodes[draft.rcode] |
    ((query.flags ?? 0) & (recursionDesired | opcodeMask)) |
    (draft.authoritative === true ? AUTHORITATIVE_ANSWER : 0) |
    (draft.truncated === true ? TRUNCATED_RESPONSE : 0);
  const opt: Answer = {
    type: 'OPT',
    name: '.',
    udpPayloadSize: ednsUdpBytes,
    extendedRcode: 0,
    ednsVersion: 0,
    flags: 0,
    flag_do: false,
    options: [],
  };
  return encode({
    type: 'response',
    id: query.id ?? 0,
    flags,
    questions: [...(query.questions ?? [])],
    answers: [...(draft.answers ?? [])],
    authorities: [...(draft.authorities ?? [])],
    additionals: edns ? [opt] : [],
  });
};

const udpLimit = (query: Packet): number => {
  const opt = query.additionals?.find((one) => one.type === 'OPT');
  if (opt === undefined) return plainUdpBytes;
  return Math.min(ednsUdpBytes, Math.max(plainUdpBytes, opt.udpPayloadSize));
};

const parsed = (bytes: Buffer): Packet | undefined => {
  try {
    return decode(bytes);
  } catch {
    return undefined;
  }
};

const draftFor = (options: Options, question: Question, transport: 'udp' | 'tcp'): Draft | undefined => {
  const query = { server: options.index, name: question.name.toLowerCase(), type: question.type, transport };
  const fault = options.faults.meetDns(query);
  switch (fault?.kind) {
    case 'drop':
      return undefined;
    case 'servfail':
      return { rcode: 'SERVFAIL' };
    case 'refused':
      return { rcode: 'REFUSED' };
    case 'truncate':
      return { rcode: 'NOERROR', authoritative: true, truncated: true };
    case 'lag':
      return answer(options.zones(monotonicMs() - fault.behindMs), question);
    case 'stale':
      return answer(options.zones(fault.setAtMs), question);
    case undefined:
      break;
  }
  return answer(options.zones(undefined), question);
};

/** The answer to the bytes of a query; undefined where silence is the answer. */
const respond = (options: Options, bytes: Buffer, transport: 'udp' | 'tcp'): Buffer | undefined => {
  const query = parsed(bytes);
  if (query === undefined) {
    if (bytes.length < 12) return undefined;
    return packet({ id: bytes.readUInt16BE(0) }, { rcode: 'FORMERR' });
  }
  if (query.type !== 'query') return undefined;
  if (((query.flags ?? 0) & opcodeMask) !== 0) return packet(query, { rcode: 'NOTIMP' });
  const [question, ...others] = query.questions ?? [];
  if (question === undefined || others.length > 0) return packet(query, { rcode: 'FORMERR' });
  const draft = draftFor(options, question, transport);
  if (draft === undefined) return undefined;
  const whole = packet(query, draft);
  if (transport === 'tcp' || whole.length <= udpLimit(query)) return whole;
  return packet(query, { rcode: draft.rcode, authoritative: true, truncated: true });
};

const serveStream = (options: Options, socket: Socket): void => {
  let pending = Buffer.alloc(0);
  socket.setTimeout(idleMs, () => socket.destroy());
  socket.on('error', () => socket.destroy());
  socket.on('data', (chunk: Buffer) => {
    pending = Buffer.concat([pending, chunk]);
    while (pending.length >= 2 && pending.length >= 2 + pending.readUInt16BE(0)) {
      const end = 2 + pending.readUInt16BE(0);
      const reply = respond(options, pending.subarray(2, end), 'tcp');
      pending = pending.subarray(end);
      if (reply === undefined) continue;
      const length = Buffer.alloc(2);
      length.writeUInt16BE(reply.length);
      socket.write(Buffer.concat([length, reply]));
    }
  });
};

const bindUdp = async (options: Options): Promise<UdpSocket> => {
  const socket = createSocket(options.host.includes(':') ? 'udp6' : 'udp4');
  socket.bind(options.port, options.host);
  await once(socket, 'listening');
  socket.on('message', (bytes, peer) => {
    const reply = respond(options, bytes, 'udp');
    if (reply !== undefined) socket.send(reply, peer.port, peer.address);
  });
  // A client that has gone away answers with an ICMP error: nothing that concerns the server.
  socket.on('error', () => undefined);
  return socket;
};

const bindTcp = async (options: Options, port: number, sockets: Set<Socket>): Promise<Server> => {
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
    serveStream(options, socket);
  });
  server.listen(port, options.host);
  await once(server, 'listening');
  return server;
};

/** An authoritative name server on UDP and TCP at one port. @throws Node's EADDRINUSE */
export const startDnsServer = async (options: Options): Promise<DnsServer> => {
  const sockets = new Set<Socket>();
  const attempts = options.port === 0 ? 20 : 1;
  for (let attempt = 1; ; attempt += 1) {
    const udp = await bindUdp(options);
    const { port } = udp.address();
    try {
      const tcp = await bindTcp(options, port, sockets);
      return {
        host: options.host,
        port,
        async close() {
          for (const socket of sockets) socket.destroy();
          tcp.close();
          udp.close();
          await Promise.all([once(tcp, 'close'), once(udp, 'close')]);
        },
      };
    } catch (error) {
      udp.close();
      // The port that UDP was given may be taken on TCP: another is asked for.
      if (attempt === attempts) throw error;
    }
  }
};
