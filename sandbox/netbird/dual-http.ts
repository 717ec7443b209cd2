import { createServer as createHttp1, type RequestListener, type ServerResponse } from 'node:http';
import {
  createServer as createHttp2,
  type Http2ServerRequest,
  type Http2ServerResponse,
  type ServerHttp2Session,
} from 'node:http2';
import { createServer as createTcp, type Server, type Socket } from 'node:net';
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { listen, stopListening } from './running.ts';

/** What answers on a port that speaks HTTP/1.1 and HTTP/2 without TLS ("prior knowledge", RFC 9113 §3.3). */
export interface DualHandlers {
  readonly http1: RequestListener;
  readonly http2: (request: Http2ServerRequest, response: Http2ServerResponse) => void;
  readonly upgrade: (request: IncomingMessage, socket: Duplex, head: Buffer) => void;
}

export type AnyRequest = IncomingMessage | Http2ServerRequest;
export type AnyResponse = ServerResponse | Http2ServerResponse;

export interface DualServer {
  readonly port: number;
  close(): Promise<void>;
}

const preface = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
const undecidedTimeoutMs = 10_000;

/**
 * One TCP port for both protocols: the first bytes of a connection decide, then the whole connection goes to a
 * server of `node:http` or `node:http2`. The real management and signal servers share their port the same way.
 */
export async function openDualPort(
  handlers: DualHandlers,
  port: number,
  host: string | undefined,
): Promise<DualServer> {
  const http1 = createHttp1(handlers.http1);
  http1.on('upgrade', handlers.upgrade);
  const http2 = createHttp2(handlers.http2);
  const sessions = new Set<ServerHttp2Session>();
  http2.on('session', (session) => {
    sessions.add(session);
    session.once('close', () => sessions.delete(session));
    // A client that breaks off is an everyday event; the session ends itself.
    session.on('error', () => {});
  });

  const sockets = new Set<Socket>();
  const tcp = createTcp((socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
    socket.on('error', () => socket.destroy());
    handOver(socket, http1, http2);
  });
  const opened = await listen(tcp, port, host);
  return {
    port: opened,
    close: async () => {
      const stopped = stopListening(tcp);
      for (const session of sessions) session.destroy();
      for (const socket of sockets) socket.destroy();
      await stopped;
    },
  };
}

function handOver(socket: Socket, http1: Server, http2: Server): void {
  let seen = Buffer.alloc(0);
  socket.setTimeout(undecidedTimeoutMs, () => socket.destroy());
  const decide = (): void => {
    const chunk = socket.read() as Buffer | null;
    if (chunk === null) return;
    seen = Buffer.concat([seen, chunk]);
    const length = Math.min(seen.length, preface.length);
    const mayBeHttp2 = seen.subarray(0, length).equals(preface.subarray(0, length));
    if (mayBeHttp2 && length < preface.length) return;
    socket.off('readable', decide);
    socket.setTimeout(0);
    socket.removeAllListeners('timeout');
    socket.unshift(seen);
    (mayBeHttp2 ? http2 : http1).emit('connection', socket);
  };
  socket.on('readable', decide);
}
