import { describe, expect, test } from 'vitest';
import {
  facts,
  judge,
  plan,
  type AcmeDesired,
  type AcmeWorld,
  type CertificateFacts,
} from '../../../src/acme/policy.ts';

const dayMs = 86_400_000;
const issuedAtMs = Date.parse('2026-11-22T12:00:00Z');
const wanted: AcmeDesired = {
  domain: 'example.org',
  names: ['netbird.example.org', 'pocketid.example.org'],
  directory: 'https://acme.example.net/directory',
  directoryCa: 'system',
  trust: 'system',
  certificates: '/var/lib/skylab-home/certificates',
  mark: 'skylab-home acme',
  cloudflare: { api: 'https://api.cloudflare.com/client/v4' },
  dns: { resolvers: [], authoritative: [], ttl_seconds: 300 },
};
const good: CertificateFacts = {
  names: wanted.names,
  serial: '0A',
  notBeforeMs: issuedAtMs,
  notAfterMs: issuedAtMs + 90 * dayMs,
  keyMatches: true,
  chain: 'trusted',
  directory: wanted.directory,
};

describe('a stored certificate', () => {
  const judged = (change: Partial<CertificateFacts>, afterDays = 1) =>
    judge({ ...good, ...change }, wanted, issuedAtMs + afterDays * dayMs);

  test('is good until a third of its lifetime is left', () => {
    expect(judged({}, 59.9)).toEqual({
      valid: true,
      due: false,
      why: 'good until 2027-02-20 12:00 UTC',
      renewAtMs: issuedAtMs + 60 * dayMs,
    });
    expect(judged({}, 60)).toMatchObject({ valid: true, due: true });
  });

  test.each([
    ['belongs to another key', { keyMatches: false }, 'its key does not belong to it'],
    ['lacks a name', { names: ['netbird.example.org'] }, 'it does not cover pocketid.example.org'],
    ['chains to another root', { chain: 'untrusted' }, 'its chain does not end at a trusted root'],
    ['is over', { notAfterMs: issuedAtMs }, 'it expired at 2026-11-22 12:00 UTC'],
    ['has not begun', { notBeforeMs: issuedAtMs + 2 * dayMs }, 'it begins at 2026-11-24 12:00 UTC only'],
  ] as const)('that %s cannot be served', (_case, change, why) => {
    expect(judged(change)).toMatchObject({ valid: false, due: true, why });
  });

  test.each([
    [
      'covers a name too many',
      { names: [...wanted.names, 'old.example.org'] },
      'it covers old.example.org, which is no longer wanted',
    ],
    [
      'came from another directory',
      { directory: 'https://staging.example.net/directory' },
      'it was ordered from https://staging.example.net/directory, wanted https://acme.example.net/directory',
    ],
  ] as const)('that %s is replaced, and serves until then', (_case, change, why) => {
    expect(judged(change)).toMatchObject({ valid: true, due: true, why });
  });

  describe('that every device trusts, and the settings lead to one that fewer trust', () => {
    const staging = 'https://staging.example.net/directory';
    const lesser = { ...wanted, directory: staging, trust: { file: 'staging-roots.pem' } } as const;
    const kept = (change: Partial<CertificateFacts>, wishes: typeof wanted = lesser, afterDays = 1) =>
      judge(
        { ...good, isPublic: true, chain: 'untrusted', ...change },
        wishes,
        issuedAtMs + afterDays * dayMs,
      );

    test('is kept, and is not renewed: a person decides, and reads until when', () => {
      expect(kept({})).toEqual({
        valid: true,
        due: false,
        renewAtMs: undefined,
        why: expect.stringContaining('it is kept, and not renewed') as unknown,
        kept: {
          text: expect.stringContaining('by one from staging.example.net') as unknown,
          hint: expect.stringMatching(
            /put certificates\.directory and certificates\.trust back before 2027-02-20 12:00 UTC.*--replace-trusted staging\.example\.net$/,
          ) as unknown,
        },
      });
      expect(kept({ chain: 'unknown' })).toHaveProperty('kept');
      expect(kept({}, { ...wanted, trust: { file: 'other-roots.pem' } })).toHaveProperty('kept');
    });

    test.each([
      ['is over', {}, lesser, 91],
      ['lacks a name', { names: ['netbird.example.org'] }, lesser, 1],
      ['was never trusted by every device', { isPublic: false }, lesser, 1],
      [
        'chains to the roots of the settings too',
        { chain: 'trusted' },
        { ...lesser, directory: wanted.directory },
        1,
      ],
    ] as const)('is not kept where it %s', (_case, change, wishes, afterDays) => {
      expect(kept(change, wishes, afterDays)).not.toHaveProperty('kept');
    });

    test('comes after one from staging without a word', () => {
      const old = { ...good, isPublic: false, directory: staging, chain: 'untrusted' } as const;

      expect(judge(old, wanted, issuedAtMs + dayMs)).toMatchObject({ valid: false, due: true });
    });
  });

  test('whose roots or directory are not known counts as good', () => {
    expect(judged({ chain: 'unknown', directory: undefined })).toMatchObject({ valid: true, due: false });
  });

  test('that is missing or unreadable is due', () => {
    expect(judge(undefined, wanted, issuedAtMs)).toMatchObject({
      valid: false,
      due: true,
      why: 'there is none',
    });
    expect(judge('it cannot be parsed', wanted, issuedAtMs)).toMatchObject({ valid: false, due: true });
  });
});

describe('what follows from a look', () => {
  const world: AcmeWorld = {
    certificate: { valid: true, due: false, why: 'good', renewAtMs: issuedAtMs },
    authority: true,
    rootsKnown: true,
    leftovers: 0,
    rootsStale: false,
    waited: false,
    told: [],
  };
  const absent = { valid: false, due: true, why: 'there is none', renewAtMs: undefined };
  const due = { valid: true, due: true, why: 'it ends soon', renewAtMs: issuedAtMs };
  const away = { text: 'cannot reach https://acme.example.net', hint: 'check the network' };
  const ids = (change: Partial<AcmeWorld>) => plan(wanted, { ...world, ...change }).map((step) => step.id);
  const fact = (change: Partial<AcmeWorld>) => facts(wanted, { ...world, ...change });

  test('all is well: no step, two facts', () => {
    expect(ids({})).toEqual([]);
    expect(fact({})).toEqual({ 'certificate:example.org': true, 'ca.api': true });
  });

  test('no certificate: it is issued when the host has its services', () => {
    expect(plan(wanted, { ...world, certificate: absent })).toMatchObject([
      {
        id: 'issue certificate for example.org',
        why: 'there is none',
        needs: ['host.services'],
        uses: ['certificates'],
        impact: 'reload',
      },
    ]);
    expect(fact({ certificate: absent })['certificate:example.org']).toMatchObject({
      because: 'absent',
      text: 'no valid certificate for netbird.example.org, pocketid.example.org: there is none',
    });
  });

  test('no certificate and nobody to ask: issuing is expected, and the reason is said', () => {
    expect(plan(wanted, { ...world, certificate: absent, authority: away })).toMatchObject([
      { kind: 'issue', assumed: true },
    ]);
    expect(fact({ certificate: absent, authority: away })['certificate:example.org']).toMatchObject({
      because: 'unreachable',
      hint: 'check the network',
    });
  });

  test('renewal is due: it is planned, and the old certificate serves on', () => {
    expect(ids({ certificate: due })).toEqual(['issue certificate for example.org']);
    expect(fact({ certificate: due })['certificate:example.org']).toBe(true);
  });

  test('renewal is due and nobody to ask: no step, one warning', () => {
    expect(ids({ certificate: due, authority: away })).toEqual([]);
    expect(fact({ certificate: due, authority: away })).toMatchObject({
      'certificate:example.org': true,
      'ca.api': { because: 'unreachable', text: away.text, hint: away.hint },
    });
  });

  test('a certificate that is kept: no order, and a conflict that a person decides', () => {
    const certificate = { ...due, due: false, kept: { text: 'it is kept', hint: 'put it back' } };

    expect(ids({ certificate })).toEqual([]);
    expect(fact({ certificate })).toEqual({
      'certificate:example.org': true,
      'ca.api': { because: 'conflict', text: 'it is kept', hint: 'put it back' },
    });
  });

  test('roots that cannot be read are waited for once', () => {
    const unknown = { authority: away, rootsKnown: false };

    expect(ids(unknown)).toEqual(['wait for the certificate authority']);
    expect(ids({ ...unknown, waited: true })).toEqual([]);
  });

  test('copies are brought up to date at once; where some roots cannot be read yet, once the host has its services', () => {
    const stale = { ...world, rootsStale: true };

    expect(plan(wanted, stale)).toMatchObject([{ kind: 'publish-roots', needs: [] }]);
    expect(plan(wanted, { ...stale, authority: away })).toMatchObject([
      { kind: 'publish-roots', needs: ['host.services'], assumed: true },
    ]);
  });

  test('leftovers and stale copies are steps of their own, before an order', () => {
    expect(ids({ certificate: absent, leftovers: 2, rootsStale: true })).toEqual([
      'publish trusted roots',
      'sweep what an ended run left',
      'issue certificate for example.org',
    ]);
  });
});
