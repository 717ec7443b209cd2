import { describe, expect, test } from 'vitest';
import { examineDelegation, findDelegation, judgeDelegation } from '../../../src/doctor/delegation.ts';
import { dnsOf, knows, records, type Server } from './support/dns.ts';

const domain = 'example.org';
const ours = ['ada.ns.cloudflare.com', 'bob.ns.cloudflare.com'];
const theirs = ['dns1.registrar-servers.com', 'dns2.registrar-servers.com'];
const signal = new AbortController().signal;

const resolver = (nameServers: readonly string[]): Server =>
  knows({
    'org NS': records('org', 'NS', ['a.registry.example']),
    'a.registry.example A': records('a.registry.example', 'A', ['registry']),
    [`${domain} NS`]: records(domain, 'NS', nameServers),
  });
const registry =
  (nameServers: readonly string[]): Server =>
  () => ({ authorities: records(domain, 'NS', nameServers) });

describe('who is responsible for a domain', () => {
  test('the parent is asked, whatever a resolver still remembers', async () => {
    const { view } = dnsOf({ resolver: resolver(theirs), registry: registry(ours) });

    expect(await findDelegation(view, domain, signal)).toEqual({
      nameServers: ours,
      saidBy: 'parent',
      parent: 'org',
    });
  });

  test('a resolver is asked where the parent cannot be', async () => {
    const { view } = dnsOf({ resolver: resolver(theirs) });

    expect(await findDelegation(view, domain, signal)).toMatchObject({
      nameServers: theirs,
      saidBy: 'resolver',
    });
  });

  test('a domain that the parent does not know is delegated to nobody', async () => {
    const { view } = dnsOf({ resolver: resolver(ours), registry: knows({}, true) });

    expect(await findDelegation(view, domain, signal)).toMatchObject({ nameServers: [], saidBy: 'parent' });
  });

  test('the zone above is found over labels that are no zones of their own', async () => {
    const { view } = dnsOf({ resolver: resolver(theirs), registry: registry(ours) });

    expect(await findDelegation(view, `a.b.${domain}`, signal)).toBeDefined();
  });

  test('nothing is said where nobody answers', async () => {
    const { finding, delegation } = await examineDelegation(dnsOf({}).view, domain, ours, signal);

    expect(delegation).toBeUndefined();
    expect(finding).toMatchObject({ status: 'skipped' });
  });
});

describe('whether a delegation is right', () => {
  const judge = (nameServers: readonly string[], assigned: readonly string[] | undefined = ours) =>
    judgeDelegation(domain, { nameServers, saidBy: 'parent', parent: 'org' }, assigned);

  test('the name servers that Cloudflare gave, in any order, are right', () => {
    expect(judge(ours, ours.toReversed())).toMatchObject({ status: 'passed' });
  });

  test("without the zone's own, any of Cloudflare's are taken for right", () => {
    expect(
      judgeDelegation(domain, { nameServers: ours, saidBy: 'parent', parent: 'org' }, undefined),
    ).toMatchObject({ status: 'passed' });
  });

  test('a domain left at Namecheap is called so, with what to enter there', () => {
    const finding = judge(theirs);

    expect(finding.status).toBe('failed');
    expect(finding.detail).toContain('(Namecheap)');
    expect(finding.fix).toContain('Custom DNS; enter ada.ns.cloudflare.com and bob.ns.cloudflare.com');
    expect(finding.confirm).toContain('dig +trace NS example.org');
  });

  test.each([
    ['one of both', [ours[0] ?? ''], 'bob.ns.cloudflare.com is missing'],
    [
      'ours and others',
      [...ours, ...theirs],
      'dns1.registrar-servers.com, dns2.registrar-servers.com is not',
    ],
    ["another account's", ['eve.ns.cloudflare.com', 'fay.ns.cloudflare.com'], "another account's zone"],
    ['nobody', [], 'delegated to nobody'],
  ])('%s is not right, and the detail says why', (_what, nameServers, detail) => {
    expect(judge(nameServers)).toMatchObject({
      status: 'failed',
      detail: expect.stringContaining(detail) as string,
    });
  });
});
