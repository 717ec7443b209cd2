import { afterEach, expect, test } from 'vitest';
import type { Cloudflare as Provider } from '../../../sandbox/cloudflare/server.ts';
import { createPropagation } from '../../../src/dns/propagation.ts';
import { createHttp } from '../../../src/shared/http.ts';
import { startProvider, zoneName } from '../../support/cloudflare.ts';
import { freePort } from '../../support/ports.ts';

/*
 * The resolver at home loses a query while the name servers of the zone are looked up: they are asked for again.
 */

const name = `_acme-challenge.netbird.${zoneName}`;
const value = 'challenge-value';
const never = new AbortController().signal;
const { lookup } = createHttp();
let provider: Provider;

afterEach(async () => {
  await provider.close();
});

/** Servers of the zone at these addresses, of which the first is the resolver, too. */
const serve = async (hosts: readonly string[]): Promise<number> => {
  const port = await freePort();
  provider = await startProvider({
    nameServers: hosts.map((host) => ({ host, port, name: `ns.${zoneName}` })),
  });
  await provider.add({ type: 'TXT', name, content: value });
  return port;
};
const untilShown = async (port: number, signal: AbortSignal): Promise<void> =>
  createPropagation({
    authoritative: [],
    resolvers: [`127.0.0.6:${port}`],
    port,
    lookup,
    queryTimeoutMs: 1000,
  }).untilShown({ zone: zoneName, name, value, timeoutMs: 100_000 }, signal);
/** How many queries met the first fault. */
const met = () => (provider.faults.shown().dns as readonly { readonly seen: number }[])[0]?.seen;

test.each(['NS', 'A'] as const)(
  'an answer with %s records that was lost is asked for again',
  async (type) => {
    const port = await serve(['127.0.0.6']);
    provider.faults.set({ dns: [{ type, queries: [1], answer: { kind: 'servfail' } }] });

    await untilShown(port, never);

    expect(met()).toBe(2);
  },
);

test('a server whose IPv4 address was lost is not looked for at its IPv6 address alone', async () => {
  const port = await serve(['127.0.0.6', '::1']);
  const isLost = { type: 'A', queries: [1, 2], answer: { kind: 'servfail' as const } };
  provider.faults.set({ dns: [isLost, { server: 1, answer: { kind: 'drop' } }] });

  await expect(untilShown(port, never)).resolves.toBeUndefined();
});

test('asking again ends when the run is interrupted', async () => {
  const port = await serve(['127.0.0.6']);
  provider.faults.set({ dns: [{ type: 'NS', answer: { kind: 'servfail' } }] });
  const abort = new AbortController();
  const reason = new Error('interrupted');
  const waiting = untilShown(port, abort.signal);
  await expect.poll(met, { interval: 5, timeout: 20_000 }).toBeGreaterThan(1);

  abort.abort(reason);

  await expect(waiting).rejects.toBe(reason);
});
