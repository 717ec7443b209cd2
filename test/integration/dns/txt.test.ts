import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Cloudflare as Provider } from '../../../sandbox/cloudflare/server.ts';
import { createCloudflare } from '../../../src/dns/cloudflare.ts';
import { createPropagation } from '../../../src/dns/propagation.ts';
import { createTxtPort } from '../../../src/dns/txt.ts';
import { createEffects, type Effects } from '../../../src/orchestrator/effects.ts';
import { createHttp, type Http } from '../../../src/shared/http.ts';
import { createRedactor } from '../../../src/shared/redact.ts';
import { startProvider, tokens, zoneName } from '../../support/cloudflare.ts';

const name = `_acme-challenge.netbird.${zoneName}`;
const comment = 'skylab-home acme';
const never = new AbortController().signal;
let server: Provider;
let http: Http;
let effects: Effects;
let said: string[];

beforeEach(async () => {
  server = await startProvider();
  http = createHttp();
  said = [];
  effects = createEffects({
    redactor: createRedactor(),
    onEffect: (kind, what) => said.push(`${kind}: ${what}`),
  });
});
afterEach(async () => {
  http.close();
  await server.close();
});

const port = () => {
  const provider = createCloudflare({
    api: server.apiUrl,
    http,
    token: async () => Promise.resolve(tokens.edit.value),
  });
  const authoritative = [`127.0.0.1:${server.dnsPort}`];
  return createTxtPort(provider, createPropagation({ resolvers: [], authoritative, lookup: http.lookup }));
};

test('a value is presented quoted and marked, seen by the name server, and removed', async () => {
  const record = await port().present(name, 'value-1', comment, effects, never);

  expect(record).toMatchObject({ zoneId: server.zone.id, name, value: 'value-1' });
  expect(server.records()).toMatchObject([{ id: record.id, content: '"value-1"', ttl: 60, comment }]);
  await port().untilPropagated(name, 'value-1', 60_000, never);
  await port().remove(record, effects, never);
  await port().remove(record, effects, never);
  expect(server.records()).toEqual([]);
  expect(said).toEqual([`http: create TXT ${name}`, `http: remove TXT ${name}`, `http: remove TXT ${name}`]);
});

test('two values live at one name, and each goes alone', async () => {
  const [first, second] = await Promise.all(
    ['value-1', 'value-2'].map(async (value) => port().present(name, value, comment, effects, never)),
  );
  if (first === undefined || second === undefined) throw new Error('no records');

  await port().remove(first, effects, never);

  expect(server.records()).toMatchObject([{ id: second.id }]);
});

test.each(['value-1', '"value-1"'])(
  'a value that is there already (stored as %s) is adopted with its id and marked',
  async (content) => {
    const there = await server.add({ type: 'TXT', name, content });
    await server.add({ type: 'TXT', name, content: 'value-2' });

    const record = await port().present(name, 'value-1', comment, effects, never);

    expect(record.id).toBe(there.id);
    expect(server.records()).toHaveLength(2);
    expect(server.records().find(({ id }) => id === there.id)).toMatchObject({ comment });
  },
);

test('the older code for a double means the same', async () => {
  await server.close();
  server = await startProvider({ duplicateCode: 81057 });
  const there = await server.add({ type: 'TXT', name, content: 'value-1', comment });

  expect(await port().present(name, 'value-1', comment, effects, never)).toMatchObject({ id: there.id });
});

test('a double that is not on the list is an error, not an endless loop', async () => {
  server.faults.set({
    http: [
      {
        method: 'POST',
        answer: { kind: 'error', status: 400, code: 81058, message: 'An identical record already exists.' },
      },
    ],
  });

  await expect(port().present(name, 'value-1', comment, effects, never)).rejects.toMatchObject({
    code: 'DNS_API_FAILED',
  });
});

test('leftovers are TXT records with our mark below the domain, and nothing else', async () => {
  const ours = await server.add({ type: 'TXT', name, content: '"left"', comment });
  await server.add({ type: 'TXT', name, content: 'foreign' });
  await server.add({ type: 'TXT', name, content: 'other host', comment: 'skylab-home2 acme' });
  await server.add({ type: 'TXT', name: 'elsewhere', content: 'other task', comment: 'skylab-home other' });
  await server.add({ type: 'TXT', name: 'other-netbird', content: 'neighbour', comment });
  await server.add({ type: 'A', name: 'netbird', content: '192.0.2.1', comment });

  expect(await port().leftovers(`netbird.${zoneName}`, 'skylab-home acme', never)).toEqual([
    { id: ours.id, zoneId: server.zone.id, name, value: 'left' },
  ]);
  expect(await port().leftovers(`pocketid.${zoneName}`, 'skylab-home', never)).toEqual([]);
  expect(await port().leftovers(zoneName, 'skylab-home', never)).toHaveLength(3);
});
