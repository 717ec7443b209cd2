import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { renderEnv } from '../../src/containers/desired.ts';
import { rangeOf, subnetsOverlap } from '../../src/containers/docker/conflicts.ts';
import { fits, makeVerifier } from '../../src/postgres/scram.ts';
import { quoteIdentifier, quoteLiteral } from '../../src/postgres/sql.ts';

test('an env file says exactly what was put into it', () => {
  const value = fc.string({ unit: 'grapheme' }).filter((text) => !/['\\\r\n\0]/.test(text));
  fc.assert(
    fc.property(fc.dictionary(fc.stringMatching(/^[A-Z][A-Z_]{0,6}$/), value), (variables) => {
      const read = Object.fromEntries(
        renderEnv(variables)
          .split('\n')
          .filter((line) => /^[A-Z_]+=/.test(line))
          .map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 2, -1)]),
      );
      expect(read).toEqual({ ...variables });
    }),
  );
});

test('two subnets overlap exactly when an address lies in both', () => {
  const subnets = fc
    .tuple(fc.integer({ min: 0, max: 0xff_ff }), fc.integer({ min: 16, max: 32 }))
    .map(([low, bits]) => `10.0.${low >> 8}.${low & 255}/${bits}`);
  fc.assert(
    fc.property(subnets, subnets, (a, b) => {
      const [one, other] = [rangeOf(a), rangeOf(b)];
      if (one === undefined || other === undefined) throw new Error('not a subnet');
      const inside = (address: number, range: typeof one) => address >= range.first && address <= range.last;
      const expected =
        inside(one.first, other) ||
        inside(other.first, one) ||
        inside(one.last, other) ||
        inside(other.last, one);
      expect(subnetsOverlap(a, b)).toBe(expected);
    }),
  );
});

describe('nothing breaks out of SQL', () => {
  const text = fc.string({ unit: 'binary' }).filter((value) => !value.includes('\0'));

  test('a name ends where it should', () => {
    fc.assert(
      fc.property(text, (name) => {
        const inner = quoteIdentifier(name).slice(1, -1);
        expect(inner.replaceAll('""', '')).not.toContain('"');
        expect(inner.replaceAll('""', '"')).toBe(name);
      }),
    );
  });

  test('a text ends where it should, whether backslashes escape or not', () => {
    fc.assert(
      fc.property(text, (value) => {
        const quoted = quoteLiteral(value);
        const escapes = quoted.startsWith('E');
        const inner = quoted.slice(escapes ? 2 : 1, -1);
        expect(escapes || !inner.includes('\\')).toBe(true);
        const read = inner.replaceAll("''", "'");
        expect(inner.replaceAll("''", '')).not.toContain("'");
        expect(escapes ? read.replaceAll('\\\\', '\\') : read).toBe(value);
      }),
    );
  });
});

test('a password fits its own verifier and no other', () => {
  fc.assert(
    fc.property(
      fc.stringMatching(/^[A-Za-z0-9]{1,40}$/),
      fc.stringMatching(/^[A-Za-z0-9]{1,40}$/),
      (one, other) => {
        const verifier = makeVerifier(one);
        expect(fits(one, verifier)).toBe(true);
        expect(fits(other, verifier)).toBe(one === other);
        expect(fits(one, null)).toBe(false);
        expect(fits(one, `md5${verifier}`)).toBe(false);
      },
    ),
    { numRuns: 30 },
  );
});
