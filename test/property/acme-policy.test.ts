import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { judge, type CertificateFacts } from '../../src/acme/policy.ts';
import { renewByAge } from '../../src/acme/renewal/schedule.ts';

const renewAt = (notBeforeMs: number, notAfterMs: number): number => renewByAge({ notBeforeMs, notAfterMs });

const hourMs = 3_600_000;
const dayMs = 24 * hourMs;
const wanted = { names: ['a.example.org'], directory: 'https://ca.example.net/dir' };

/** From six hours to five years; the lifetimes in use and the border of ten days come more often. */
const lifetimes = fc.oneof(
  fc.integer({ min: 6 * hourMs, max: 5 * 365 * dayMs }),
  fc.constantFrom(160 * hourMs, 10 * dayMs - 1, 10 * dayMs, 45 * dayMs, 64 * dayMs, 90 * dayMs),
);
const begins = fc.integer({ min: Date.parse('2026-01-01'), max: Date.parse('2040-01-01') });

/** Where in its life one looks; the first and the last instant come more often. */
const parts = fc.oneof(fc.double({ min: -0.5, max: 1.5, noNaN: true }), fc.constantFrom(0, 1));

const certificate = (notBeforeMs: number, lifetimeMs: number): CertificateFacts => ({
  names: wanted.names,
  serial: '01',
  notBeforeMs,
  notAfterMs: notBeforeMs + lifetimeMs,
  keyMatches: true,
  chain: 'trusted',
  directory: wanted.directory,
});

describe('when a certificate is renewed', () => {
  test('lies within its life, and leaves a third of it, half of a short one', () => {
    fc.assert(
      fc.property(begins, lifetimes, (begin, lifetime) => {
        const left = begin + lifetime - renewAt(begin, begin + lifetime);

        expect(left).toBeCloseTo(lifetime / (lifetime < 10 * dayMs ? 2 : 3), 0);
      }),
    );
  });

  test('depends on the clock alone: never before, always from then on', () => {
    fc.assert(
      fc.property(begins, lifetimes, parts, (begin, lifetime, part) => {
        const nowMs = begin + Math.round(lifetime * part);
        const { valid, due, renewAtMs } = judge(certificate(begin, lifetime), wanted, nowMs);

        const isWithin = nowMs >= begin && nowMs < begin + lifetime;
        expect(valid).toBe(isWithin);
        expect(due).toBe(!isWithin || nowMs >= renewAt(begin, begin + lifetime));
        if (isWithin) expect(renewAtMs).toBe(renewAt(begin, begin + lifetime));
      }),
    );
  });

  test('a fresh certificate is never due, so issuing ends', () => {
    fc.assert(
      fc.property(begins, lifetimes, fc.integer({ min: 0, max: hourMs }), (begin, lifetime, ageMs) => {
        expect(judge(certificate(begin, lifetime), wanted, begin + ageMs)).toMatchObject({
          valid: true,
          due: false,
        });
      }),
    );
  });

  test('what may not be served is always due', () => {
    fc.assert(
      fc.property(
        begins,
        lifetimes,
        fc.record({
          keyMatches: fc.boolean(),
          chain: fc.constantFrom<CertificateFacts['chain']>('trusted', 'untrusted', 'unknown'),
          names: fc.subarray(['a.example.org', 'b.example.org']),
          directory: fc.constantFrom(undefined, wanted.directory, 'https://other.example.net/dir'),
        }),
        parts,
        (begin, lifetime, change, part) => {
          const judged = judge(
            { ...certificate(begin, lifetime), ...change },
            wanted,
            begin + Math.round(lifetime * part),
          );

          expect(judged.valid || judged.due).toBe(true);
          expect(judged.why).not.toBe('');
        },
      ),
    );
  });
});
