import { randomBytes } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { isIPv6 } from 'node:net';
import { sleep, within } from '../shared/clock.ts';

/*
 * As much of STUN (RFC 8489) and TURN (RFC 8656) as it takes to see that coturn answers and is no open relay: one
 * binding request, and one allocation without credentials.
 */

const cookie = 0x2112_a442;
const headerBytes = 20;
const types = {
  bindingRequest: 0x0001,
  bindingSuccess: 0x0101,
  allocateRequest: 0x0003,
  allocateSuccess: 0x0103,
  allocateError: 0x0113,
} as const;
const attributes = { errorCode: 0x0009, requestedTransport: 0x0019, xorMappedAddress: 0x0020 } as const;
const udpProtocol = 17;

/** What a server said, as far as it matters here. */
export interface StunReply {
  readonly kind: 'binding' | 'allocated' | 'refused' | 'other';
  /** XOR-MAPPED-ADDRESS: from where the request came, as `address:port`; IPv4 only. */
  readonly mapped: string | undefined;
  /** ERROR-CODE, such as 401. */
  readonly error: number | undefined;
}

export interface StunView {
  /** Asks coturn where the stack's own clients do; rejects with a TimeoutError where nothing answers. */
  readonly ask: (request: 'binding' | 'allocation', signal: AbortSignal) => Promise<StunReply>;
}

/** A request with its transaction id; an allocation asks for UDP and shows no credentials. */
export const encodeRequest = (request: 'binding' | 'allocation', id: Buffer): Buffer => {
  const transport = Buffer.from([0, attributes.requestedTransport, 0, 4, udpProtocol, 0, 0, 0]);
  const body = request === 'binding' ? Buffer.alloc(0) : transport;
  const header = Buffer.alloc(headerBytes);
  header.writeUInt16BE(request === 'binding' ? types.bindingRequest : types.allocateRequest, 0);
  header.writeUInt16BE(body.length, 2);
  header.writeUInt32BE(cookie, 4);
  id.copy(header, 8);
  return Buffer.concat([header, body]);
};

const mappedOf = (value: Buffer): string | undefined => {
  const isIPv4 = value.length >= 8 && value[1] === 1;
  if (!isIPv4) return undefined;
  const port = value.readUInt16BE(2) ^ (cookie >>> 16);
  const address = (value.readUInt32BE(4) ^ cookie) >>> 0;
  return `${[24, 16, 8, 0].map((shift) => (address >>> shift) & 255).join('.')}:${port}`;
};

const kindOf = (type: number): StunReply['kind'] => {
  if (type === types.bindingSuccess) return 'binding';
  if (type === types.allocateSuccess) return 'allocated';
  return type === types.allocateError ? 'refused' : 'other';
};

/** Reads an answer to the request with this id; undefined for anything else. */
export const decodeReply = (bytes: Buffer, id: Buffer): StunReply | undefined => {
  if (bytes.length < headerBytes || bytes.readUInt32BE(4) !== cookie) return undefined;
  if (!bytes.subarray(8, headerBytes).equals(id)) return undefined;
  let mapped: string | undefined;
  let error: number | undefined;
  for (let at = headerBytes; at + 4 <= bytes.length;) {
    const length = bytes.readUInt16BE(at + 2);
    const value = bytes.subarray(at + 4, at + 4 + length);
    const type = bytes.readUInt16BE(at);
    if (type === attributes.xorMappedAddress) mapped = mappedOf(value);
    if (type === attributes.errorCode && value.length >= 4)
      error = ((value[2] ?? 0) & 7) * 100 + (value[3] ?? 0);
    at += 4 + length + ((4 - (length % 4)) % 4);
  }
  return { kind: kindOf(bytes.readUInt16BE(0)), mapped, error };
};

const idBytes = 12;
const answerTimeoutMs = 3000;
const repeatMs = 500;

/** A STUN client for the server at an address and UDP port. A request that is lost is sent again. */
export const createStun = (address: string, port: number, timeoutMs = answerTimeoutMs): StunView => ({
  ask: async (request, signal) =>
    within(signal, timeoutMs, async (limit) => {
      const socket = createSocket(isIPv6(address) ? 'udp6' : 'udp4');
      const done = new AbortController();
      try {
        const id = randomBytes(idBytes);
        socket.connect(port, address);
        await once(socket, 'connect', { signal: limit });
        const repeat = async () => {
          for (;;) {
            socket.send(encodeRequest(request, id));
            await sleep(repeatMs, done.signal);
          }
        };
        repeat().catch(() => undefined);
        for (;;) {
          const [bytes] = (await once(socket, 'message', { signal: limit })) as [Buffer];
          const reply = decodeReply(bytes, id);
          if (reply !== undefined) return reply;
        }
      } catch (error) {
        limit.throwIfAborted();
        throw error;
      } finally {
        done.abort();
        socket.close();
      }
    }),
});
