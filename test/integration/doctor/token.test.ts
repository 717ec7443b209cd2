import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import type { Cloudflare } from '../../../sandbox/cloudflare/server.ts';
import { createTokenReader } from '../../../src/dns/wire/token-reader.ts';
import { examineToken } from '../../../src/doctor/token.ts';
import { StackError } from '../../../src/shared/errors.ts';
import { createHttp } from '../../../src/shared/http.ts';
import { startProvider, tokens, zoneName } from '../../support/cloudflare.ts';

const http = createHttp();
const signal = new AbortController().signal;
const endsSoon = {
  value: 'ends-soon',
  zones: [zoneName],
  endsOn: new Date(Date.now() + 5.5 * 86_400_000).toISOString(),
};
let provider: Cloudflare;

beforeAll(async () => {
  provider = await startProvider({ tokens: [...Object.values(tokens), endsSoon] });
});
afterAll(async () => {
  http.close();
  await provider.close();
});
beforeEach(() => {
  provider.faults.clear();
});

const examine = async (value: string, domain: string = zoneName) =>
  examineToken(createTokenReader({ api: provider.apiUrl, http, token: async () => value }), domain, signal);

test('a token that may edit the zone is good, and the zone comes with its name servers', async () => {
  const before = provider.records();
  const found = await examine(tokens.edit.value);

  expect(found).toMatchObject({
    finding: { status: 'passed', detail: `may edit ${zoneName}` },
    zone: { name: zoneName, nameServers: [`ns1.${zoneName}`] },
    mayEdit: true,
  });
  expect(provider.records()).toEqual(before);
});

test('a name below a zone belongs to it', async () => {
  expect((await examine(tokens.edit.value, `home.${zoneName}`)).zone?.name).toBe(zoneName);
});

test('the token of an account is good although it cannot be verified as one of a user', async () => {
  expect((await examine(tokens.account.value)).finding).toMatchObject({ status: 'passed' });
});

test('a token that ends soon is good, and its end is said', async () => {
  expect((await examine(endsSoon.value)).finding.detail).toMatch(/\(5 days\): make a new one/);
});

test.each([
  ['may only read', tokens.read.value, `may read ${zoneName} and not edit it`],
  ['is for another zone', tokens.other.value, 'sees only other.test'],
  ['is unknown', 'nobodys-token', 'unknown'],
  ['is no token', 'not a token', 'does not have the form of one'],
])('a token that %s is found, with the template to use', async (_what, value, detail) => {
  const { finding } = await examine(value);

  expect(finding).toMatchObject({ status: 'failed', detail: expect.stringContaining(detail) as string });
  expect(finding.fix).toContain('Edit zone DNS');
});

test('a token that cannot be read is a finding, with the fix of the error', async () => {
  const reader = createTokenReader({
    api: provider.apiUrl,
    http,
    token: async () => {
      throw new StackError('SECRET_UNREADABLE', 'there is no file x', { hint: 'write it' });
    },
  });

  expect((await examineToken(reader, zoneName, signal)).finding).toMatchObject({
    status: 'failed',
    detail: 'there is no file x',
    fix: 'write it',
  });
});

test('a provider that fails or does not answer says nothing about the token', async () => {
  provider.faults.set({ http: [{ answer: { kind: 'html', status: 502 } }] });
  expect((await examine(tokens.edit.value)).finding).toMatchObject({ status: 'skipped' });

  const nowhere = createTokenReader({ api: 'http://127.0.0.1:9/client/v4', http, token: async () => 'x' });
  expect((await examineToken(nowhere, zoneName, signal)).finding).toMatchObject({ status: 'skipped' });
});
