import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { createRelay } from '../../../sandbox/netbird/relay.ts';
import type { Running } from '../../../sandbox/netbird/running.ts';
import { createSignal } from '../../../sandbox/netbird/signal.ts';
import { beginStream, callGrpc, field } from './grpc-probe.ts';
import { openWorkplace, startManagement } from './stand-in.ts';
import { realProbes } from './target.ts';

/*
 * The probes that were observed on the real servers, without TLS and proxy. Against real servers: see target.ts.
 */

const management = '/management.ManagementService';
const signal = '/signalexchange.SignalExchange';
const empty = Buffer.alloc(0);

const httpUrl = (running: Running, port = 'main'): string => `http://127.0.0.1:${running.ports[port]}`;

/** Opens a WebSocket and closes it. Resolves to 101, or to the status that refused the upgrade. */
const upgrade = (url: string): Promise<number> =>
  new Promise((resolve, reject) => {
    const socket = new WebSocket(url.replace(/^http/, 'ws'));
    socket.once('open', () => {
      socket.terminate();
      resolve(101);
    });
    socket.once('unexpected-response', (request, response) => {
      request.destroy();
      resolve(response.statusCode ?? 0);
    });
    socket.once('error', reject);
  });

describe('management', () => {
  let url: string;
  let close: () => Promise<void>;

  beforeAll(async () => {
    const real = process.env['SKYLAB_CONTRACT_NETBIRD_URL'];
    if (real !== undefined) {
      url = real.replace(/\/+$/, '');
      close = async () => {};
      return;
    }
    const nowhere = 'http://127.0.0.1:9';
    const workplace = openWorkplace({ issuer: nowhere, keysLocation: nowhere });
    const running = await startManagement(workplace);
    url = running.url;
    close = async () => {
      await running.close();
      workplace.remove();
    };
  });

  afterAll(async () => {
    await close();
  });

  test('GetServerKey gives 44 characters of base64 as field 1', async () => {
    const answer = await callGrpc(url, `${management}/GetServerKey`, empty);
    const message = 'message' in answer ? answer.message : empty;

    expect(answer.status).toBe(0);
    expect([...message.subarray(0, 2)]).toEqual([0x0a, 44]);
    expect(Buffer.from(message.subarray(2, 46).toString(), 'base64')).toHaveLength(32);
  });

  test('isHealthy gives an empty message', async () => {
    expect(await callGrpc(url, `${management}/isHealthy`, empty)).toEqual({ status: 0, message: empty });
  });

  test.each([
    ['a method', `${management}/Nope`, 'unknown method Nope for service management.ManagementService'],
    ['a service', '/nope.Nope/isHealthy', 'unknown service nope.Nope'],
  ])('%s that does not exist is unimplemented', async (_what, path, details) => {
    expect(await callGrpc(url, path, empty)).toEqual({ status: 12, details });
  });

  test('its WebSocket path takes an upgrade, and tells anything else to ask for one', async () => {
    expect(await upgrade(`${url}/ws-proxy/management`)).toBe(101);
    expect((await fetch(`${url}/ws-proxy/management`)).status).toBe(426);
    expect(await upgrade(`${url}/ws-proxy/signal`)).toBe(404);
  });

  test('GET /api/instance needs no caller, nothing else under /api is open', async () => {
    const instance = await fetch(`${url}/api/instance`);

    expect(instance.status).toBe(200);
    expect(await instance.json()).toEqual({ setup_required: false });
    expect((await fetch(`${url}/api/peers`)).status).toBe(401);
    expect((await fetch(`${url}/api/health`)).status).toBe(404);
    expect((await fetch(`${url}/`)).status).toBe(404);
  });
});

describe('signal', () => {
  let url: string;
  let running: Running | undefined;

  beforeAll(async () => {
    running =
      realProbes.signalUrl === undefined ? await createSignal({ port: 0, host: '127.0.0.1' }) : undefined;
    url = running === undefined ? (realProbes.signalUrl ?? '') : httpUrl(running);
  });

  afterAll(async () => {
    await running?.close();
  });

  test.each(['dummy', 'a key of nobody'])('Send to "%s" succeeds with an empty message', async (receiver) => {
    const message = Buffer.concat([field(2, 'sender'), field(3, receiver), field(4, 'body')]);

    expect(await callGrpc(url, `${signal}/Send`, message)).toEqual({ status: 0, message: empty });
  });

  test('ConnectStream stays open for a device that says who it is, and for nobody else', async () => {
    const named = { 'x-wiretrustee-peer-id': 'a device of this test' };

    expect(await beginStream(url, `${signal}/ConnectStream`, named)).toMatchObject({
      headers: { 'x-wiretrustee-peer-registered': '1' },
    });
    expect(await beginStream(url, `${signal}/ConnectStream`, {})).toEqual({
      status: 9,
      details: 'missing connection header: x-wiretrustee-peer-id',
    });
  });

  test('a method that does not exist is unimplemented', async () => {
    expect(await callGrpc(url, `${signal}/Nope`, empty)).toEqual({
      status: 12,
      details: 'unknown method Nope for service signalexchange.SignalExchange',
    });
  });

  test('its WebSocket path takes an upgrade; everything else that is not gRPC is 405', async () => {
    expect(await upgrade(`${url}/ws-proxy/signal`)).toBe(101);
    expect((await fetch(`${url}/ws-proxy/signal`)).status).toBe(426);
    expect((await fetch(`${url}/`)).status).toBe(405);
  });
});

describe('relay', () => {
  let url: string;
  let healthUrl: string;
  let running: Running | undefined;

  beforeAll(async () => {
    const { relayUrl, relayHealthUrl } = realProbes;
    if (relayUrl !== undefined && relayHealthUrl !== undefined) {
      [url, healthUrl] = [relayUrl, relayHealthUrl];
      return;
    }
    running = await createRelay({
      exposedAddress: 'rel://127.0.0.1:9',
      authSecret: 'secret',
      listenAddress: { host: '127.0.0.1', port: 0 },
      healthListenAddress: { host: '127.0.0.1', port: 0 },
      log: () => {},
    });
    [url, healthUrl] = [httpUrl(running), httpUrl(running, 'health')];
  });

  afterAll(async () => {
    await running?.close();
  });

  test('/relay takes an upgrade, and tells anything else to ask for one', async () => {
    expect(await upgrade(`${url}/relay`)).toBe(101);
    expect((await fetch(`${url}/relay`)).status).toBe(426);
    expect(await upgrade(`${url}/other`)).toBe(404);
    expect((await fetch(`${url}/`)).status).toBe(404);
  });

  test('/health says how it is, and 200 only when it is healthy', async () => {
    const response = await fetch(`${healthUrl}/health`);
    const document = (await response.json()) as { readonly status: string };

    expect(document).toEqual({
      status: response.status === 200 ? 'healthy' : 'unhealthy',
      timestamp: expect.stringMatching(/^20\d\d-\d\d-\d\dT[\d:.]+Z$/),
      listeners: ['ws'],
      certificate_valid: false,
    });
    expect([200, 503]).toContain(response.status);
    expect(response.headers.get('content-type')).toBe('application/json');
    expect((await fetch(`${healthUrl}/`)).status).toBe(404);
  });
});
