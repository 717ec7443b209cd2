import { Resolver } from 'node:dns/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Cloudflare as Provider } from '../../../sandbox/cloudflare/server.ts';
import { askTcp, askUdp, startProvider, zoneName } from '../../support/cloudflare.ts';

let provider: Provider;
let resolver: Resolver;

beforeAll(async () => {
  provider = await startProvider({ nameServers: [{}, {}] });
  resolver = new Resolver({ timeout: 10_000, tries: 1 });
  resolver.setServers([`127.0.0.1:${provider.dnsPort}`]);
  await provider.add({ type: 'A', name: 'home', content: '192.0.2.1', ttl: 60 });
  await provider.add({ type: 'AAAA', name: 'home', content: '2001:db8::7' });
  await provider.add({ type: 'CNAME', name: 'alias', content: `home.${zoneName}` });
  await provider.add({ type: 'CAA', name: '@', content: '0 issue "letsencrypt.org"' });
  await provider.add({ type: 'TXT', name: 'deep.empty', content: '"x"' });
  await provider.add({ type: 'TXT', name: '*.wild', content: '"any"' });
  await provider.add({ type: 'A', name: 'proxied', content: '192.0.2.1', proxied: true });
});
afterAll(async () => {
  await provider.close();
});

const ask = (name: string, type: Parameters<typeof askUdp>[0]['type']) => ({
  port: provider.dnsPort,
  name,
  type,
});
const summary = async (...asked: Parameters<typeof ask>) => {
  const { packet } = await askUdp(ask(...asked));
  const types = (list: typeof packet.answers) => list?.map((one) => one.type).join() ?? '';
  return `${packet.rcode} aa=${packet.flag_aa} [${types(packet.answers)}] [${types(packet.authorities)}]`;
};

test("Node's resolver reads every type that is served", async () => {
  expect(await resolver.resolve4(`home.${zoneName}`, { ttl: true })).toEqual([
    { address: '192.0.2.1', ttl: 60 },
  ]);
  expect(await resolver.resolve6(`home.${zoneName}`)).toEqual(['2001:db8::7']);
  expect(await resolver.resolveCname(`alias.${zoneName}`)).toEqual([`home.${zoneName}`]);
  expect(await resolver.resolve4(`alias.${zoneName}`)).toEqual(['192.0.2.1']);
  expect(await resolver.resolveCaa(zoneName)).toEqual([{ critical: 0, issue: 'letsencrypt.org' }]);
  expect(await resolver.resolveNs(zoneName)).toEqual([`ns1.${zoneName}`, `ns2.${zoneName}`]);
  expect(await resolver.resolve4(`ns2.${zoneName}`)).toEqual(['127.0.0.1']);
  expect(await resolver.resolveSoa(zoneName)).toMatchObject({ nsname: `ns1.${zoneName}`, minttl: 1800 });
});

test('a name that is not there is NXDOMAIN, one without the type is NODATA, both with the SOA', async () => {
  expect(await summary(`nobody.${zoneName}`, 'A')).toBe('NXDOMAIN aa=true [] [SOA]');
  expect(await summary(`home.${zoneName}`, 'TXT')).toBe('NOERROR aa=true [] [SOA]');
  expect(await summary(`empty.${zoneName}`, 'TXT')).toBe('NOERROR aa=true [] [SOA]');
});

test('an answer is authoritative; names outside the zones are refused', async () => {
  expect(await summary(`home.${zoneName}`, 'A')).toBe('NOERROR aa=true [A] []');
  expect(await summary('example.org', 'A')).toBe('REFUSED aa=false [] []');
  expect(await summary(`not${zoneName}`, 'A')).toBe('REFUSED aa=false [] []');
});

test('letters of either case ask for the same name, and the question comes back as it was', async () => {
  const { packet } = await askUdp(ask(`HoMe.${zoneName.toUpperCase()}`, 'A'));

  expect(packet.answers).toMatchObject([{ type: 'A', data: '192.0.2.1' }]);
  expect(packet.questions).toMatchObject([{ name: `HoMe.${zoneName.toUpperCase()}` }]);
});

test('a wildcard answers for names that do not exist, and for no others', async () => {
  expect(await summary(`a.b.wild.${zoneName}`, 'TXT')).toBe('NOERROR aa=true [TXT] []');
  expect(await summary(`wild.${zoneName}`, 'TXT')).toBe('NOERROR aa=true [] [SOA]');
});

test('an alias to a name that is not there is NXDOMAIN with the alias; one out of the zone ends there', async () => {
  await provider.add({ type: 'CNAME', name: 'dangling', content: `nobody.${zoneName}` });
  await provider.add({ type: 'CNAME', name: 'away', content: 'example.org' });

  expect(await summary(`dangling.${zoneName}`, 'A')).toBe('NXDOMAIN aa=true [CNAME] [SOA]');
  expect(await summary(`away.${zoneName}`, 'A')).toBe('NOERROR aa=true [CNAME] []');
});

test('a proxied record leads to the edge, not home', async () => {
  expect(await resolver.resolve4(`proxied.${zoneName}`)).toEqual(['198.51.100.1']);
});

test('every name server serves every change at once', async () => {
  await provider.add({ type: 'TXT', name: 'both', content: 'now' });

  for (const { port } of provider.nameServers) {
    const answer = await askTcp({ port, name: `both.${zoneName}`, type: 'TXT' });
    expect(answer.answers).toMatchObject([{ data: [Buffer.from('now')] }]);
  }
});

describe('large values', () => {
  test('a TXT value over 255 bytes is split and read back whole', async () => {
    const value = `${'ü'.repeat(300)}end`;
    await provider.add({ type: 'TXT', name: 'long', content: value });

    const answer = await askTcp(ask(`long.${zoneName}`, 'TXT'));
    const [record] = answer.answers ?? [];
    const parts = record?.type === 'TXT' ? (record.data as Buffer[]) : [];

    expect(parts.map((part) => part.length)).toEqual([255, 255, 93]);
    expect(Buffer.concat(parts).toString()).toBe(value);
    expect(await resolver.resolveTxt(`long.${zoneName}`)).toHaveLength(1);
  });

  test('quoted strings stay apart, with their escapes undone', async () => {
    await provider.add({ type: 'TXT', name: 'quoted', content: String.raw`"a\"b" "c\\d\065"` });

    expect(await resolver.resolveTxt(`quoted.${zoneName}`)).toEqual([['a"b', String.raw`c\dA`]]);
  });

  test('an answer too large for UDP is truncated, and whole over TCP', async () => {
    for (let n = 0; n < 6; n += 1) {
      await provider.add({ type: 'TXT', name: 'many', content: `${n}${'x'.repeat(150)}` });
    }
    const asked = ask(`many.${zoneName}`, 'TXT');

    const plain = await askUdp(asked);
    expect(plain.packet).toMatchObject({ flag_tc: true, flag_aa: true, answers: [] });
    expect(plain.bytes).toBeLessThanOrEqual(512);
    expect((await askTcp(asked)).answers).toHaveLength(6);
    expect(await resolver.resolveTxt(`many.${zoneName}`)).toHaveLength(6);
  });

  test('EDNS lets a larger answer through, up to 1232 bytes', async () => {
    const asked = ask(`many.${zoneName}`, 'TXT');

    expect((await askUdp({ ...asked, udpBytes: 4096 })).packet).toMatchObject({ flag_tc: false });
    expect((await askUdp({ ...asked, udpBytes: 600 })).packet).toMatchObject({ flag_tc: true });
  });
});
