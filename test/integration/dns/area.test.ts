import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Cloudflare as Provider } from '../../../sandbox/cloudflare/server.ts';
import { createDnsArea } from '../../../src/dns/apply.ts';
import { createCloudflare } from '../../../src/dns/cloudflare.ts';
import { findAddress } from '../../../src/dns/observe.ts';
import { bind } from '../../../src/orchestrator/area.ts';
import { converge } from '../../../src/orchestrator/converge.ts';
import { createEffects, type KillPoint } from '../../../src/orchestrator/effects.ts';
import { createHttp, type Http } from '../../../src/shared/http.ts';
import { createRedactor } from '../../../src/shared/redact.ts';
import { startProvider, tokens, zoneName } from '../../support/cloudflare.ts';
import { settingsWith } from '../../unit/dns/fixtures.ts';

const never = new AbortController().signal;
const names = ['netbird', 'pocketid', 'turn'].map((label) => `${label}.${zoneName}`);
let server: Provider;
let http: Http;

beforeEach(async () => {
  server = await startProvider();
  http = createHttp({ addressOf: (host) => (host.endsWith('.localhost') ? '127.0.0.1' : undefined) });
});
afterEach(async () => {
  http.close();
  await server.close();
});

interface Case {
  readonly token?: string;
  readonly api?: string;
  readonly adopt?: boolean;
  readonly reachability?: string;
  readonly callTimeoutMs?: number;
}

const areaWith = ({
  token = tokens.edit.value,
  api = server.apiUrl,
  adopt = false,
  reachability,
  callTimeoutMs,
}: Case = {}) => {
  const settings = settingsWith(`reachability: ${reachability ?? '{ mode: public, address: 192.0.2.10 }'}`);
  const provider = createCloudflare({
    api,
    http,
    token: async () => Promise.resolve(token),
    ...(callTimeoutMs === undefined ? {} : { callTimeoutMs }),
  });
  return bind(createDnsArea({ provider, http }, { adopt }), {
    ...settings,
    cloudflare: { ...settings.cloudflare, api },
  });
};

const up = async (how: Case = {}, killPoint?: KillPoint) => {
  const kill = () => {
    throw new Error('killed');
  };
  const effects = createEffects({
    redactor: createRedactor(),
    ...(killPoint === undefined ? {} : { killPoint, kill }),
  });
  const outcome = await converge({ areas: [areaWith(how)], effects, emit: () => undefined, signal: never });
  return {
    ran: outcome.ran.map(({ step }) => step.id),
    failed: outcome.failures.map(({ error }) => `${error.code}: ${error.message}`),
    waiting: outcome.waiting.map(({ step }) => step.id),
    unknown: outcome.unknown.map(({ fact, why }) => `${fact} ${why.because}: ${why.text}`),
    effects: effects.count(),
  };
};

const addresses = () =>
  server
    .records()
    .map(({ name, type, content, proxied, comment }) => `${name} ${type} ${content} ${proxied} ${comment}`)
    .toSorted();

test('an empty zone gets a record for each name; a second run does nothing', async () => {
  const first = await up();
  expect(first).toMatchObject({ failed: [], unknown: [], effects: 3 });
  expect(addresses()).toEqual(names.map((name) => `${name} A 192.0.2.10 false skylab-home address`));

  const calls = server.calls().length;
  expect(await up()).toMatchObject({ ran: [], failed: [], unknown: [], effects: 0 });
  expect(
    server
      .calls()
      .slice(calls)
      .map(({ method, path }) => `${method} ${path.replace(/[0-9a-f]{32}/, 'ID')}`),
  ).toEqual([`GET /zones?name=${zoneName}`, 'GET /zones/ID/dns_records?page=1&per_page=500']);
});

test('a changed address is followed in place, and a name that was given up is cleared away', async () => {
  await up();
  const ids = server.records().map(({ id }) => id);
  await server.add({ type: 'A', name: 'vpn', content: '192.0.2.10', comment: 'skylab-home address' });

  const { ran } = await up({ reachability: '{ mode: public, address: 192.0.2.20 }' });

  expect(ran).toEqual([...names.map((name) => `update A ${name}`), `remove A vpn.${zoneName} 192.0.2.10`]);
  expect(server.records().map(({ id, content }) => `${id} ${content}`)).toEqual(
    ids.map((id) => `${id} 192.0.2.20`),
  );
});

test('records of other makers stay as they are; one in the way is a conflict until it is adopted', async () => {
  await server.add({ type: 'CNAME', name: 'netbird', content: 'elsewhere.test' });
  await server.add({ type: 'TXT', name: 'pocketid', content: 'v=spf1 -all' });
  await server.add({ type: 'A', name: '@', content: '192.0.2.1', proxied: true });
  const foreign = server.records();

  const first = await up();
  expect(first.failed).toEqual([]);
  expect(first.unknown).toEqual([
    `dns.records conflict: records of another maker are in the way: netbird.${zoneName} is CNAME elsewhere.test`,
  ]);
  expect(server.records().filter(({ comment }) => comment === null)).toEqual(foreign);
  expect(addresses().filter((one) => one.includes('skylab-home'))).toHaveLength(2);

  const second = await up({ adopt: true });
  expect(second).toMatchObject({ failed: [], unknown: [] });
  expect(addresses().filter((one) => one.includes('skylab-home'))).toHaveLength(3);
  expect(server.records().filter(({ comment }) => comment === null)).toEqual(foreign.slice(1));
});

test.each([1, 2, 3, 4, 5].flatMap((at) => [{ when: 'before', at } as const, { when: 'after', at } as const]))(
  'killed $when effect $at, the next run ends in the same world',
  async (killPoint) => {
    await server.add({ type: 'A', name: 'vpn', content: '192.0.2.10', comment: 'skylab-home address' });
    await server.add({ type: 'A', name: 'turn', content: '192.0.2.99', comment: 'skylab-home address' });

    const broken = await up({}, killPoint);
    expect(broken.failed.length).toBe(killPoint.at <= 4 ? 1 : 0);
    expect((await up()).failed).toEqual([]);

    expect(addresses()).toEqual(names.map((name) => `${name} A 192.0.2.10 false skylab-home address`));
    expect((await up()).effects).toBe(0);
  },
);

test('a record whose making was not confirmed is not made twice', async () => {
  server.faults.set({ http: [{ method: 'POST', requests: [1], answer: { kind: 'lost-answer' } }] });

  expect((await up()).failed).toEqual([]);
  expect(addresses()).toHaveLength(3);
});

describe('a provider that cannot be used', () => {
  test.each([
    { kind: 'hang-before-headers' } as const,
    { kind: 'html', status: 502 } as const,
    { kind: 'rate-limited', retryAfter: '300' } as const,
  ])('stops nothing when it is away (%o): one thing unknown, no failure', async (answer) => {
    server.faults.set({ http: [{ answer }] });

    // Only a server that hangs needs a limit; the others answer, in whatever time they take.
    const outcome = await up(answer.kind === 'hang-before-headers' ? { callTimeoutMs: 500 } : {});

    expect(outcome).toMatchObject({ ran: [], failed: [], waiting: [] });
    expect(outcome.unknown).toHaveLength(1);
    expect(outcome.unknown[0]).toMatch(/^dns\.records unreachable: cannot look for the zone/);
  });

  test.each([
    [{ token: 'unknown-token' }, 'DNS_API_DENIED'],
    [{ token: tokens.other.value }, 'ZONE_NOT_FOUND'],
    [{ token: '' }, 'SECRET_UNREADABLE'],
  ])('refuses (%o) with one error', async (how, code) => {
    const { failed, ran } = await up(how);

    expect(ran).toEqual([]);
    expect(failed).toHaveLength(1);
    expect(failed[0]?.split(':')[0]).toBe(code);
  });

  test('says of a token that may only read that it may not write', async () => {
    const { failed } = await up({ token: tokens.read.value });

    expect(failed).toHaveLength(3);
    expect(failed[0]).toMatch(/^DNS_API_DENIED: .*may read this zone and not edit it/);
  });

  test('waits for the services of this host where it is to be one of them', async () => {
    const { steps, facts } = await areaWith({ api: 'http://cloudflare.localhost:9/client/v4' }).look(never);

    expect(facts['dns.records']).toMatchObject({ because: 'unreachable' });
    expect(steps).toMatchObject(
      ['wait for the DNS provider', ...names.map((name) => `create A ${name}`)].map((id) => ({
        id,
        assumed: true,
        needs: ['host.services'],
      })),
    );
  });
});

describe('the address', () => {
  test('is the one that the internet sees', async () => {
    await server.close();
    server = await startProvider({ publicAddress: '203.0.113.9' });

    expect(await up({ reachability: '{ mode: public }' })).toMatchObject({ failed: [], unknown: [] });
    expect(server.records().map(({ content }) => content)).toEqual([
      '203.0.113.9',
      '203.0.113.9',
      '203.0.113.9',
    ]);
  });

  test('that cannot be found out leaves the records as they are', async () => {
    await up();
    await server.close();
    server = await startProvider({ publicAddress: 'nonsense' });

    const outcome = await up({ reachability: '{ mode: public }' });

    expect(outcome).toMatchObject({ ran: [], failed: [] });
    expect(outcome.unknown[0]).toMatch(
      /^dns\.records unreachable: the public address of this host is not known/,
    );
    const closed = await findAddress({ from: 'internet' }, 'http://127.0.0.1:9/client/v4', http, never);
    expect(closed).toEqual({
      unknown: 'the public address of this host is not known: asking 127.0.0.1 failed (ECONNREFUSED)',
      hint: 'set reachability.address to the address itself',
    });
  });

  test.each([
    ['100.64.3.4', 'carrier-grade NAT'],
    ['192.168.1.5', 'a private address'],
  ])('%s, which nobody outside can dial, leads no name anywhere', async (address, why) => {
    await up();
    server.faults.set({ trace: { address } });

    const outcome = await up({ reachability: '{ mode: public }' });

    expect(outcome).toMatchObject({ ran: [], failed: [] });
    expect(outcome.unknown[0]).toContain(`sees this host at ${address}`);
    expect(outcome.unknown[0]).toContain(why);
  });

  test('is not known while the page of the provider fails, and not asked for before it says so', async () => {
    server.faults.set({ trace: { status: 429, retryAfter: '7' } });

    expect(await findAddress({ from: 'internet' }, server.apiUrl, http, never)).toMatchObject({
      unknown: expect.stringContaining('it answers 429') as unknown,
      retryAfterMs: 7000,
    });
  });

  test('at home is the one this host has there', async () => {
    const found = await findAddress({ from: 'lan' }, server.apiUrl, http, never);

    expect('address' in found ? found.address : found.unknown).toMatch(/^\d+\.\d+\.\d+\.\d+$|no route/);
  });
});
