import { APIConnectionError, type APIError } from 'cloudflare';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Cloudflare as Provider } from '../../../sandbox/cloudflare/server.ts';
import { askTcp, askUdp, sdkFor, startProvider, zoneName } from '../../support/cloudflare.ts';

let provider: Provider;

beforeEach(async () => {
  provider = await startProvider({ nameServers: [{}, {}] });
});
afterEach(async () => {
  await provider.close();
});

const zoneList = async (timeout = 60_000) => sdkFor(provider).zones.list({ name: zoneName }, { timeout });
const caught = async (call: PromiseLike<unknown>): Promise<unknown> => {
  try {
    await call;
  } catch (error) {
    return error;
  }
  throw new Error('the call went well');
};

test('429 comes with its Retry-After, for the requests that were named', async () => {
  provider.faults.set({
    http: [{ path: '/zones', requests: [1, 3], answer: { kind: 'rate-limited', retryAfter: '300' } }],
  });

  const error = await caught(zoneList());
  expect(error).toMatchObject({ status: 429 });
  expect((error as APIError).headers?.get('retry-after')).toBe('300');
  expect((await zoneList()).result).toHaveLength(1);
  expect(await caught(zoneList())).toMatchObject({ status: 429 });
  expect((await zoneList()).result).toHaveLength(1);
});

test('a fault meets only the method and path it names', async () => {
  provider.faults.set({
    http: [
      { method: 'POST', path: 'dns_records', answer: { kind: 'error', status: 500, code: 1, message: 'x' } },
    ],
  });
  const { records } = sdkFor(provider).dns;
  const zone_id = provider.zone.id;

  expect((await records.list({ zone_id })).result).toEqual([]);
  const error = await caught(records.create({ zone_id, type: 'TXT', name: 'a', content: 'b', ttl: 60 }));
  expect(error).toMatchObject({ status: 500, errors: [{ code: 1 }] });
  expect(provider.records()).toEqual([]);
});

test('an HTML page in place of an answer has no codes', async () => {
  provider.faults.set({ http: [{ answer: { kind: 'html', status: 502 } }] });

  expect(await caught(zoneList())).toMatchObject({ status: 502, errors: [] });
});

test('200 with success:false is resolved by the SDK as if it were an answer', async () => {
  provider.faults.set({ http: [{ answer: { kind: 'not-successful', code: 1, message: 'no' } }] });

  expect(await sdkFor(provider).dns.records.get('x', { zone_id: provider.zone.id })).toBeNull();
});

test('a server that hangs before its headers runs into the time limit', async () => {
  provider.faults.set({ http: [{ answer: { kind: 'hang-before-headers' } }] });

  expect(await caught(zoneList(100))).toBeInstanceOf(APIConnectionError);
});

test('a body that hangs sends its headers and half of itself', async () => {
  provider.faults.set({ http: [{ answer: { kind: 'hang-in-body' } }] });

  const response = await fetch(`${provider.apiUrl}/zones`, {
    headers: { authorization: 'Bearer edit-token_1' },
  });
  const reader = response.body?.getReader();
  const first = await reader?.read();

  expect(response.status).toBe(200);
  expect(first?.value?.length).toBe(Math.floor(Number(response.headers.get('content-length')) / 2));
  const more = await Promise.race([
    reader?.read(),
    new Promise((resolve) => {
      setTimeout(resolve, 100, 'silence');
    }),
  ]);
  expect(more).toBe('silence');
});

test('a slow server answers rightly, later', async () => {
  provider.faults.set({ http: [{ answer: { kind: 'slow', delayMs: 150 } }] });
  const startMs = performance.now();

  expect((await zoneList()).result).toHaveLength(1);
  expect(performance.now() - startMs).toBeGreaterThanOrEqual(140);
});

test('a lost answer leaves the record behind', async () => {
  provider.faults.set({ http: [{ method: 'POST', answer: { kind: 'lost-answer' } }] });
  const zone_id = provider.zone.id;

  const error = await caught(
    sdkFor(provider).dns.records.create({ zone_id, type: 'TXT', name: 'a', content: 'b', ttl: 60 }),
  );

  expect(error).toBeInstanceOf(APIConnectionError);
  expect(provider.records()).toMatchObject([{ name: `a.${zoneName}` }]);
});

test('faults are set, shown and cleared over HTTP, and nonsense is refused', async () => {
  const control = provider.apiUrl.replace('/client/v4', '/sandbox/faults');
  const put = async (body: unknown) => fetch(control, { method: 'PUT', body: JSON.stringify(body) });

  expect((await put({ http: [{ answer: { kind: 'explode' } }] })).status).toBe(400);
  expect((await put({ http: [{ answer: { kind: 'html', status: 502 } }] })).status).toBe(200);
  expect(await caught(zoneList())).toMatchObject({ status: 502 });
  expect(await (await fetch(control)).json()).toMatchObject({ http: [{ seen: 1 }], dns: [] });
  await fetch(control, { method: 'DELETE' });
  expect((await zoneList()).result).toHaveLength(1);
});

test('the trace tells the address it is told to, fails as it is told to, and tells the truth again', async () => {
  const trace = async () => fetch(provider.apiUrl.replace('/client/v4', '/cdn-cgi/trace'));

  provider.faults.set({ trace: { address: '203.0.113.9' } });
  expect(await (await trace()).text()).toContain('ip=203.0.113.9\n');

  provider.faults.set({ trace: { status: 429, retryAfter: '7' } });
  const { status, headers } = await trace();
  expect([status, headers.get('retry-after')]).toEqual([429, '7']);

  provider.faults.clear();
  expect(await (await trace()).text()).toContain('ip=127.0.0.1\n');
});

const values = async (server: number) => {
  const port = provider.nameServers[server]?.port ?? 0;
  const { packet } = await askUdp({ port, name: `late.${zoneName}`, type: 'TXT' });
  return `${packet.rcode} ${packet.answers?.length ?? 0}`;
};

test('one server lags behind a change by the time that was set', async () => {
  provider.faults.set({ dns: [{ server: 1, answer: { kind: 'lag', behindMs: 600_000 } }] });
  const changedMs = performance.now();
  await provider.add({ type: 'TXT', name: 'late', content: 'x' });

  expect(await values(0)).toBe('NOERROR 1');
  expect(await values(1)).toBe('NXDOMAIN 0');
  provider.faults.set({ dns: [{ server: 1, answer: { kind: 'lag', behindMs: 1000 } }] });
  await expect.poll(async () => values(1), { timeout: 50_000, interval: 20 }).toBe('NOERROR 1');
  expect(performance.now() - changedMs).toBeGreaterThanOrEqual(980);
});

test('a stale server never sees what came after', async () => {
  await provider.add({ type: 'TXT', name: 'late', content: 'x' });
  provider.faults.set({ dns: [{ server: 0, answer: { kind: 'stale' } }] });
  await provider.add({ type: 'TXT', name: 'late', content: 'y' });

  expect(await values(0)).toBe('NOERROR 1');
  expect(await values(1)).toBe('NOERROR 2');
});

test('SERVFAIL, silence and truncation happen where they were set', async () => {
  await provider.add({ type: 'TXT', name: 'late', content: 'x' });
  const ask = { port: provider.dnsPort, name: `late.${zoneName}`, type: 'TXT' } as const;

  provider.faults.set({ dns: [{ server: 0, answer: { kind: 'servfail' } }] });
  expect([await values(0), await values(1)]).toEqual(['SERVFAIL 0', 'NOERROR 1']);

  provider.faults.set({ dns: [{ transport: 'udp', type: 'TXT', queries: [1], answer: { kind: 'drop' } }] });
  expect(await caught(askUdp({ ...ask, patienceMs: 1000 }))).toMatchObject({ name: 'AbortError' });
  expect(await values(0)).toBe('NOERROR 1');

  provider.faults.set({ dns: [{ transport: 'udp', answer: { kind: 'truncate' } }] });
  expect((await askUdp(ask)).packet).toMatchObject({ flag_tc: true, answers: [] });
  expect((await askTcp(ask)).answers).toHaveLength(1);
});
