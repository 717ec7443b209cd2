import { once } from 'node:events';
import { createServer as createHttp1, type IncomingHttpHeaders } from 'node:http';
import { createServer as createHttp2 } from 'node:http2';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { WebSocketServer } from 'ws';

/** What an upstream says it was asked. */
export interface Asked {
  readonly server: string;
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
}

/** What a test may change while it runs. */
export interface Behaviour {
  /** The message that GetServerKey answers. */
  serverKey: Buffer;
  grpcStatus: string;
  /** False: an upgrade is answered with 101, and is no WebSocket. */
  speaksWebSocket: boolean;
}

export interface Upstream {
  readonly port: number;
  readonly behaviour: Behaviour;
  /** Every gRPC call's path and headers. */
  readonly grpcCalls: { readonly path: string; readonly headers: Readonly<Record<string, unknown>> }[];
  readonly close: () => Promise<void>;
}

export const frame = (message: Buffer): Buffer => {
  const head = Buffer.alloc(5);
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
};

/** Field 1: 44 characters of base64, as management's GetServerKey answers. */
const serverKey = Buffer.concat([
  Buffer.from([0x0a, 44]),
  Buffer.from(Buffer.alloc(32, 7).toString('base64')),
]);

/** The one key that `/api/users/me` takes. */
export const apiKey = 'the-only-key-there-is';

/**
 * A server in place of the stack's own, speaking HTTP/1.1, WebSocket and gRPC over h2c on one port as NetBird's do.
 * It tells what it was asked; `/big?bytes=n` answers with a header of n bytes; a path that ends in `/missing` is 404;
 * `/api/users/me` is 401 without the key; gRPC streams are echoed; an upgrade to anything else than WebSocket is accepted, and what comes next is swallowed.
 */
export const startUpstream = async (
  name: string,
  at: { readonly host?: string; readonly port?: number } = {},
): Promise<Upstream> => {
  const grpcCalls: Upstream['grpcCalls'] = [];
  const behaviour: Behaviour = { serverKey, grpcStatus: '0', speaksWebSocket: true };
  const sockets = new Set<Socket>();
  const webSockets = new WebSocketServer({ noServer: true });
  webSockets.on('connection', (socket) => {
    socket.on('message', (data) => {
      socket.send(data);
    });
  });

  const http1 = createHttp1({ maxHeaderSize: 2 * 1024 * 1024 }, (request, response) => {
    const { method = '', url = '', headers } = request;
    const bytes = Number(new URL(url, 'http://x').searchParams.get('bytes') ?? 0);
    const more = bytes > 0 ? { 'x-big': 'x'.repeat(bytes) } : {};
    const asked: Asked = { server: name, method, url, headers };
    request.resume();
    request.on('end', () => {
      const path = url.split('?')[0] ?? '';
      const status =
        path === '/api/users/me' && headers['x-api-key'] !== apiKey
          ? 401
          : path.endsWith('/missing')
            ? 404
            : 200;
      response.writeHead(status, { 'content-type': 'application/json', ...more });
      response.end(JSON.stringify(asked));
    });
  });
  http1.on('upgrade', (request, socket, head) => {
    if (request.headers.upgrade?.toLowerCase() !== 'websocket' || !behaviour.speaksWebSocket) {
      socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n');
      socket.on('end', () => socket.end());
      socket.resume();
      return;
    }
    webSockets.handleUpgrade(request, socket, head, (opened) => {
      webSockets.emit('connection', opened, request);
    });
  });

  const http2 = createHttp2();
  http2.on('stream', (stream, headers) => {
    const path = String(headers[':path']);
    grpcCalls.push({ path, headers });
    stream.on('error', () => undefined);
    stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
    stream.on('wantTrailers', () => {
      stream.sendTrailers({ 'grpc-status': behaviour.grpcStatus });
    });
    if (path.endsWith('/GetServerKey')) stream.end(frame(behaviour.serverKey));
    else if (path.endsWith('/Send')) stream.end(frame(Buffer.alloc(0)));
    else stream.pipe(stream);
  });

  // Node's HTTP/2 reads past what JavaScript has looked at, so each protocol has a port of its own behind this one.
  const behind = await Promise.all(
    [http1, http2].map(async (one) => {
      one.listen(0, '127.0.0.1');
      await once(one, 'listening');
      return (one.address() as AddressInfo).port;
    }),
  );
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.on('close', () => sockets.delete(socket));
    socket.once('data', (first) => {
      const port = behind[first.subarray(0, 3).toString() === 'PRI' ? 1 : 0] ?? 0;
      const inner = connect(port, '127.0.0.1');
      inner.on('error', () => undefined);
      inner.on('close', () => socket.destroy());
      socket.on('close', () => inner.destroy());
      inner.write(first);
      socket.pipe(inner).pipe(socket);
    });
  });
  server.listen(at.port ?? 0, at.host ?? '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    behaviour,
    grpcCalls,
    async close() {
      const ended = Promise.all([server, http1, http2].map(async (one) => once(one, 'close')));
      for (const one of [server, http1, http2]) one.close();
      for (const socket of sockets) socket.destroy();
      await ended;
    },
  };
};
