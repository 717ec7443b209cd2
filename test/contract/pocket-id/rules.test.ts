import { describe, expect, test } from 'vitest';

import { isCallbackPattern, isRegisteredCallback } from '../../../sandbox/pocket-id/callback-url.ts';
import { clientAddress, parseTrustedProxies } from '../../../sandbox/pocket-id/client-address.ts';
import { parseDurationMs } from '../../../sandbox/pocket-id/duration.ts';
import { createRateLimiter } from '../../../sandbox/pocket-id/rate-limit.ts';

describe('redirect addresses', () => {
  test.each([
    ['https://app.lab.test/cb', 'https://app.lab.test/cb'],
    ['http://localhost', 'http://localhost:53000'],
    ['http://127.0.0.1/cb', 'http://127.0.0.1:9999/cb'],
    ['http://[::1]/cb', 'http://[::1]:9999/cb'],
    ['https://*.lab.test/cb', 'https://app.lab.test/cb'],
    ['https://app.lab.test/*/cb', 'https://app.lab.test/x/cb'],
    ['https://app.lab.test/**', 'https://app.lab.test/x/y/z'],
    ['https://app.lab.test:*/cb', 'https://app.lab.test:8443/cb'],
    ['https://app.lab.test/cb?id=*', 'https://app.lab.test/cb?id=5'],
    ['app.scheme://callback', 'app.scheme://callback'],
    ['*', 'https://anywhere.test/'],
  ])('%s admits %s', (pattern, address) => {
    expect(isRegisteredCallback([pattern], address)).toBe(true);
  });

  test.each([
    ['https://app.lab.test/cb', 'https://app.lab.test/cb/'],
    ['https://app.lab.test/cb', 'https://app.lab.test/cb?x=1'],
    ['https://app.lab.test/cb', 'http://app.lab.test/cb'],
    ['http://localhost:53000', 'http://localhost:50999'],
    ['https://localhost', 'https://localhost:53000'],
    ['http://app.lab.test', 'http://app.lab.test:8080'],
    ['https://*.lab.test/cb', 'https://a.b.lab.test/cb'],
    ['https://*.lab.test/cb', 'https://evil.test/x.lab.test/cb'],
    ['https://app.lab.test/*', 'https://app.lab.test/x/y'],
    ['https://app.lab.test/cb?id=*', 'https://app.lab.test/cb?other=5'],
    ['https://appXlab.test/cb', 'https://app.lab.test/cb'],
  ])('%s keeps out %s', (pattern, address) => {
    expect(isRegisteredCallback([pattern], address)).toBe(false);
  });

  test('what has no scheme or runs code cannot be registered', () => {
    expect(['app.lab.test/cb', 'javascript:alert(1)', 'DATA:text/html,x'].map(isCallbackPattern)).toEqual([
      false,
      false,
      false,
    ]);
  });
});

describe('the address of a caller', () => {
  test.each([
    ['', '10.0.0.1', '203.0.113.9', '10.0.0.1'],
    ['true', '10.0.0.1', '203.0.113.9, 10.0.0.7', '203.0.113.9'],
    ['10.0.0.0/24', '10.0.0.1', '198.51.100.1, 203.0.113.9, 10.0.0.7', '203.0.113.9'],
    ['10.0.0.0/24', '::ffff:10.0.0.1', '203.0.113.9', '203.0.113.9'],
    ['10.0.0.2', '10.0.0.1', '203.0.113.9', '10.0.0.1'],
    ['fd00::/8,10.0.0.1', 'fd00::5', '203.0.113.9', '203.0.113.9'],
    ['true', '10.0.0.1', 'not an address', '10.0.0.1'],
    ['true', '10.0.0.1', undefined, '10.0.0.1'],
  ])('with TRUST_PROXY=%s, peer %s and X-Forwarded-For %s is %s', (trust, peer, forwarded, expected) => {
    expect(clientAddress(peer, forwarded, parseTrustedProxies(trust))).toBe(expected);
  });
});

test.each([
  ['15m', 900_000],
  ['1h30m', 5_400_000],
  ['1.5s', 1500],
  ['-5s', -5000],
  ['0', 0],
  ['1d', undefined],
  ['', undefined],
  ['h', undefined],
])('the duration %s is %s ms', (text, expected) => {
  expect(parseDurationMs(text)).toBe(expected);
});

test('a rate limit admits its burst, then refills with time, for each address', () => {
  let nowMs = 0;
  const take = createRateLimiter(() => nowMs);
  const fill = Array.from({ length: 6 }, () => take('oneTimeAccess', 'a'));
  expect(fill).toEqual([0, 0, 0, 0, 0, 10]);
  expect(take('oneTimeAccess', 'b')).toBe(0);
  nowMs += 4000;
  expect(take('oneTimeAccess', 'a')).toBe(6);
  nowMs += 6000;
  expect([take('oneTimeAccess', 'a'), take('oneTimeAccess', 'a')]).toEqual([0, 10]);
});
