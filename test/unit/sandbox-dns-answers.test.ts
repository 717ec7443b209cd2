import type { RecordType as DnsType } from 'dns-packet';
import { expect, test } from 'vitest';
import { answer, type ServedZone } from '../../sandbox/cloudflare/dns-answers.ts';
import type { DnsRecord, RecordFields } from '../../sandbox/cloudflare/record.ts';

const record = (
  fields: Pick<RecordFields, 'name' | 'type' | 'content'> & Partial<RecordFields>,
): DnsRecord => ({
  id: `${fields.name}/${fields.content}`,
  ttl: 1,
  proxied: false,
  comment: null,
  tags: [],
  createdAt: '2026-01-01T00:00:00.000Z',
  modifiedAt: '2026-01-01T00:00:00.000Z',
  ...fields,
});

const zone = (name: string, ...records: DnsRecord[]): ServedZone => ({
  name,
  serial: 7,
  records,
  nameServers: [{ name: `ns1.${name}`, address: '192.0.2.53' }],
});

const ask = (zones: readonly ServedZone[], name: string, type: DnsType) => {
  const { rcode, answers } = answer(zones, { name, type });
  return [rcode, ...answers.map((one) => `${one.name} ${one.type}`)];
};

test('the most specific zone answers, not its parent', () => {
  const zones = [
    zone('a.test', record({ name: 'x.b.a.test', type: 'A', content: '192.0.2.1' })),
    zone('b.a.test'),
  ];

  expect(ask(zones, 'x.b.a.test', 'A')).toEqual(['NXDOMAIN']);
});

test('a loop of aliases ends', () => {
  const zones = [
    zone(
      'a.test',
      record({ name: 'one.a.test', type: 'CNAME', content: 'two.a.test' }),
      record({ name: 'two.a.test', type: 'CNAME', content: 'one.a.test' }),
    ),
  ];

  expect(ask(zones, 'one.a.test', 'A')).toHaveLength(9);
});

test('the alias itself can be asked for', () => {
  const zones = [zone('a.test', record({ name: 'one.a.test', type: 'CNAME', content: 'two.a.test' }))];

  expect(ask(zones, 'one.a.test', 'CNAME')).toEqual(['NOERROR', 'one.a.test CNAME']);
});

test('an explicit name shadows the wildcard even for types it does not have', () => {
  const zones = [
    zone(
      'a.test',
      record({ name: '*.a.test', type: 'CNAME', content: 'elsewhere.test' }),
      record({ name: '_acme-challenge.a.test', type: 'TXT', content: 'v' }),
    ),
  ];

  expect(ask(zones, '_acme-challenge.a.test', 'TXT')).toEqual(['NOERROR', '_acme-challenge.a.test TXT']);
  expect(ask(zones, '_acme-challenge.a.test', 'A')).toEqual(['NOERROR']);
  expect(ask(zones, 'other.a.test', 'A')).toEqual(['NOERROR', 'other.a.test CNAME']);
});

test('the serial of the SOA is that of the zone', () => {
  const { answers } = answer([zone('a.test')], { name: 'A.TEST.', type: 'SOA' });

  expect(answers).toMatchObject([
    { name: 'a.test', data: { serial: 7, minimum: 1800, mname: 'ns1.a.test' } },
  ]);
});

test('another class than IN is refused', () => {
  expect(answer([zone('a.test')], { name: 'a.test', type: 'SOA', class: 'CH' }).rcode).toBe('REFUSED');
});
