import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createHttp, type Http } from '../../../src/shared/http.ts';

/** What a server does with a request; `number` counts those on this connection from 1. */
type Act = (given: {
  readonly number: number;
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
}) => void;

/** Node says here that a client has the head of an answer. */
const headArrived = 'http.client.response.finish';

let http: Http;
let server: Server | undefined;
/** How many requests each connection brought. */
let connections: Map<Socket, number>;

beforeEach(() => {
  http = createHttp();
  connections = new Map();
});
afterEach(() => {
  http.close();
  server?.closeAllConnections();
  server?.close();
});

const serve = async (act: Act): Promise<string> => {
  server = createServer((request, response) => {
    const number = (connections.get(request.socket) ?? 0) + 1;
    connections.set(request.socket, number);
    act({ number, request, response });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
};
const counts = () => [...connections.values()];

describe('a connection that the server closes just as it is used again', () => {
  /** A server that has had enough of a connection after one request, and shows it by a reset at the second. */
  const closing: Act = ({ number, request, response }) => {
    if (number > 1) request.socket.resetAndDestroy();
    else response.end('an answer');
  };

  test.each(['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE'])(
    'does not matter for %s: it is sent again',
    async (method) => {
      const url = await serve(closing);
      await http.call('GET', url);

      const body = method === 'PUT' ? { body: 'a body' } : {};
      expect(await http.call(method, url, body)).toMatchObject({ status: 200 });
      expect(counts()).toEqual([2, 1]);
    },
  );

  test('does not matter where there are several of them', async () => {
    const url = await serve(closing);
    await Promise.all([http.call('GET', url), http.call('GET', url)]);

    expect(await http.call('GET', url)).toMatchObject({ status: 200 });
    expect(counts()).toEqual([2, 2, 1]);
  });

  test('is an error for POST, which may have been carried out', async () => {
    const url = await serve(closing);
    await http.call('GET', url);

    await expect(http.call('POST', url, { body: 'a body' })).rejects.toMatchObject({ code: 'ECONNRESET' });
    expect(counts()).toEqual([2]);
  });

  test('is an error where the answer had begun', async () => {
    const url = await serve(({ number, request, response }) => {
      response.setHeader('content-length', 9);
      if (number === 1) return void response.end('an answer');
      response.write('an');
      const reset = () => {
        unsubscribe(headArrived, reset);
        request.socket.resetAndDestroy();
      };
      subscribe(headArrived, reset);
    });
    await http.call('GET', url);

    await expect(http.call('GET', url)).rejects.toMatchObject({ code: 'ECONNRESET' });
    // A call that was sent again would be one more.
    await http.call('GET', url);
    expect(counts()).toEqual([2, 1]);
  });

  test('is an error where it was a new one', async () => {
    const url = await serve(({ request }) => request.socket.resetAndDestroy());

    await expect(http.call('GET', url)).rejects.toMatchObject({ code: 'ECONNRESET' });
    expect(counts()).toEqual([1]);
  });
});

describe('a server that says how long it keeps an idle connection', () => {
  const hinting = async (delayMs: number): Promise<string> => {
    const url = await serve(({ number, response }) => {
      response.setHeader('keep-alive', 'timeout=2');
      setTimeout(() => response.end('an answer'), number === 1 ? 0 : delayMs);
    });
    // It says so, and never does it.
    if (server !== undefined) server.keepAliveTimeout = 0;
    return url;
  };

  test('finds it closed by then', async () => {
    await http.call('GET', await hinting(0));
    const [socket] = connections.keys();
    if (socket === undefined) throw new Error('no connection was made');

    await once(socket, 'close');

    expect(counts()).toEqual([1]);
  });

  test('may take longer for an answer', async () => {
    const url = await hinting(2500);
    await http.call('GET', url);

    expect(await http.call('GET', url)).toMatchObject({ status: 200, text: 'an answer' });
    expect(counts()).toEqual([2]);
  });
});
