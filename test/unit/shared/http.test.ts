import { describe, expect, test } from 'vitest';
import { isOfThisMachine, retryAfterMs } from '../../../src/shared/http.ts';

describe('Retry-After', () => {
  const nowMs = Date.parse('2026-11-22T12:00:00Z');

  test.each([
    ['120', 120_000],
    [' 0 ', 0],
    ['Sun, 22 Nov 2026 13:00:00 GMT', 3_600_000],
    ['Sun, 22 Nov 2026 11:00:00 GMT', 0],
    ['soon', undefined],
    ['', undefined],
    [undefined, undefined],
  ])('%s means %s ms', (header, waitMs) => {
    expect(retryAfterMs(header, nowMs)).toBe(waitMs);
  });
});

test.each([
  ['http://localhost:1411', true],
  ['https://netbird.skylab.localhost:18443/api', true],
  ['http://127.0.0.53', true],
  ['http://[::1]:80', true],
  ['https://api.cloudflare.com/client/v4', false],
  ['https://localhost.example.org', false],
  ['http://[2001:db8::1]', false],
])('%s is of this machine: %s', (url, isSo) => {
  expect(isOfThisMachine(url)).toBe(isSo);
});
