import { describe, expect, test } from 'vitest';
import { dnsFacts, isMarked, planDns } from '../../../src/dns/plan.ts';
import type { DnsWorld } from '../../../src/dns/observe.ts';
import { StackError } from '../../../src/shared/errors.ts';
import { both, desired, record, seen, zone } from './fixtures.ts';

const ids = (world: DnsWorld, wanted = desired()) => planDns(wanted, world).map((step) => step.id);
const fact = (world: DnsWorld, wanted = desired()) => dnsFacts(wanted, world)['dns.records'];
const foreign = { comment: '' } as const;

describe('records of ours', () => {
  test('are created where there are none, each with its reason', () => {
    expect(planDns(desired(), seen([]))).toMatchObject([
      {
        kind: 'create',
        id: 'create A netbird.skylab.test',
        why: 'netbird.skylab.test should lead to 192.0.2.10',
        needs: [],
        uses: ['cloudflare'],
        fields: { content: '192.0.2.10', ttlSeconds: 300, comment: 'skylab-home address' },
      },
      { kind: 'create', id: 'create A pocketid.skylab.test' },
    ]);
    expect(fact(seen([]))).toMatchObject({ because: 'absent' });
  });

  test('that are right are left alone', () => {
    expect(ids(seen(both()))).toEqual([]);
    expect(fact(seen(both()))).toBe(true);
  });

  test.each([
    [{ content: '192.0.2.99' }, 'it is A 192.0.2.99, wanted 192.0.2.10'],
    [{ proxied: true }, 'it is A 192.0.2.10 (proxied), wanted 192.0.2.10'],
    [{ ttlSeconds: 60 }, 'its time to live is 60 s, wanted 300 s'],
  ])('that say %o are updated in place', (change, why) => {
    const world = seen([record({ ...change, id: 'r1' }), record({ name: 'pocketid.skylab.test' })]);

    expect(planDns(desired(), world)).toMatchObject([{ kind: 'update', recordId: 'r1', why }]);
    expect(fact(world)).toMatchObject({ because: 'absent' });
  });

  test('that are too many are removed, the right one stays', () => {
    const extra = record({ content: '192.0.2.11' });

    expect(ids(seen([extra, ...both()]))).toEqual(['remove A netbird.skylab.test 192.0.2.11']);
  });

  test('of the other family give way to the wanted one', () => {
    const wanted = desired({ address: { from: 'settings', address: '2001:db8::1' } });

    expect(ids(seen(both(), '2001:db8::1'), wanted)).toEqual([
      'remove A netbird.skylab.test 192.0.2.10',
      'create AAAA netbird.skylab.test',
      'remove A pocketid.skylab.test 192.0.2.10',
      'create AAAA pocketid.skylab.test',
    ]);
  });

  test('in another spelling of the same IPv6 address are right', () => {
    const spelled = both({ type: 'AAAA', content: '2001:DB8:0:0::1' });

    expect(ids(seen(spelled, '2001:db8::1'))).toEqual([]);
  });

  test('at names that are no longer wanted are removed', () => {
    const old = record({ name: 'vpn.skylab.test' });

    const [step, ...others] = planDns(desired(), seen([...both(), old]));
    expect(step).toMatchObject({ kind: 'remove', impact: 'remove', recordId: old.id });
    expect(others).toEqual([]);
  });

  test('made for certificates are never touched', () => {
    const challenge = record({
      type: 'TXT',
      name: '_acme-challenge.netbird.skylab.test',
      comment: 'skylab-home address',
    });

    expect(ids(seen([...both(), challenge]))).toEqual([]);
  });
});

describe('records of other makers', () => {
  test.each([
    ['A', '192.0.2.99'],
    ['AAAA', '2001:db8::99'],
    ['CNAME', 'elsewhere.test'],
  ])('%s %s at our name is a conflict, and nothing is done at that name', (type, content) => {
    const world = seen([record({ type, content, ...foreign }), record({ name: 'pocketid.skylab.test' })]);

    expect(ids(world)).toEqual([]);
    expect(fact(world)).toEqual({
      because: 'conflict',
      text: `records of another maker are in the way: netbird.skylab.test is ${type} ${content}`,
      hint: 'remove them, choose other labels under names, or run it again with --adopt',
    });
  });

  test('a conflict at one name does not stop the other', () => {
    const world = seen([record({ content: '192.0.2.99', ...foreign })]);

    expect(ids(world)).toEqual(['create A pocketid.skylab.test']);
    expect(fact(world)).toMatchObject({ because: 'conflict' });
  });

  test('that already lead to the right place are enough, and stay as they are', () => {
    const world = seen(both(foreign));

    expect(ids(world)).toEqual([]);
    expect(fact(world)).toBe(true);
  });

  test('of the right content but proxied are in the way', () => {
    expect(fact(seen(both({ ...foreign, proxied: true })))).toMatchObject({ because: 'conflict' });
  });

  test('of other types or at other names are nobody`s business', () => {
    const beside = [
      record({ type: 'TXT', content: '"v=spf1 -all"', ...foreign }),
      record({ type: 'MX', content: 'mail.skylab.test', ...foreign }),
      record({ name: 'skylab.test', content: '192.0.2.1', ...foreign }),
      record({ name: '*.skylab.test', type: 'CNAME', content: 'skylab.test', ...foreign }),
    ];

    expect(ids(seen([...both(), ...beside]))).toEqual([]);
  });

  test('are taken over when told so: the same type in place, all others removed', () => {
    const adopting = desired({ adopt: true });
    const world = seen([
      record({ id: 'r1', content: '192.0.2.99', ...foreign }),
      record({ type: 'AAAA', content: '2001:db8::99', ...foreign }),
      record({ name: 'pocketid.skylab.test', type: 'CNAME', content: 'x.test', ...foreign }),
    ]);

    expect(ids(world, adopting)).toEqual([
      'remove AAAA netbird.skylab.test 2001:db8::99',
      'update A netbird.skylab.test',
      'remove CNAME pocketid.skylab.test x.test',
      'create A pocketid.skylab.test',
    ]);
    expect(fact(world, adopting)).toMatchObject({ because: 'absent' });
  });

  test('of a host whose name begins like ours are foreign', () => {
    expect(isMarked('skylab-home address', 'skylab-home')).toBe(true);
    expect(isMarked('skylab-home', 'skylab-home')).toBe(true);
    expect(isMarked('skylab-home2 address', 'skylab-home')).toBe(false);
    expect(isMarked('skylab-home-2', 'skylab-home')).toBe(false);
    expect(isMarked('my skylab-home', 'skylab-home')).toBe(false);
  });
});

describe('what cannot be seen', () => {
  const error = new StackError('DNS_API_UNREACHABLE', 'no answer', { hint: 'wait' });

  test('a provider that does not answer leaves nothing to do and is said so', () => {
    const world: DnsWorld = { seen: 'unreachable', error, notStarted: false };

    expect(ids(world)).toEqual([]);
    expect(fact(world)).toEqual({ because: 'unreachable', text: 'no answer', hint: 'wait' });
  });

  test('a provider that this host has yet to start leaves the steps that are expected then', () => {
    const world: DnsWorld = { seen: 'unreachable', error, notStarted: true };

    expect(planDns(desired(), world)).toMatchObject([
      { id: 'wait for the DNS provider', assumed: true, needs: ['host.services'] },
      { id: 'create A netbird.skylab.test', assumed: true, needs: ['host.services'] },
      { id: 'create A pocketid.skylab.test', assumed: true, needs: ['host.services'] },
    ]);
    const unknownAddress = desired({ address: { from: 'internet' } });
    expect(planDns(unknownAddress, world)).toMatchObject([{ kind: 'await-provider', assumed: true }]);
  });

  test('a refusal becomes one step that ends with its error', () => {
    const refused = new StackError('ZONE_NOT_FOUND', 'no such zone', { hint: 'make it' });

    const steps = planDns(desired(), { seen: 'refused', error: refused });

    expect(steps).toMatchObject([
      { kind: 'find-zone', id: 'find the zone of skylab.test', why: 'no such zone' },
    ]);
  });

  test('without the address nothing is created or changed, and leftovers still go', () => {
    const world: DnsWorld = {
      seen: 'records',
      zone,
      address: { unknown: 'the public address is not known', hint: 'set it' },
      records: [record({ content: '192.0.2.99' }), record({ name: 'vpn.skylab.test' })],
    };

    expect(ids(world)).toEqual(['remove A vpn.skylab.test 192.0.2.10']);
    expect(fact(world)).toMatchObject({
      because: 'unreachable',
      text: 'the public address is not known',
      hint: 'set it',
    });
  });
});
