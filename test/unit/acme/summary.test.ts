import { beforeAll, describe, expect, test } from 'vitest';
import { failed } from '../../../src/acme/renewal/attempts.ts';
import { wishOf, type Standing } from '../../../src/acme/renewal/look.ts';
import { failureOf, summaryLines, summaryOf } from '../../../src/acme/renewal/summary.ts';
import { judge, type AcmeDesired } from '../../../src/acme/policy.ts';
import { createKey, createRequest } from '../../../src/acme/client.ts';
import { describe as described } from '../../../src/acme/store.ts';
import type { ErrorCode } from '../../../src/shared/error-codes.ts';
import { StackError } from '../../../src/shared/errors.ts';
import { createSigner } from '../../support/signer.ts';

const dayMs = 86_400_000;
const beginMs = Date.parse('2026-11-22T12:00:00Z');
const wanted: AcmeDesired = {
  domain: 'example.org',
  names: ['netbird.example.org'],
  directory: 'https://acme.example.net/directory',
  directoryCa: 'system',
  trust: 'system',
  certificates: '/nowhere',
  mark: 'skylab-home acme',
  cloudflare: { api: 'https://api.cloudflare.com/client/v4' },
  dns: { resolvers: [], authoritative: [], ttl_seconds: 300 },
};

describe('what status says of the certificate', () => {
  let pair: { chainPem: string; keyPem: string };
  beforeAll(async () => {
    const keyPem = await createKey();
    const csr = await createRequest(wanted.names, keyPem);
    const der = csr.replaceAll(/-----[^-]+-----|\s/g, '');
    const signer = await createSigner();
    pair = {
      keyPem,
      chainPem: await signer.sign(Buffer.from(der, 'base64').toString('base64url'), beginMs, 90 * dayMs),
    };
  });
  const standingAt = (nowMs: number, more: Partial<Standing> = {}, without?: string): Standing => {
    const { directory } = wanted;
    const facts = described(pair, directory, undefined, nowMs);
    if (typeof facts === 'string') throw new Error(facts);
    const profile = without === undefined ? {} : { without_profile: without };
    const meta = { directory, names: [], serial: facts.serial, issued_at: '', ...profile };
    const judgement = judge(facts, wanted, nowMs, more.advice);
    return {
      stored: { version: 'versions/1', pair, meta },
      facts,
      judgement,
      advice: undefined,
      attempts: undefined,
      ...more,
    };
  };
  const failing = (code: ErrorCode, nowMs: number) =>
    failed(undefined, wishOf(wanted), new StackError(code, 'it was refused', { hint: 'mend the token' }), {
      nowMs,
      notAfterMs: undefined,
      random: 0,
    });

  test('names, days, issuer, and when it is renewed', () => {
    expect(summaryLines(summaryOf(standingAt(beginMs + dayMs), beginMs + dayMs), undefined)).toEqual([
      'netbird.example.org: 89 days left (2027-02-20), from root of a test',
      'renewed at 2027-01-21 12:00 UTC',
    ]);
  });

  test('that it is kept although the settings lead to another one, and what to do', () => {
    const kept = { text: 'every device trusts it', hint: 'put certificates.directory back' };
    const judgement = { valid: true, due: false, why: kept.text, renewAtMs: undefined, kept };
    const [, second] = summaryLines(summaryOf(standingAt(beginMs, { judgement }), beginMs), undefined);

    expect(second).toBe('every device trusts it: put certificates.directory back');
  });

  test('whether the authority chose the moment, and when it is asked again', () => {
    const { facts } = standingAt(beginMs);
    const advice = {
      serial: facts?.serial ?? '',
      renewAtMs: beginMs + 50 * dayMs,
      askAtMs: beginMs + 2 * dayMs,
    };
    const [, second] = summaryLines(summaryOf(standingAt(beginMs, { advice }), beginMs), undefined);

    expect(second).toBe(
      'renewed at 2027-01-11 12:00 UTC, as its authority suggests; the authority is asked again at 2026-11-24 12:00 UTC',
    );
  });

  test('the profile that had to be left out', () => {
    const lines = summaryLines(summaryOf(standingAt(beginMs, {}, 'tlsserver'), beginMs), undefined);

    expect(lines.at(-1)).toContain('without the profile "tlsserver"');
  });

  test.each([
    [
      'DNS_API_DENIED',
      'you have to act by 2027-02-20 12:00 UTC, when the certificate ends: mend the token; then npm run -s renew -- --now',
    ],
    ['CA_UNREACHABLE', 'nobody here has to do anything yet, it is tried again at 2027-01-26 12:01 UTC'],
  ] as const)('who must do what by when, after %s', (code, said) => {
    const nowMs = beginMs + 65 * dayMs;
    const failure = failureOf(wanted, standingAt(nowMs, { attempts: failing(code, nowMs) }));

    expect(failure?.sentence).toContain(`orders fail since 2027-01-26 12:00 UTC (it was refused): ${said}`);
  });

  test('nothing of failures for other wishes, or once it is renewed', () => {
    const nowMs = beginMs + 65 * dayMs;
    const attempts = failing('CA_REFUSED', nowMs);

    expect(failureOf({ ...wanted, profile: 'x' }, standingAt(nowMs, { attempts }))).toBeUndefined();
    expect(failureOf(wanted, standingAt(beginMs, { attempts }))).toBeUndefined();
  });
});
