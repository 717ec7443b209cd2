import { readFile } from 'node:fs/promises';
import { describe, expect, test } from 'vitest';
import { questions } from '../../../src/init/questions.ts';
// @ts-expect-error -- no declaration
import { refuseSwallowedFlags } from '../../../bin/lib/main.mjs';

describe('a flag that npm swallowed', () => {
  const fixOf = (env: object, args: readonly string[]): unknown => {
    try {
      refuseSwallowedFlags({ npm_lifecycle_event: 'up', ...env }, args);
      return 'nothing';
    } catch (error) {
      return (error as { fix: string }).fix;
    }
  };

  test.each([
    ['as npm 11 passes it', { npm_config_host: 'true' }, ['attic'], '--host attic'],
    ['as older ones do', { npm_config_host: 'attic' }, [], '--host attic'],
    ['with others', { npm_config_host: 'true', npm_config_json: 'true' }, ['attic'], '--host attic --json'],
    ['with a dash in it', { npm_config_new_issuer: 'true' }, [], '--new-issuer'],
    ['whose value is forgotten too', { npm_config_host: 'true' }, [], '--host'],
  ])('%s is refused with the line to type', (_how, env, args, wanted) => {
    expect(fixOf(env, args)).toBe(`write -- before it: npm run -s up -- ${wanted}`);
  });

  test('of a verb below another one comes after that verb', () => {
    const env = { npm_lifecycle_event: 'secrets', npm_config_path: 'true', npm_config_replace: 'true' };

    expect(fixOf(env, ['pocketid', '/x.env'])).toBe(
      'write -- before it: npm run -s secrets -- pocketid --path /x.env --replace',
    );
  });

  test("is told from npm's own settings, and from calls without npm", () => {
    expect(fixOf({ npm_config_json: '', npm_config_yes: 'true', npm_config_loglevel: 'silent' }, [])).toBe(
      'nothing',
    );
    expect(fixOf({ npm_lifecycle_event: undefined, npm_config_host: 'x' }, [])).toBe('nothing');
  });

  test('is known for every flag of every verb', async () => {
    const files = ['src/cli.ts', 'src/commands/add-secrets.ts'];
    const cli = (await Promise.all(files.map(async (file) => readFile(file, 'utf8')))).join('');
    const flags = [...cli.matchAll(/(?:new Option|\.option)\(\s*'--([a-z-]+)/g)].map(
      (match) => match[1] ?? '',
    );
    // npm understands --verbose as its own log level and leaves nothing behind.
    const ours = new Set(flags.filter((flag) => flag !== 'verbose'));

    expect(flags.length).toBeGreaterThan(5);
    for (const flag of ours) {
      const left = flag.startsWith('no-')
        ? { [`npm_config_${flag.slice(3)}`]: '' }
        : { [`npm_config_${flag.replaceAll('-', '_')}`]: 'true' };
      // The verbs with the most: what they alone have may be npm's own word for others.
      const fixes = ['init', 'secrets', 'down', 'adopt'].map((verb) =>
        fixOf({ npm_lifecycle_event: verb, ...left }, []),
      );
      expect(fixes.join('\n')).toContain(`--${flag}`);
    }
  });

  test('is known for every answer of init, and only there', () => {
    for (const { flag } of questions) {
      const left = { [`npm_config_${flag.replaceAll('-', '_')}`]: 'x' };
      expect(fixOf({ npm_lifecycle_event: 'init', ...left }, [])).toContain(`--${flag} x`);
      expect(fixOf(left, [])).toBe('nothing');
    }
  });
});
