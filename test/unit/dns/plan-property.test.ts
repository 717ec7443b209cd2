import fc from 'fast-check';
import { expect, test } from 'vitest';
import { applyChanges, type Change } from '../../../sandbox/cloudflare/changes.ts';
import { ApiRefusal } from '../../../sandbox/cloudflare/envelope.ts';
import type { DnsRecord } from '../../../sandbox/cloudflare/record.ts';
import type { DnsDesired } from '../../../src/dns/desired.ts';
import type { RecordFields, ZoneRecord } from '../../../src/dns/observe.ts';
import { dnsFacts, planDns, type DnsStep } from '../../../src/dns/plan.ts';
import { desired, seen, zone } from './fixtures.ts';

/*
 * Worlds are zones under the provider's own rules: what it would refuse cannot be in them, and a step that it would
 * refuse fails the test.
 */

const names = [...desired().names, 'vpn.skylab.test', 'skylab.test'];
const v4 = ['192.0.2.10', '192.0.2.11', '192.0.2.12'];
const v6 = ['2001:db8::1', '2001:db8::2'];

const content = fc.oneof(
  fc.record({ type: fc.constant('A'), content: fc.constantFrom(...v4) }),
  fc.record({ type: fc.constant('AAAA'), content: fc.constantFrom(...v6) }),
  fc.record({ type: fc.constant('CNAME'), content: fc.constantFrom('elsewhere.test', 'other.test') }),
  fc.record({ type: fc.constant('TXT'), content: fc.constantFrom('"a"', '"b"') }),
);
const existing = fc.record({
  name: fc.constantFrom(...names),
  where: content,
  ttl: fc.constantFrom(1, 60, 300),
  isProxied: fc.boolean(),
  comment: fc.constantFrom('', 'skylab-home address', 'skylab-home2 address', 'skylab-home acme'),
});
const wanted = fc.record({ adopt: fc.boolean(), address: fc.constantFrom(...v4, ...v6) });

let lastId = 0;
const changed = (records: readonly DnsRecord[], change: Change): readonly DnsRecord[] => {
  const newId = () => String((lastId += 1));
  return applyChanges(zone.name, records, [change], { at: '2026-01-01T00:00:00.000Z', newId }, 81058).records;
};

const zoneOf = (makers: readonly (typeof existing extends fc.Arbitrary<infer T> ? T : never)[]) => {
  let records: readonly DnsRecord[] = [];
  for (const { name, where, ttl, isProxied, comment } of makers) {
    const proxied = isProxied && where.type !== 'TXT';
    try {
      records = changed(records, { kind: 'post', fields: { name, ttl, proxied, comment, ...where } });
    } catch (error) {
      if (!(error instanceof ApiRefusal)) throw error;
    }
  }
  return records;
};

const worldOf = (records: readonly DnsRecord[], address: string) =>
  seen(
    records.map((one): ZoneRecord => ({ ...one, ttlSeconds: one.ttl, comment: one.comment ?? '' })),
    address,
  );

const bodyOf = ({ ttlSeconds, ...fields }: RecordFields) => ({ ...fields, ttl: ttlSeconds, proxied: false });

const carriedOut = (records: readonly DnsRecord[], step: DnsStep): readonly DnsRecord[] => {
  switch (step.kind) {
    case 'create':
      return changed(records, { kind: 'post', fields: bodyOf(step.fields) });
    case 'update':
      return changed(records, { kind: 'patch', id: step.recordId, fields: bodyOf(step.fields) });
    case 'remove':
      return changed(records, { kind: 'delete', id: step.recordId });
    case 'find-zone':
    case 'await-provider':
      break;
  }
  return records;
};

const isOurs = (one: DnsRecord, want: DnsDesired) => one.comment === want.comment && one.type !== 'TXT';

const cases = fc.tuple(fc.array(existing, { maxLength: 12 }), wanted);

test('one step after the other, each planned anew, ends with nothing left to do', () => {
  fc.assert(
    fc.property(cases, ([makers, { adopt, address }]) => {
      const want = desired({ adopt, address: { from: 'settings', address } });
      let records = zoneOf(makers);
      const taken = new Map<string, number>();
      for (;;) {
        const [step] = planDns(want, worldOf(records, address));
        if (step === undefined) break;
        taken.set(step.id, (taken.get(step.id) ?? 0) + 1);
        expect(`${step.id}: ${taken.get(step.id)}`).toBe(`${step.id}: 1`);
        records = carriedOut(records, step);
      }
      const fact = dnsFacts(want, worldOf(records, address))['dns.records'];
      if (adopt) expect(fact).toBe(true);
      else expect(fact === true || fact?.because === 'conflict').toBe(true);
    }),
    { numRuns: 500 },
  );
});

test('the whole plan at once leads to a world that needs no plan', () => {
  fc.assert(
    fc.property(cases, ([makers, { adopt, address }]) => {
      const want = desired({ adopt, address: { from: 'settings', address } });
      const before = zoneOf(makers);

      const after = planDns(want, worldOf(before, address)).reduce(carriedOut, before);

      expect(planDns(want, worldOf(after, address))).toEqual([]);
    }),
    { numRuns: 500 },
  );
});

test('without being told to adopt, no plan changes what another maker or another task of ours made', () => {
  fc.assert(
    fc.property(cases, ([makers, { address }]) => {
      const want = desired({ address: { from: 'settings', address } });
      const before = zoneOf(makers);
      const others = before.filter((one) => !isOurs(one, want));

      const after = planDns(want, worldOf(before, address)).reduce(carriedOut, before);

      expect(after.filter((one) => !isOurs(one, want))).toEqual(others);
    }),
    { numRuns: 500 },
  );
});

test('adopting touches only what leads one of our names', () => {
  fc.assert(
    fc.property(cases, ([makers, { address }]) => {
      const want = desired({ adopt: true, address: { from: 'settings', address } });
      const before = zoneOf(makers);
      const isElsewhere = (one: DnsRecord) =>
        !isOurs(one, want) && (one.type === 'TXT' || !want.names.includes(one.name));

      const after = planDns(want, worldOf(before, address)).reduce(carriedOut, before);

      expect(after.filter(isElsewhere)).toEqual(before.filter(isElsewhere));
    }),
    { numRuns: 500 },
  );
});
