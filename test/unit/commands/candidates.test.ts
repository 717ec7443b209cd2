import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { candidates, type Flag, type Tree } from '../../../src/commands/candidates.ts';

const flag = (flags: string, more: Partial<Flag> = {}): Flag => ({
  long: flags.split(' ')[0],
  flags,
  description: `about ${flags}`,
  required: flags.includes('<'),
  variadic: false,
  ...more,
});
const verb = (name: string, more: Partial<Tree> = {}): Tree => ({
  name,
  about: `about ${name}`,
  flags: [flag('--host <name>'), flag('--json'), flag('--help')],
  choices: [],
  verbs: [],
  ...more,
});
const root = verb('skylab', {
  flags: [flag('--help')],
  verbs: [
    verb('up'),
    verb('verify'),
    verb('verify-tls'),
    verb('logs', {
      flags: [flag('--host <name>'), flag('--service <name>'), flag('--set <x>', { variadic: true })],
    }),
    verb('adopt', {
      flags: [flag('--dump <file>'), flag('--kind <kind>', { argChoices: ['old', 'new'] })],
      choices: [['pocketid', 'postgres'], ['now']],
    }),
    verb('secrets', { verbs: [verb('list'), verb('rotate')] }),
  ],
});
const values = {
  '--host': async () => Promise.resolve(['SKYLAB', 'sandbox']),
  '--service': async (host: string | undefined) =>
    Promise.resolve(host === 'sandbox' ? ['nginx', 'pebble'] : ['nginx']),
};
const after = async (...words: readonly string[]) =>
  (await candidates(root, words, values)).map((one) => one.value);

describe('what can come next', () => {
  test.each<[string, readonly string[], readonly string[]]>([
    ['verbs, where nothing is there yet', [''], ['up', 'verify', 'verify-tls', 'logs', 'adopt', 'secrets']],
    ['verbs that begin so', ['ver'], ['verify', 'verify-tls']],
    ['flags of the program', ['-'], ['--help']],
    ['flags of a verb that takes no argument', ['up', ''], ['--host', '--json', '--help']],
    ['flags that begin so', ['up', '--h'], ['--host', '--help']],
    ['no flag twice', ['up', '--json', '--'], ['--host', '--help']],
    ['one that may be given again', ['logs', '--set', 'a', '--s'], ['--service', '--set']],
    ['hosts', ['up', '--host', ''], ['SKYLAB', 'sandbox']],
    ['hosts that begin so', ['up', '--host', 'SK'], ['SKYLAB']],
    ['hosts in one word with the flag, as zsh hands it over', ['up', '--host=s'], ['--host=sandbox']],
    ['hosts after =, as bash hands it over', ['up', '--host', '=', 's'], ['sandbox']],
    ['hosts right after =', ['up', '--host', '='], ['SKYLAB', 'sandbox']],
    ['services', ['logs', '--service', ''], ['nginx']],
    ['services of the host in the line', ['logs', '--host', 'sandbox', '--service', 'p'], ['pebble']],
    [
      'services of the host in the line, with =',
      ['logs', '--host', '=', 'sandbox', '--service', 'p'],
      ['pebble'],
    ],
    ['what an argument can be', ['adopt', 'p'], ['pocketid', 'postgres']],
    ['what the next argument can be', ['adopt', 'pocketid', '--kind', 'old', ''], ['now']],
    ['what a flag can be', ['adopt', '--kind', 'n'], ['new']],
    ['paths, by the shell', ['adopt', '--dump', '/va'], [':files']],
    ['verbs below a verb', ['secrets', 'r'], ['rotate']],
    ['flags of a verb below a verb', ['secrets', 'rotate', '--j'], ['--json']],
    ['flags after one that is not there', ['up', '--nonsense=', ''], ['--host', '--json', '--help']],
    ['nothing for a switch with a value', ['up', '--json=x'], []],
  ])('%s', async (_what, words, wanted) => {
    expect(await after(...words)).toEqual(wanted);
  });

  test('says what each is for', async () => {
    expect(await candidates(root, ['up', '--js'], values)).toEqual([
      { value: '--json', about: 'about --json' },
    ]);
  });

  test('begins with what is typed, whatever that is', async () => {
    const word = fc.constantFrom(
      'up',
      'logs',
      'adopt',
      'secrets',
      '--host',
      '--service',
      '--kind',
      '=',
      '-',
      '--',
      '',
      's',
      'sandbox',
    );
    await fc.assert(
      fc.asyncProperty(fc.array(word, { minLength: 1, maxLength: 6 }), async (words) => {
        const current = words.at(-1) ?? '';
        for (const one of await after(...words))
          expect(one === ':files' || current === '=' || one.startsWith(current)).toBe(true);
      }),
    );
  });
});
