import { describe, expect, test } from 'vitest';
import { certificateIdOf } from '../../../src/acme/renewal/certificate-id.ts';
import { advised, isToBeAsked, renewalOf, type Advice } from '../../../src/acme/renewal/schedule.ts';

const hourMs = 3_600_000;
const dayMs = 24 * hourMs;
const beginMs = Date.parse('2026-11-22T12:00:00Z');
const life = (days: number) => ({ notBeforeMs: beginMs, notAfterMs: beginMs + days * dayMs });
const at = (days: number): number => beginMs + days * dayMs;
const window = (from: number, to: number) => ({ startMs: at(from), endMs: at(to) });
const asked = (answer: Parameters<typeof advised>[2], before?: Advice, random = 0.5) =>
  advised('0A', before, answer, at(1), random);

test('the identifier of a certificate is that of the example in RFC 9773', () => {
  expect(certificateIdOf('69885B6B87464041E1B37B847BA0AE2CDE01C8D4', '8765 4321'.replace(' ', ''))).toBe(
    'aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE',
  );
});

describe('the moment of a renewal', () => {
  test.each([
    [160 / 24, 80 / 24],
    [45, 30],
    [64, (64 * 2) / 3],
    [90, 60],
    [5 * 365, (5 * 365 * 2) / 3],
  ])(
    'of a certificate that lives %d days is after %d days, where its authority says nothing',
    (days, due) => {
      const { atMs, suggested } = renewalOf(life(days), undefined);

      expect(atMs).toBeCloseTo(at(due), -1);
      expect(suggested).toBe(false);
    },
  );

  test('is the one chosen in the window', () => {
    const advice = asked({ heard: true, window: window(50, 52) });

    expect(renewalOf(life(90), advice)).toEqual({ atMs: at(51), suggested: true });
  });

  test('is now where the window is over, as it is after a revocation', () => {
    const advice = asked({ heard: true, window: window(-3, -2), explanation: 'https://ca.example.net/why' });

    const { atMs, suggested } = renewalOf(life(90), advice);

    expect(atMs).toBeLessThanOrEqual(at(1));
    expect(suggested).toBe(true);
    expect(advice.explanation).toBe('https://ca.example.net/why');
  });

  test('is never in the first hours, or an authority could have each certificate replaced at once, without end', () => {
    const advice = asked({ heard: true, window: window(-3, -2) });

    expect(renewalOf(life(90), advice).atMs).toBe(at(0.5));
    expect(renewalOf(life(160 / 24), advice).atMs).toBeCloseTo(at(160 / 24 / 50), -1);
  });

  test.each([[window(89, 90)], [window(200, 201)]])(
    'leaves a tenth of the lifetime, whatever the authority says',
    (late) => {
      expect(renewalOf(life(90), asked({ heard: true, window: late }))).toEqual({
        atMs: at(81),
        suggested: false,
      });
    },
  );
});

describe('what an authority suggests', () => {
  const first = asked({ heard: true, window: window(50, 60) }, undefined, 0.25);

  test('leads to one moment in its window, which stays as long as the window does', () => {
    expect(first.renewAtMs).toBe(at(52.5));
    expect(asked({ heard: true, window: window(50, 60) }, first, 0.9).renewAtMs).toBe(at(52.5));
    expect(asked({ heard: true, window: window(40, 50) }, first, 0.9).renewAtMs).toBe(at(49));
  });

  test('stays when it gives no answer, and is forgotten when it has nothing to say any more', () => {
    expect(asked({ heard: false }, first)).toMatchObject({ renewAtMs: at(52.5), askAtMs: at(1) + hourMs });
    expect(asked({ heard: true }, first).renewAtMs).toBeUndefined();
  });

  test('means nothing where the window ends before it begins', () => {
    expect(asked({ heard: true, window: window(60, 50) }).renewAtMs).toBeUndefined();
  });

  test('is about one certificate: another one starts anew', () => {
    expect(advised('0B', first, { heard: false }, at(1), 0).renewAtMs).toBeUndefined();
  });

  test.each([
    ['nothing', undefined, 6 * hourMs],
    ['0 s', 0, 60_000],
    ['4 h', 4 * hourMs, 4 * hourMs],
    ['a week', 7 * dayMs, 12 * hourMs],
  ])(
    'with a Retry-After of %s is asked for again in due time, at least twice a day',
    (_case, wait, pause) => {
      expect(asked({ heard: true, window: window(50, 60), retryAfterMs: wait }).askAtMs).toBe(at(1) + pause);
    },
  );
});

describe('whether to ask', () => {
  const certificate = { ...life(90), serial: '0A' };
  const advice = asked({ heard: true });

  test('yes for a certificate that nothing is known of, and when the pause is over', () => {
    expect(isToBeAsked(certificate, undefined, at(0))).toBe(true);
    expect(isToBeAsked({ ...certificate, serial: '0B' }, advice, at(1))).toBe(true);
    expect(isToBeAsked(certificate, advice, at(1))).toBe(false);
    expect(isToBeAsked(certificate, advice, advice.askAtMs)).toBe(true);
  });

  test('never once the certificate is over', () => {
    expect(isToBeAsked(certificate, advice, at(90) - 1)).toBe(true);
    expect(isToBeAsked(certificate, advice, at(90))).toBe(false);
  });

  test('yes where the clock was set back', () => {
    expect(isToBeAsked(certificate, advice, at(0) - dayMs)).toBe(true);
  });
});
