import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { Agent, createServer, request, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ensureCertificates } from '../../../sandbox/cloudflare/certificates.ts';
import type { AcmeDesired } from '../../../src/acme/policy.ts';
import { findPebble } from '../../support/pebble.ts';
import { names, refusedOrder, startWorld, type TestWorld } from './world.ts';

const program = await findPebble();

describe.skipIf('missing' in program)('an authority behind something that limits', () => {
  let world: TestWorld;
  let proxy: Server;
  let answer: { status: number; headers: Record<string, string>; body: string } | undefined;
  const seen: string[] = [];
  beforeAll(async () => {
    world = await startWorld();
    await ensureCertificates(world.folder, Date.now());
    const [cert, key] = await Promise.all(
      ['pebble.pem', 'pebble-key.pem'].map(async (name) => readFile(join(world.folder, name))),
    );
    const agent = new Agent({ ca: world.pebble.caPem });
    // It gives Pebble's answers, whose addresses lead past it; only what is asked of it first is limited.
    proxy = createServer({ cert, key }, (incoming, outgoing) => {
      seen.push(`${incoming.method ?? ''} ${incoming.url ?? ''}`);
      if (incoming.method === 'POST' && answer !== undefined) {
        outgoing.writeHead(answer.status, answer.headers).end(answer.body);
        return;
      }
      const onward = request(
        new URL(incoming.url ?? '/', world.pebble.directoryUrl),
        { method: incoming.method, headers: incoming.headers, agent },
        (response) => {
          outgoing.writeHead(response.statusCode ?? 502, response.headers);
          response.pipe(outgoing);
        },
      );
      incoming.pipe(onward);
    });
    proxy.listen(0, '127.0.0.1');
    await once(proxy, 'listening');
  });
  afterAll(async () => {
    proxy.closeAllConnections();
    proxy.close();
    await world.stop();
  });
  const throughProxy = async (store: string): Promise<AcmeDesired> => {
    const wanted = world.wishes(names, store);
    const ca = join(world.folder, 'proxy-ca.pem');
    await writeFile(ca, `${world.pebble.caPem}${await readFile(join(world.folder, 'ca.pem'), 'utf8')}`);
    const { port } = proxy.address() as AddressInfo;
    // Pebble writes the host it was asked by into its directory.
    return { ...wanted, directory: `https://localhost:${port}/dir`, directoryCa: { file: ca } };
  };
  const problem = (type: string) =>
    JSON.stringify({ type: `urn:ietf:params:acme:error:${type}`, detail: 'too many of them', status: 429 });

  test.each([
    ['seconds', () => '7200', 7_200_000],
    ['a date', () => new Date(Date.now() + 3_600_000).toUTCString(), 3_600_000],
  ])('is told at once, with the wait as %s', async (_form, retryAfter, waitMs) => {
    answer = {
      status: 429,
      headers: { 'content-type': 'application/problem+json', 'retry-after': retryAfter() },
      body: problem('rateLimited'),
    };
    const wanted = await throughProxy('limited');
    seen.length = 0;
    const startMs = performance.now();

    const { error } = await refusedOrder(wanted);

    expect(performance.now() - startMs).toBeLessThan(60_000);
    expect(error).toMatchObject({ code: 'CA_LIMITED', data: { type: 'rateLimited', status: 429 } });
    const { retryAfterMs = 0 } = error as { retryAfterMs?: number };
    expect(Math.abs(retryAfterMs - waitMs)).toBeLessThan(10_000);
    expect(seen.filter((call) => call.startsWith('POST'))).toHaveLength(1);
  });

  test.each([
    ['503 with a wait', 503, { 'retry-after': '30' }, 'CA_LIMITED'],
    ['503 without one', 503, {}, 'CA_UNREACHABLE'],
    ["a proxy's page", 502, { 'content-type': 'text/html' }, 'CA_UNREACHABLE'],
  ])('answers %s', async (_case, status, headers, code) => {
    answer = { status, headers, body: '<html>try later</html>' };

    const { error } = await refusedOrder(await throughProxy('failing'));

    expect(error).toMatchObject({ code });
  });
});
