import { expect, test } from 'vitest';
import { examineRebind, examineResolver, judgeRebind } from '../../../src/doctor/rebind.ts';
import { dnsOf, knows, records } from './support/dns.ts';

const signal = new AbortController().signal;
const domain = 'example.org';
const name = `netbird.${domain}`;
const truth = ['192.168.1.5'];
const at = [{ address: 'authoritative', port: 53 }];
const answers = (data: readonly string[]) => knows({ [`${name} A`]: records(name, 'A', data) }, true);

test('a resolver that passes on addresses at home is fine', async () => {
  const { view } = dnsOf({ authoritative: answers(truth), resolver: answers(truth) });

  expect(await examineRebind(view, at, { domain, name }, signal)).toMatchObject({ status: 'passed' });
});

test.each([
  ['an empty answer', 'NOERROR', [], 'an empty answer'],
  ['no such name', 'NXDOMAIN', [], 'NXDOMAIN'],
  ['a refusal', 'REFUSED', [], 'REFUSED'],
  ['another address', 'NOERROR', ['0.0.0.0'], '0.0.0.0'],
])('%s instead is rebind protection, and the routers are named', (_what, rcode, addresses, seen) => {
  const finding = judgeRebind(domain, { name, truth, resolved: { rcode, addresses } });

  expect(finding).toMatchObject({ status: 'failed', detail: expect.stringContaining(seen) as string });
  for (const router of ['FRITZ!Box', 'Pi-hole', 'OpenWrt', 'unbound']) expect(finding.fix).toContain(router);
});

test('a public address is nothing that a router hides', () => {
  expect(judgeRebind(domain, { name, truth: ['203.0.113.7'], resolved: undefined })).toMatchObject({
    status: 'skipped',
  });
});

test('a resolver that is silent is not judged', async () => {
  const { view } = dnsOf({ authoritative: answers(truth) });

  expect(await examineRebind(view, at, { domain, name }, signal)).toMatchObject({ status: 'skipped' });
});

const names = {
  hidden: { name: 'hidden.test', address: '192.168.1.1' },
  open: { name: 'open.test', address: '1.1.1.1' },
};
const open = { 'open.test A': records('open.test', 'A', ['1.1.1.1']) };

test('before there are records a name that everybody may ask for shows it', async () => {
  const passing = dnsOf({
    resolver: knows({ ...open, 'hidden.test A': records('hidden.test', 'A', ['192.168.1.1']) }),
  });
  const hiding = dnsOf({ resolver: knows(open) });
  const down = dnsOf({ resolver: knows({}) });

  const statusOf = async ({ view }: typeof passing) =>
    (await examineResolver(view, domain, signal, names)).status;
  expect(await statusOf(passing)).toBe('passed');
  expect(await statusOf(hiding)).toBe('failed');
  expect(await statusOf(down)).toBe('skipped');
});
