import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { expect, test } from 'vitest';
import { createDnsView, resolveBy, textsOf } from '../../../src/dns/wire/resolve.ts';
import { defaultRoute } from '../../../src/doctor/addresses.ts';
import { holderOf, systemListeners } from '../../../src/doctor/ports.ts';
import { createHttp } from '../../../src/shared/http.ts';
import { startProvider, zoneName } from '../../support/cloudflare.ts';

const signal = new AbortController().signal;

test('a program that holds a port of this machine is found by name', async ({ skip }) => {
  if ((await systemListeners(signal)) === undefined) return skip('there is no program ss on this machine');
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const view = { listeners: systemListeners, published: async () => [] };
  try {
    expect(await holderOf({ address: '127.0.0.1', port, protocol: 'tcp' }, view, signal)).toMatchObject({
      kind: 'program',
      pid: process.pid,
    });
  } finally {
    server.close();
  }
  return undefined;
});

test('resolvers of the settings are asked, at their port, after one that is silent', async () => {
  const provider = await startProvider();
  try {
    await provider.add({ name: `netbird.${zoneName}`, type: 'A', content: '192.168.1.5' });
    const { lookup } = createHttp({ addressOf: () => '127.0.0.1' });
    const view = await createDnsView(['127.0.0.1:9', `dns.test:${provider.dnsPort}`], lookup);
    const reply = await resolveBy(view, { name: `netbird.${zoneName}`, type: 'A' }, signal);

    expect(textsOf(reply?.answers ?? [], 'A')).toEqual(['192.168.1.5']);
  } finally {
    await provider.close();
  }
});

test('the way out of this machine is an address, or there is none', async () => {
  const route = await defaultRoute();

  expect(route?.gateway ?? '0.0.0.0').toMatch(/^\d+(\.\d+){3}$/);
});
