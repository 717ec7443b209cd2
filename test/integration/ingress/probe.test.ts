import { once } from 'node:events';
import { createSecureServer, type Http2SecureServer, type ServerHttp2Session } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { callGrpc } from '../../../src/ingress/probe.ts';
import { createAuthority } from './support/authority.ts';
import { frame } from './support/upstream.ts';

/*
 * What a gRPC call does where a connection ends before its answer, as connections do that a reload of nginx meets.
 */

const name = 'netbird.skylab.localhost';
let server: Http2SecureServer | undefined;
const sessions = new Set<ServerHttp2Session>();
afterEach(async () => {
  for (const session of sessions) session.destroy();
  if (server === undefined) return;
  server.close();
  await once(server, 'close');
});

/** Starts a server that does this to its n-th connection, from 1 on. */
const startServer = async (greet: (session: ServerHttp2Session, count: number) => void) => {
  const { fullchain, key } = await (await createAuthority()).issue([name]);
  const begun = createSecureServer({ cert: fullchain, key });
  server = begun;
  let count = 0;
  begun.on('session', (session) => {
    sessions.add(session);
    session.on('error', () => undefined);
    greet(session, (count += 1));
  });
  begun.on('stream', (stream) => {
    stream.on('error', () => undefined);
    stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
    stream.on('wantTrailers', () => {
      stream.sendTrailers({ 'grpc-status': '0' });
    });
    stream.end(frame(Buffer.from('answer')));
  });
  begun.listen(0, '127.0.0.1');
  await once(begun, 'listening');
  return {
    connections: () => count,
    call: async () =>
      callGrpc(
        { address: '127.0.0.1', port: (begun.address() as AddressInfo).port },
        name,
        '/signalexchange.SignalExchange/Send',
        Buffer.alloc(0),
        { signal: AbortSignal.timeout(60_000) },
      ),
  };
};

test.each([
  ['is ended in order', (session: ServerHttp2Session) => session.goaway(0, 0)],
  ['is cut', (session: ServerHttp2Session) => session.destroy()],
])('a connection that %s before it was asked anything is replaced', async (_how, end) => {
  const { call, connections } = await startServer((session, count) => {
    if (count === 1) end(session);
  });

  expect(await call()).toMatchObject({ grpcStatus: '0', message: Buffer.from('answer') });
  expect(connections()).toBe(2);
});

test('a server that ends every connection is asked twice, and no more', async () => {
  const { call, connections } = await startServer((session) => session.destroy());

  const seen = await call().then(
    ({ httpStatus }) => httpStatus,
    () => 0,
  );

  expect([seen, connections()]).toEqual([0, 2]);
});
