import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';

/** How the server answers from now on. */
export interface StunAnswers {
  answer: 'well' | 'nothing';
  /** It gives allocations to everyone. */
  isOpen: boolean;
}

/** A STUN and TURN server on loopback: binding requests, and allocations without credentials. */
export const startStun = async (said: StunAnswers): Promise<Socket> => {
  const socket = createSocket('udp4').bind(0, '127.0.0.1');
  await once(socket, 'listening');
  socket.on('message', (request, from) => {
    if (said.answer === 'nothing') return;
    const isBinding = request.readUInt16BE(0) === 1;
    const mapped = Buffer.from([0, 0x20, 0, 8, 0, 1, 0, 0, 0, 0, 0, 0]);
    mapped.writeUInt16BE(from.port ^ 0x2112, 6);
    mapped.writeUInt32BE((0x7f00_0001 ^ 0x2112_a442) >>> 0, 8);
    const refusal = Buffer.from([0, 9, 0, 4, 0, 0, 4, 1]);
    const body = isBinding ? mapped : said.isOpen ? Buffer.alloc(0) : refusal;
    const header = Buffer.from(request.subarray(0, 20));
    header.writeUInt16BE(isBinding ? 0x0101 : said.isOpen ? 0x0103 : 0x0113, 0);
    header.writeUInt16BE(body.length, 2);
    socket.send(Buffer.concat([header, body]), from.port, from.address);
  });
  return socket;
};
