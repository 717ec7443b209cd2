import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { createAcmeArea } from '../../../src/acme/area.ts';
import { desired } from '../../../src/acme/policy.ts';
import { testSettings } from '../../support/settings.ts';
import { portsFor } from './ports.ts';

test('an authority that takes seconds to answer is slow, not away', async () => {
  const timers = new Set<NodeJS.Timeout>();
  const server = createServer((request, response) => {
    const body = request.url === '/dir' ? '{}' : '-----BEGIN CERTIFICATE-----\n';
    timers.add(setTimeout(() => response.end(body), 6000));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const folder = await mkdtemp(join(tmpdir(), 'skylab-slow-'));
  const base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const settings = testSettings(folder, 'dns: { authoritative: ["127.0.0.1:1"] }');
  const wanted = { ...desired(settings), directory: `${base}/dir`, trust: { url: `${base}/roots` } };

  const world = await createAcmeArea(portsFor(wanted)).observe(wanted, AbortSignal.timeout(60_000));

  expect(world.authority).toBe(true);
  for (const timer of timers) clearTimeout(timer);
  server.close();
  await rm(folder, { recursive: true, force: true });
});
