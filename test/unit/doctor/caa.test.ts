import { expect, test } from 'vitest';
import { judgeCaa } from '../../../src/doctor/caa.ts';

const name = 'pocketid.example.org';
const account = 'https://acme.example/acct/7';
const issuer = { identities: ['letsencrypt.org'], account };
const record = (tag: string, value: string, critical = false) => ({ tag, value, critical });
const judge = (...records: readonly ReturnType<typeof record>[]) =>
  judgeCaa(name, { at: 'example.org', records }, issuer).status;

test.each([
  ['no record at all', []],
  ['a record that names nobody for names', [record('issuewild', ';'), record('iodef', 'mailto:a@b.test')]],
  ['our authority', [record('issue', 'letsencrypt.org')]],
  ['our authority in other letters', [record('ISSUE', ' LetsEncrypt.org ; ')]],
  ['our authority beside another', [record('issue', 'other.test'), record('issue', 'letsencrypt.org')]],
  ['our account', [record('issue', `letsencrypt.org; accounturi=${account}`)]],
  ['our method', [record('issue', 'letsencrypt.org; validationmethods=http-01,dns-01')]],
] as const)('%s lets us issue', (_what, records) => {
  expect(judge(...records)).toBe('passed');
});

test.each([
  ['nobody', [record('issue', ';')]],
  ['another authority', [record('issue', 'other.test')]],
  ['another account', [record('issue', `letsencrypt.org; accounturi=${account}8`)]],
  ['another method', [record('issue', 'letsencrypt.org; validationmethods=http-01')]],
  ['an unknown property that is critical', [record('issue', 'letsencrypt.org'), record('tbs', 'x', true)]],
] as const)('%s does not', (_what, records) => {
  expect(judge(...records)).toBe('failed');
});
