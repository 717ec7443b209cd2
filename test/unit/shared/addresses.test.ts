import { expect, test } from 'vitest';
import { kindOfAddress } from '../../../src/shared/addresses.ts';

test.each([
  ['192.168.1.5', 'private'],
  ['10.255.255.255', 'private'],
  ['172.32.0.1', 'public'],
  ['172.31.255.255', 'private'],
  ['100.63.255.255', 'public'],
  ['100.64.0.1', 'carrier'],
  ['100.127.255.255', 'carrier'],
  ['100.128.0.0', 'public'],
  ['127.0.0.1', 'local'],
  ['169.254.1.1', 'local'],
  ['8.8.8.8', 'public'],
  ['fd00::1', 'private'],
  ['fe80::1', 'local'],
  ['::1', 'local'],
  ['2001:db8::1', 'public'],
] as const)('%s is %s', (address, kind) => {
  expect(kindOfAddress(address)).toBe(kind);
});
