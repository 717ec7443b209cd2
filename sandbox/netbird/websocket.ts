import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { WebSocketServer } from 'ws';

/** WebSocket connections on one path, held open until the client or `close` ends them. */
export interface WebSocketPath {
  /** True when `url` is this path; a query does not matter. */
  matches(url: string | undefined): boolean;
  /** Answers 101 and keeps the connection. */
  accept(request: IncomingMessage, socket: Duplex, head: Buffer): void;
  /** Answers a request that did not ask for an upgrade: 426. */
  refuse(response: ServerResponse): void;
  close(): void;
}

/**
 * The stand-ins' WebSocket paths take the upgrade as the real ones do and then say nothing: what the real
 * programs carry inside (gRPC, relay frames) needs a mesh peer on the other side, and none ever connects here.
 */
export function createWebSocketPath(path: string): WebSocketPath {
  const server = new WebSocketServer({ noServer: true });
  server.on('connection', (socket) => socket.on('error', () => socket.terminate()));
  return {
    matches: (url) => url?.split('?')[0] === path,
    accept: (request, socket, head) => {
      server.handleUpgrade(request, socket, head, (client) => server.emit('connection', client, request));
    },
    refuse: (response) => {
      response.writeHead(426, {
        connection: 'Upgrade',
        upgrade: 'websocket',
        'content-type': 'text/plain; charset=utf-8',
      });
      response.end('WebSocket protocol violation: Connection header "" does not contain Upgrade\n');
    },
    close: () => {
      for (const client of server.clients) client.terminate();
      server.close();
    },
  };
}

/** Answers an upgrade on a path that has none: 404, then the connection ends. */
export function refuseUpgrade(socket: Duplex): void {
  socket.end(
    'HTTP/1.1 404 Not Found\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n',
  );
}
