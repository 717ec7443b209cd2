import { createHash, createHmac, randomBytes } from 'node:crypto';
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';

/*
 * As much of a TURN client (RFC 8656, with the credentials of draft-uberti-behave-turn-rest) as shows which address a
 * server gives to others.
 */

const cookie = 0x2112_a442;
const types = { refresh: 0x0004, allocate: 0x0003, allocated: 0x0103 } as const;
const attributes = {
  username: 0x0006,
  integrity: 0x0008,
  lifetime: 0x000d,
  realm: 0x0014,
  nonce: 0x0015,
  relayed: 0x0016,
  transport: 0x0019,
} as const;
/** Of MESSAGE-INTEGRITY with its header. */
const integrityBytes = 24;
const answerMs = 2000;
const repeatMs = 400;

const attribute = (type: number, value: Buffer): Buffer => {
  const head = Buffer.alloc(4);
  head.writeUInt16BE(type, 0);
  head.writeUInt16BE(value.length, 2);
  return Buffer.concat([head, value, Buffer.alloc((4 - (value.length % 4)) % 4)]);
};

const message = (type: number, id: Buffer, body: Buffer, more = 0): Buffer => {
  const head = Buffer.alloc(8);
  head.writeUInt16BE(type, 0);
  head.writeUInt16BE(body.length + more, 2);
  head.writeUInt32BE(cookie, 4);
  return Buffer.concat([head, id, body]);
};

interface Reply {
  readonly type: number;
  readonly values: ReadonlyMap<number, Buffer>;
}

const parsed = (bytes: Buffer, id: Buffer): Reply | undefined => {
  if (bytes.length < 20 || !bytes.subarray(8, 20).equals(id)) return undefined;
  const values = new Map<number, Buffer>();
  for (let at = 20; at + 4 <= bytes.length;) {
    const length = bytes.readUInt16BE(at + 2);
    values.set(bytes.readUInt16BE(at), bytes.subarray(at + 4, at + 4 + length));
    at += 4 + length + ((4 - (length % 4)) % 4);
  }
  return { type: bytes.readUInt16BE(0), values };
};

/** Sends again and again until the answer comes; undefined where none does. */
const asked = async (socket: Socket, request: Buffer): Promise<Reply | undefined> => {
  const id = request.subarray(8, 20);
  const signal = AbortSignal.timeout(answerMs);
  socket.send(request);
  const repeat = setInterval(() => {
    socket.send(request);
  }, repeatMs);
  try {
    for (;;) {
      const [bytes] = (await once(socket, 'message', { signal })) as [Buffer];
      const reply = parsed(bytes, id);
      if (reply !== undefined) return reply;
    }
  } catch {
    return undefined;
  } finally {
    clearInterval(repeat);
  }
};

const addressIn = (value: Buffer): string =>
  [0, 8, 16, 24].map((shift) => (((value.readUInt32BE(4) ^ cookie) >>> 0) >>> (24 - shift)) & 255).join('.');

/**
 * Lets the server relay for a moment and returns the address that it gives to others; undefined where it does not answer or
 * refuses, as while it starts anew.
 */
export const relayedAddress = async (
  port: number,
  secret: string,
  host = '127.0.0.1',
): Promise<string | undefined> => {
  const socket = createSocket('udp4');
  try {
    socket.on('error', () => undefined);
    socket.connect(port, host);
    await once(socket, 'connect');
    const transport = attribute(attributes.transport, Buffer.from([17, 0, 0, 0]));
    const refused = await asked(socket, message(types.allocate, randomBytes(12), transport));
    const realm = refused?.values.get(attributes.realm);
    const nonce = refused?.values.get(attributes.nonce);
    if (realm === undefined || nonce === undefined) return undefined;
    const user = `${Math.floor(Date.now() / 1000) + 3600}:test`;
    const password = createHmac('sha1', secret).update(user).digest('base64');
    const key = createHash('md5').update(`${user}:${realm.toString()}:${password}`).digest();
    const signed = (type: number, wanted: Buffer): Buffer => {
      const id = randomBytes(12);
      const body = Buffer.concat([
        wanted,
        attribute(attributes.username, Buffer.from(user)),
        attribute(attributes.realm, realm),
        attribute(attributes.nonce, nonce),
      ]);
      const mac = createHmac('sha1', key)
        .update(message(type, id, body, integrityBytes))
        .digest();
      return message(type, id, Buffer.concat([body, attribute(attributes.integrity, mac)]));
    };
    const allocated = await asked(socket, signed(types.allocate, transport));
    const relayed = allocated?.values.get(attributes.relayed);
    if (allocated?.type !== types.allocated || relayed === undefined) return undefined;
    // Given back at once: the ports for it are few.
    await asked(socket, signed(types.refresh, attribute(attributes.lifetime, Buffer.alloc(4))));
    return addressIn(relayed);
  } finally {
    socket.close();
  }
};
