import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeAll, afterAll, expect, test } from 'vitest';
import { WebSocketServer } from 'ws';
import { createRelay, type RelayOptions } from '../../../sandbox/netbird/relay.ts';
import type { Running } from '../../../sandbox/netbird/running.ts';
import { createAuthority } from '../../integration/ingress/support/authority.ts';

/*
 * What the relay stand-in's health check proves: that the address given to peers leads back to a relay, under a
 * certificate that is trusted.
 */

let folder: string;
let trustFile: string;
let front: Server;
let frontPort: number;
let relay: Running | undefined;

beforeAll(async () => {
  const authority = await createAuthority();
  const { fullchain, key } = await authority.issue(['localhost']);
  folder = mkdtempSync(join(tmpdir(), 'netbird-relay-'));
  trustFile = join(folder, 'authority.pem');
  writeFileSync(trustFile, authority.root);
  front = createServer({ cert: fullchain, key });
  const webSockets = new WebSocketServer({ noServer: true });
  front.on('upgrade', (request, socket, head) => {
    if (request.url === '/relay') webSockets.handleUpgrade(request, socket, head, () => {});
    else socket.destroy();
  });
  await new Promise<void>((resolve) => front.listen(0, '127.0.0.1', resolve));
  frontPort = (front.address() as AddressInfo).port;
});

afterEach(async () => {
  await relay?.close();
  relay = undefined;
});

afterAll(async () => {
  front.closeAllConnections();
  await new Promise((resolve) => front.close(resolve));
  rmSync(folder, { recursive: true, force: true });
});

const anywhere = { host: '127.0.0.1', port: 0 };

const health = async (
  change: Partial<RelayOptions>,
): Promise<readonly [status: number, document: unknown]> => {
  relay = await createRelay({
    exposedAddress: `rels://localhost:${frontPort}`,
    authSecret: 'secret',
    listenAddress: anywhere,
    healthListenAddress: anywhere,
    log: () => {},
    ...change,
  });
  const response = await fetch(`http://127.0.0.1:${relay.ports['health']}/health`);
  return [response.status, await response.json()];
};

test('is healthy with a valid certificate when the exposed address answers under a trusted one', async () => {
  expect(await health({ trustFile })).toMatchObject([200, { status: 'healthy', certificate_valid: true }]);
});

test('is unhealthy when the certificate is not trusted', async () => {
  expect(await health({})).toMatchObject([503, { status: 'unhealthy', certificate_valid: false }]);
});

test('is unhealthy when the name is not in the certificate', async () => {
  const exposedAddress = `rels://127.0.0.1:${frontPort}`;

  expect(await health({ trustFile, exposedAddress })).toMatchObject([503, { status: 'unhealthy' }]);
});

test('is unhealthy when nothing listens there, or the trust file is missing', async () => {
  expect(await health({ exposedAddress: 'rels://127.0.0.1:9' })).toMatchObject([503, {}]);
  await relay?.close();
  expect(await health({ trustFile: join(folder, 'nowhere.pem') })).toMatchObject([503, {}]);
});

test('an address without a scheme is dialled, and announced, without TLS', async () => {
  const lines: string[] = [];
  const log = (line: string): void => void lines.push(line);

  expect(await health({ trustFile, exposedAddress: `localhost:${frontPort}`, log })).toMatchObject([503, {}]);
  expect(lines[0]).toBe(`server will be available on: rel://localhost:${frontPort}`);
});

test.each([
  [{ authSecret: '' }, 'invalid config: auth secret is required'],
  [{ exposedAddress: '' }, 'invalid config: exposed address is required'],
  [{ exposedAddress: 'rels://a b' }, /is not an address such as rels:/],
])('does not start with %j', async (change, message) => {
  await expect(health(change)).rejects.toThrow(message);
});
