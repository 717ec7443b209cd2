import fc from 'fast-check';
import { expect, test } from 'vitest';
import { conf } from '../../src/ingress/conf.ts';
import { desiredIngress, type DesiredIngress } from '../../src/ingress/desired.ts';
import { renderIngress } from '../../src/ingress/render.ts';
import { digestOf } from '../../src/shared/files.ts';
import { isStackError } from '../../src/shared/errors.ts';
import { testSettings } from '../support/settings.ts';
import { parseConf, textOfFile, type Directive } from '../unit/ingress/conf-syntax.ts';

/** Text that is likely to mean something to nginx or to a shell. */
const nasty = fc.oneof(
  fc.string(),
  fc.string({
    unit: fc.constantFrom(
      'a',
      '.',
      '-',
      '/',
      ':',
      ';',
      '{',
      '}',
      '"',
      "'",
      '$',
      '#',
      '\\',
      '\n',
      ' ',
      '`',
      '~',
      '*',
    ),
  }),
  fc.domain(),
);

const refusedOr = <T>(act: () => T): T | undefined => {
  try {
    return act();
  } catch (error) {
    if (isStackError(error) && error.code === 'SETTINGS_INVALID') return undefined;
    throw error;
  }
};

test('a value becomes exactly one word, or is refused', () => {
  let taken = 0;
  fc.assert(
    fc.property(nasty, (value) => {
      const made = refusedOr(() => conf`server_name ${value}; next on;`);
      if (made === undefined) return;
      taken += 1;
      expect(parseConf(made.conf)).toEqual([{ words: ['server_name', value] }, { words: ['next', 'on'] }]);
    }),
    { numRuns: 2000 },
  );
  expect(taken).toBeGreaterThan(100);
});

const base = desiredIngress(testSettings('/state'));
const texts = (desired: DesiredIngress) => {
  const { files, version } = renderIngress(desired, digestOf);
  return { version, all: files.map(textOfFile) };
};

/** Puts the values where the marks stood. */
const filled = (
  directives: readonly Directive[],
  values: ReadonlyMap<string, string>,
): readonly Directive[] =>
  directives.map(({ words, block }) => ({
    words: words.map((word) =>
      [...values].reduce((text, [mark, value]) => text.replaceAll(mark, () => value), word),
    ),
    ...(block === undefined ? {} : { block: filled(block, values) }),
  }));

test('no setting breaks out of its place in any file: each is refused, or stands where it belongs', () => {
  const withValues = (value: (mark: string) => string): DesiredIngress => ({
    ...base,
    domain: value('MARK0'),
    mesh: value('MARK1'),
    identity: value('MARK2'),
    resolver: value('MARK3'),
    upstreams: { ...base.upstreams, relay: { host: value('MARK4'), port: 1 } },
  });
  const marked = texts(withValues((mark) => mark));
  let taken = 0;

  fc.assert(
    fc.property(fc.array(fc.oneof(fc.domain(), nasty), { minLength: 5, maxLength: 5 }), (list) => {
      const values = new Map(list.map((value, index) => [`MARK${index}`, value]));
      const made = refusedOr(() => texts(withValues((mark) => values.get(mark) ?? '')));
      if (made === undefined) return;
      taken += 1;
      const all = new Map([...values, [marked.version, made.version]]);
      for (const index of [0, 1, 2])
        expect(parseConf(made.all[index] ?? '')).toEqual(filled(parseConf(marked.all[index] ?? ''), all));
      expect(made.all[3]).toBe(marked.all[3]);
    }),
    { numRuns: 500 },
  );
  expect(taken).toBeGreaterThan(20);
});
