import { expect, test } from 'vitest';
import { followedText } from '../../../src/commands/followed.ts';

const known = {
  address: '203.0.113.9',
  since: '2026-03-01T04:12:33.000Z',
  seen: '2026-03-05T10:10:01.000Z',
};
const failure = { since: '2026-03-05T09:00:00.000Z', message: 'the token is unknown', hint: 'make a token' };

test('the followed address is one line: which, since when, last seen', () => {
  expect(followedText(known)).toBe('203.0.113.9 since 2026-03-01 04:12 UTC, last seen 2026-03-05 10:10 UTC');
  expect(followedText({})).toBe('not known yet: the service certs looks for it');
});

test('what is in the way stands at its end, with what to do', () => {
  expect(followedText({ ...known, failure: { of: 'records', ...failure } })).toBe(
    '203.0.113.9 since 2026-03-01 04:12 UTC, last seen 2026-03-05 10:10 UTC; the records do not follow since 2026-03-05 09:00 UTC: the token is unknown (make a token)',
  );
  expect(followedText({ failure: { of: 'address', ...failure } })).toContain(
    'not known yet: the service certs looks for it; nothing newer is known since 2026-03-05 09:00 UTC',
  );
});
