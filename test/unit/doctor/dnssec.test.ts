import { expect, test } from 'vitest';
import { isDsOf, judgeDnssec, keyTagOf } from '../../../src/doctor/dnssec.ts';

/** The example of RFC 4034 §5.4. */
const key = {
  flags: 256,
  algorithm: 5,
  key: Buffer.from(
    'AQOeiiR0GOMYkDshWoSKz9XzfwJr1AYtsmx3TGkJaNXVbfi/2pHm822aJ5iI9BMzNXxeYCmZDRD99WYwYqUSdjMmmAphXdvxegXd/M5+X7OrzKBaMbCVdFLUUh6DhweJBjEVv5f2wwjM9XzcnOf+EPbtG9DMBmADjFDc2w/rljwvFw==',
    'base64',
  ),
};
const name = 'dskey.example.com';
const ds = (digestType: number, digest: string, keyTag = 60_485) => ({
  keyTag,
  algorithm: 5,
  digestType,
  digest: Buffer.from(digest, 'hex'),
});
const sha1 = ds(1, '2BB183AF5F22588179A53B0A98631FAD1A292118');
/** RFC 4509 §2.3. */
const sha256 = ds(2, 'D4B7D520E7BB5F0F67674A0CCEB1E3E0614B93C4F9E99B8383F6A1E4469DA50A');

test('the tag of a key is that of RFC 4034', () => {
  expect(keyTagOf(key)).toBe(60_485);
});

test('the DS records of RFC 4034 and RFC 4509 belong to their key, and to no other name', () => {
  expect(isDsOf(name, sha1, key)).toBe(true);
  expect(isDsOf(name.toUpperCase(), sha256, key)).toBe(true);
  expect(isDsOf('other.example.com', sha256, key)).toBe(false);
});

const well = { checked: 'NOERROR', unchecked: 'NOERROR' };

test('a zone is fine unsigned, and signed with one DS record that fits', () => {
  expect(judgeDnssec(name, { ds: [], keys: [], ...well }).status).toBe('passed');
  expect(judgeDnssec(name, { ds: [ds(2, '00', 1), sha256], keys: [key], ...well }).status).toBe('passed');
});

test('a DS record without its key is found, with where to remove it', () => {
  const finding = judgeDnssec(name, { ds: [ds(2, '00', 1)], keys: [key], ...well });

  expect(finding.status).toBe('failed');
  expect(finding.detail).toContain('for the key 1, and the zone has only 60485');
  expect(finding.fix).toContain('where the domain was bought');
});

test('a resolver that refuses for other reasons than validation is no finding', () => {
  const dead = { checked: 'SERVFAIL', unchecked: 'SERVFAIL' };
  expect(judgeDnssec(name, { ds: [], keys: [], ...dead }).status).toBe('passed');
});
