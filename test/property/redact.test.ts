import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createRedactor } from '../../src/shared/redact.ts';

const secrets = fc
  .string({ minLength: 8, maxLength: 60, unit: 'grapheme-ascii' })
  .filter((text) => text.trim().length >= 8);

test('no spelling of a known secret survives in any text', () => {
  fc.assert(
    fc.property(
      fc.array(secrets, { minLength: 1, maxLength: 4 }),
      fc.array(fc.string(), { maxLength: 3 }),
      (all, around) => {
        const redactor = createRedactor();
        for (const secret of all) redactor.add(secret);
        const spelled = all.flatMap((secret) => {
          const value = secret.trim();
          return [
            value,
            encodeURIComponent(value),
            JSON.stringify({ value }),
            Buffer.from(value).toString('base64'),
          ];
        });
        const clean = redactor.clean([...around, ...spelled, ...around].join(' | '));

        // What is left of the words around may hold a short secret by chance only if they are the mark itself.
        for (const secret of all) expect(clean.replaceAll('[redacted]', '')).not.toContain(secret.trim());
      },
    ),
    { numRuns: 500 },
  );
});

test('text without secrets is left as it is', () => {
  fc.assert(
    fc.property(fc.string(), (text) => {
      expect(createRedactor().clean(text)).toBe(text);
    }),
  );
});
