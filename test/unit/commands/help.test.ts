import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { belowFlags, verbHelp, type VerbName } from '../../../src/commands/help.ts';

/*
 * `--help` of every verb. What it looks like is in test/integration/faults/help.test.ts.
 */

const scripts = (JSON.parse(readFileSync('package.json', 'utf8')) as { scripts: Record<string, string> })
  .scripts;
const entries = Object.entries(verbHelp);

test('every verb has help, and nothing else has', () => {
  const source = ['src/cli.ts', 'src/commands/add-completion.ts', 'src/commands/add-secrets.ts']
    .map((file) => readFileSync(file, 'utf8'))
    .join('');
  const verbs = [...source.matchAll(/\b(?:verb|command)\(\s*'([a-z-]+)'(?!, \{ hidden)/g)].map(
    (match) => match[1],
  );

  expect(verbs.length).toBeGreaterThan(9);
  expect(new Set(Object.keys(verbHelp))).toEqual(new Set(verbs));
});

test.each(entries)('%s has an example that is typed as it stands', (verb, { examples }) => {
  const own = examples.map(([line]) => line).filter((line) => line.startsWith('npm run '));

  expect(own.length).toBeGreaterThan(0);
  for (const line of own) {
    const [, silent, script = '', flags] = /^npm run (-s )?([a-z-]+)(?: -- (.*))?$/.exec(line) ?? [];
    expect([line, script]).toEqual([line, verb]);
    expect(scripts).toHaveProperty([script]);
    // Without -s npm prints a banner into what a program reads; without -- it takes the flags for itself.
    if (flags !== undefined) expect([line, silent]).toEqual([line, '-s ']);
  }
});

test.each(entries)('%s says what its exit codes mean', (_verb, { exits }) => {
  expect(Object.keys(exits)).toContain('0');
  expect(Object.keys(exits).filter((code) => !['0', '2', '3', '4', '5', '6'].includes(code))).toEqual([]);
});

test('verbs that wrong settings do not stop name no exit code for them', () => {
  const stopped = entries
    .map(([verb]) => verb)
    .filter((verb) => belowFlags(verb as VerbName).includes('\n  78 '));

  expect(Object.keys(verbHelp).filter((verb) => !stopped.includes(verb))).toEqual(['doctor', 'completion']);
});
