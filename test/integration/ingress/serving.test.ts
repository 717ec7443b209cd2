import { connect } from 'node:http2';
import { connect as connectTls } from 'node:tls';
import { once } from 'node:events';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { callGrpc, get, shakeHands } from '../../../src/ingress/probe.ts';
import { renderIngress } from '../../../src/ingress/render.ts';
import { errnoOf } from '../../../src/shared/errors.ts';
import { digestOf } from '../../../src/shared/files.ts';
import { findNginx } from './support/find-nginx.ts';
import { until } from './support/nginx.ts';
import { identity, mesh, prepareStack, type Stack } from './support/stack.ts';
import { frame, type Asked } from './support/upstream.ts';

const program = await findNginx();

describe.skipIf('missing' in program)('nginx with what is rendered', () => {
  let stack: Stack;
  beforeAll(async () => {
    if ('missing' in program) return;
    stack = await prepareStack(program.folder);
    await stack.nginx.putFiles(stack.nginx.desired);
    await stack.nginx.start();
  });
  afterAll(async () => stack.close());

  const signal = () => AbortSignal.timeout(20_000);
  const page = async (name: string, path: string, headers: Readonly<Record<string, string>> = {}) =>
    get(stack.door, name, { path, headers }, { signal: signal() });
  const asked = async (name: string, path: string, headers: Readonly<Record<string, string>> = {}) =>
    JSON.parse((await page(name, path, headers)).text) as Asked;

  test('starts without a warning', async () => {
    expect(await stack.nginx.said()).not.toMatch(/\[(warn|alert|emerg|error)\]/);
  });

  test('serves each name with the certificate from the store, over HTTP/2', async () => {
    for (const name of [identity, mesh]) {
      const seen = await shakeHands(stack.door, name, {
        roots: [stack.authority.root],
        protocols: ['h2', 'http/1.1'],
        signal: signal(),
      });
      expect(seen.distrust).toBeUndefined();
      expect(seen.protocol).toBe('h2');
    }
  });

  test('gives no handshake to another name, nor without one', async () => {
    for (const name of ['somebody-else.invalid', undefined]) {
      await expect(shakeHands(stack.door, name, { signal: signal() })).rejects.toMatchObject({
        code: expect.stringContaining('UNRECOGNIZED_NAME') as unknown,
      });
    }
  });

  test('answers 421 to a request for another host within a known name', async () => {
    const reply = await page(identity, '/', { host: 'somebody-else.invalid' });

    expect(reply.status).toBe(421);
  });

  test('names the version of its configuration on a harmless path of each name', async () => {
    const { version } = renderIngress(stack.nginx.desired, digestOf);

    for (const name of [identity, mesh]) {
      const reply = await page(name, '/.well-known/skylab-ingress');
      expect(reply).toMatchObject({ status: 204, headers: { 'x-skylab-config': version } });
    }
  });

  test.each([
    ['/', 'dashboard'],
    ['/auth/callback?code=1', 'dashboard'],
    ['/api/instance', 'management'],
    ['/relay', 'relay'],
    ['/ws-proxy/management', 'management'],
    ['/ws-proxy/signal', 'signal'],
    ['/apis', 'dashboard'],
  ])('sends %s of the mesh to %s, as it was asked', async (path, server) => {
    expect(await asked(mesh, path)).toMatchObject({ server, url: path, method: 'GET' });
  });

  test('passes an answer of 404 with its page', async () => {
    const reply = await page(mesh, '/auth/missing');

    expect(reply.status).toBe(404);
    expect(JSON.parse(reply.text)).toMatchObject({ server: 'dashboard' });
  });

  test('passes every other path of the identity to Pocket ID, byte for byte', async () => {
    const path = '/api/oidc/clients/a%2Fb//c?x=%20y&z';

    expect(await asked(identity, path)).toMatchObject({ server: 'identity', url: path });
  });

  test('says who asks, and nothing that the client says about itself', async () => {
    const { headers } = await asked(identity, '/', {
      'x-forwarded-for': '6.6.6.6',
      'x-forwarded-proto': 'http',
      'x-forwarded-host': 'evil.example',
      'x-real-ip': '6.6.6.6',
      forwarded: 'for=6.6.6.6',
    });

    expect(headers).toMatchObject({
      host: `${identity}:${stack.door.port}`,
      'x-forwarded-for': '127.0.0.1',
      'x-forwarded-proto': 'https',
      'x-forwarded-host': `${identity}:${stack.door.port}`,
      'x-forwarded-port': String(stack.door.port),
      'x-real-ip': '127.0.0.1',
      'x-real-port': expect.stringMatching(/^\d+$/) as unknown,
    });
    expect(JSON.stringify(headers)).not.toMatch(/6\.6\.6\.6|evil/);
  });

  test.each([identity, mesh])('drops API keys on the way to %s, however they are spelled', async (name) => {
    for (const spelling of ['X-API-Key', 'x-api-key', 'X-Api-KEY', 'X_API_Key']) {
      const { headers } = await asked(name, '/api/users/me', { [spelling]: 'secret-key' });
      expect(JSON.stringify(headers)).not.toContain('secret-key');
    }
  });

  test.each([
    '/setup',
    '/setup/',
    '/SETUP',
    '//setup',
    '/setup?x=1',
    '/./setup',
    '/a/../setup',
    '/%73etup',
    '/setup/__data.json',
    '/signup/setup',
    '/signup//setup',
    '/signup%2fsetup',
    '/api/signup/setup',
    '/api/signup/setup/',
    '/API/signup/Setup',
    '/api/signup/%2e/setup',
    '/api//signup/setup',
  ])('closes %s', async (path) => {
    const reply = await page(identity, path);

    expect(reply.status).toBe(404);
    expect(reply.text).not.toContain('"server"');
  });

  test.each(['/api/signup', '/signup', '/st/abc', '/setups', '/settings/setup', '/api/signup-tokens'])(
    'leaves %s open',
    async (path) => {
      expect(await asked(identity, path)).toMatchObject({ server: 'identity', url: path });
    },
  );

  test('opens no tunnel for h2c, where every rule would end', async () => {
    for (const [name, path] of [
      [identity, '/'],
      [mesh, '/api/x'],
      [mesh, '/relay'],
    ] as const) {
      const reply = await page(name, path, {
        connection: 'Upgrade, HTTP2-Settings',
        upgrade: 'h2c',
        'http2-settings': 'AAMAAABkAARAAAAAAAIAAAAA',
      });
      expect(reply.status).toBe(200);
    }
  });

  test('takes answers with headers of 200 kB from Pocket ID, and survives one of 1 MB', async () => {
    const big = await page(identity, '/big?bytes=200000');
    const tooBig = await page(identity, '/big?bytes=1000000');

    expect(big.headers['x-big']).toHaveLength(200_000);
    expect(tooBig.status).toBe(502);
    expect((await page(identity, '/')).status).toBe(200);
  });

  test('takes requests with a header of 30 kB, and refuses one of 1 MB', async () => {
    expect((await page(identity, '/', { cookie: 'x'.repeat(30_000) })).status).toBe(200);
    // It answers while the client still writes, so the client sees the answer or the end of the connection.
    const tooBig = page(identity, '/', { cookie: 'x'.repeat(1_000_000) });
    const seen = await tooBig.then(
      ({ status }) => status,
      (error: unknown) => errnoOf(error),
    );
    expect([400, 'EPIPE', 'ECONNRESET']).toContain(seen);
  });

  test('carries unary gRPC to management and signal', async () => {
    const key = await callGrpc(
      stack.door,
      mesh,
      '/management.ManagementService/GetServerKey',
      Buffer.alloc(0),
      { signal: signal() },
    );
    const sent = await callGrpc(stack.door, mesh, '/signalexchange.SignalExchange/Send', Buffer.alloc(0), {
      signal: signal(),
    });

    expect(key).toMatchObject({ grpcStatus: '0' });
    expect(key.message).toHaveLength(46);
    expect(sent).toMatchObject({ grpcStatus: '0' });
    expect(stack.upstreams.signal.grpcCalls.at(-1)).toMatchObject({
      path: '/signalexchange.SignalExchange/Send',
      headers: { 'x-forwarded-for': '127.0.0.1', 'x-real-ip': '127.0.0.1' },
    });
  });

  test('tells browsers to stay with https, where a public authority signs', async () => {
    const { headers } = await page(identity, '/');

    expect(headers['strict-transport-security']).toBe('max-age=31536000');
    expect(headers['x-content-type-options']).toBe('nosniff');
  });

  test('logs requests without their queries, without one-time links, and without line breaks of others', async () => {
    await page(identity, '/authorize?code_challenge=query-secret');
    await page(identity, '/lc/link-secret');
    await page(identity, '/st/token-secret?redirect=x');
    await page(identity, '/api/one-time-access-token/exchange-secret');
    await page(identity, '/a%0A127.0.0.1%20forged', { referer: 'https://x/?referer-secret' });
    stack.names.table.delete('identity.test');
    const failing = async () => (await page(identity, '/lc/failed-secret?code=failed-query-secret')).status;
    await until('Pocket ID is gone', async () => (await failing()) === 502);
    stack.names.table.set('identity.test', '127.0.0.1');
    await until('all are logged', async () => (await stack.nginx.said()).includes('forged'));

    const said = await stack.nginx.said();

    expect(said).not.toMatch(/-secret/);
    expect(said).toContain(`"GET ${identity}/authorize HTTP/1.1" 200`);
    expect(said).toContain(`"GET ${identity}/lc/... HTTP/1.1" 200`);
    expect(said.split('\n').filter((line) => line.startsWith('127.0.0.1 forged'))).toEqual([]);
  });

  test('does not tell its version', async () => {
    expect((await page(mesh, '/')).headers['server']).toBe('nginx');
  });

  describe('where a route that says nothing else ends after a second', () => {
    beforeAll(async () => {
      await stack.nginx.end('SIGTERM');
      await stack.nginx.putFiles(stack.nginx.desired, (path, text) =>
        path === 'nginx.conf'
          ? text.replace(
              'http {',
              'http { client_body_timeout 1s; grpc_read_timeout 1s; grpc_send_timeout 1s; proxy_read_timeout 1s; client_header_timeout 1s;',
            )
          : text,
      );
      await stack.nginx.start();
    });

    test.each([
      ['management', '/management.ManagementService/Sync'],
      ['signal', '/signalexchange.SignalExchange/ConnectStream'],
    ])('keeps an idle gRPC stream to %s open', async (_service, method) => {
      const session = connect(`https://${mesh}:${stack.door.port}`, {
        createConnection: () =>
          connectTls({
            host: '127.0.0.1',
            port: stack.door.port,
            servername: mesh,
            ALPNProtocols: ['h2'],
            ca: stack.authority.root,
          }),
      });
      const stream = session.request({
        ':method': 'POST',
        ':path': method,
        'content-type': 'application/grpc',
        te: 'trailers',
      });
      let received = '';
      stream.setEncoding('latin1');
      stream.on('data', (chunk: string) => {
        received += chunk;
      });
      stream.write(frame(Buffer.from('first')));
      await until('the first message is back', () => received.includes('first'));
      const beganAtMs = Date.now();
      // Longer than the defaults that this nginx was given.
      await until('two seconds are over', () => Date.now() - beganAtMs > 2_000);
      stream.write(frame(Buffer.from('second')));

      await until('an answer is back', () => received.includes('second') || stream.destroyed);

      expect(received).toContain('second');
      session.destroy();
    });

    test.each(['/relay', '/ws-proxy/management', '/ws-proxy/signal'])(
      'keeps an idle WebSocket on %s open',
      async (path) => {
        const socket = new WebSocket(`wss://${mesh}:${stack.door.port}${path}`, {
          ca: stack.authority.root,
          lookup: (_name, options, callback) => {
            if (options.all === true) callback(null, [{ address: '127.0.0.1', family: 4 }]);
            else callback(null, '127.0.0.1', 4);
          },
        });
        await once(socket, 'open');
        const beganAtMs = Date.now();
        await until('two seconds are over', () => Date.now() - beganAtMs > 2_000);
        socket.send('still there?');

        const [data] = (await once(socket, 'message')) as [Buffer];

        expect(data.toString()).toBe('still there?');
        socket.terminate();
      },
    );
  });
});
