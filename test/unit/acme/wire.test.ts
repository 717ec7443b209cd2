import { describe, expect, test } from 'vitest';
import { compareClocks, problemOf, refused, unanswered } from '../../../src/acme/wire.ts';

const urn = 'urn:ietf:params:acme:error:';

describe('a refusal', () => {
  const said = (problem: unknown, status = 403, waitMs?: number) =>
    refused({
      authority: 'acme.example.net',
      asked: 'POST /order',
      status,
      problem: problemOf(problem),
      retryAfterMs: waitMs,
    });

  test('keeps type, status and what is said about each name', () => {
    const error = said({
      type: `${urn}compound`,
      detail: 'some names fail',
      subproblems: [
        { type: `${urn}caa`, detail: 'CAA forbids it', identifier: { type: 'dns', value: 'a.example.org' } },
        { type: `${urn}dns`, detail: 'no answer' },
      ],
    });

    expect(error).toMatchObject({ code: 'CA_REFUSED', data: { type: 'compound', status: 403 } });
    expect(error.message).toBe(
      'acme.example.net refuses POST /order: [compound] some names fail; a.example.org: CAA forbids it; a name: no answer',
    );
  });

  test.each([
    [`${urn}rateLimited`, 429, 7_200_000, 'CA_LIMITED'],
    [`${urn}rateLimited`, 403, undefined, 'CA_LIMITED'],
    ['about:blank', 503, 30_000, 'CA_LIMITED'],
    ['about:blank', 503, undefined, 'CA_UNREACHABLE'],
    [`${urn}serverInternal`, 500, undefined, 'CA_UNREACHABLE'],
    [`${urn}caa`, 403, undefined, 'CA_REFUSED'],
  ])('of type %s with status %i and a wait of %s is %s', (type, status, waitMs, code) => {
    expect(said({ type, detail: 'no' }, status, waitMs)).toMatchObject({ code, retryAfterMs: waitMs });
  });

  test.each([
    ['dns', /DNSSEC .* DS record at the registrar/],
    ['caa', /CAA records/],
    ['externalAccountRequired', /choose another certificates\.directory/],
    ['userActionRequired', /agree to the new terms/],
    ['rejectedIdentifier', /does not issue for that name/],
  ])('of type %s names the way out', (type, hint) => {
    expect(said({ type: `${urn}${type}`, detail: 'no' }).hint).toMatch(hint);
  });

  test('that is no problem document is still one of ours', () => {
    expect(said('<html>', 502)).toMatchObject({ code: 'CA_UNREACHABLE', data: { type: 'about:blank' } });
    expect(said({ type: 7, subproblems: 'none' }, 400)).toMatchObject({ code: 'CA_REFUSED' });
  });
});

test('no answer is named by what Node says, and an untrusted certificate by the setting that mends it', () => {
  const failed = (code: string) =>
    unanswered('https://acme.example.net/dir', Object.assign(new Error(), { code }));

  expect(failed('ECONNREFUSED').message).toContain('(ECONNREFUSED)');
  expect(failed('ECONNREFUSED').hint).toContain('network');
  expect(failed('UNABLE_TO_VERIFY_LEAF_SIGNATURE').hint).toContain('certificates.directory_ca');
  expect(failed('CERT_NOT_YET_VALID').hint).toContain('set the clock');
  expect(failed('CERT_HAS_EXPIRED').hint).toContain('set the clock');
});

describe('clocks', () => {
  const date = 'Sat, 28 Nov 2026 08:00:00 GMT';
  const hourMs = 3_600_000;
  const compare = (aheadMs: number) => () => {
    compareClocks('https://acme.example.net/dir', date, Date.parse(date) + aheadMs);
  };

  test.each([0, 23 * hourMs, -23 * hourMs])('that are %i ms apart are good enough', (aheadMs) => {
    expect(compare(aheadMs)).not.toThrow();
  });

  test.each([
    [25 * hourMs, 'is 1 day ahead of that of acme.example.net'],
    [-50 * hourMs, 'is 2 days behind that of acme.example.net'],
  ])('that are %i ms apart are told, with the way out', (aheadMs, told) => {
    expect(compare(aheadMs)).toThrow(told);
  });

  test.each([undefined, '', 'yesterday'])('that nobody can read (%s) say nothing', (said) => {
    expect(() => {
      compareClocks('https://acme.example.net/dir', said, 0);
    }).not.toThrow();
  });
});
