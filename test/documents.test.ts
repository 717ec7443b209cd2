import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, normalize } from 'node:path';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { ownServices } from '../src/containers/desired.ts';
import { questions } from '../src/init/questions.ts';
import { parseSettings } from '../src/settings/load.ts';
import { errorCodes } from '../src/shared/error-codes.ts';
import {
  anchorsOf,
  blocksOf,
  commandsOf,
  isRun,
  pages,
  proseOf,
  reading,
  textOf,
} from './support/documents.ts';

/*
 * What the documents say must exist: links, commands, flags, settings, error codes. test/e2e/documents.test.ts executes
 * their commands.
 */

const scripts = (JSON.parse(readFileSync('package.json', 'utf8')) as { scripts: Record<string, string> })
  .scripts;
const cli = readFileSync('src/cli.ts', 'utf8');
const flags = new Set([
  ...[...cli.matchAll(/'(--[a-z-]+)[ ']/g)].map((match) => match[1] ?? ''),
  ...questions.map(({ flag }) => `--${flag}`),
]);

/** Words with dots that are no settings. */
const facts = readFileSync('src/orchestrator/facts.ts', 'utf8');

/** Every piece of text that is shown as code: blocks of a shell, and words between backticks. */
const code = (page: string): readonly string[] => [
  ...blocksOf(page)
    .filter((block) => block.language === 'sh')
    .flatMap(commandsOf),
  ...[...proseOf(page).matchAll(/`([^`\n]+)`/g)].map((match) => match[1] ?? ''),
];

describe.each(pages)('%s', (page) => {
  test('links to files and headings that exist', () => {
    const folder = page.includes('/') ? page.slice(0, page.lastIndexOf('/')) : '.';
    const links = [...proseOf(page).matchAll(/\]\((?!https?:|mailto:)([^)#]*)(?:#([^)]*))?\)/g)];
    const broken = links.filter(([, file = '', anchor]) => {
      const target = file === '' ? page : normalize(join(folder, file));
      if (!existsSync(target)) return true;
      return anchor !== undefined && !anchorsOf(target).has(anchor);
    });

    expect(broken.map(([link]) => link)).toEqual([]);
  });

  test('says of every block of commands that it is executed, or why not', () => {
    const unsaid = blocksOf(page).filter(
      (block) => block.language === 'sh' && !isRun(block) && !/^manual: \S+ \S+/.test(block.note),
    );

    expect(unsaid.map((block) => block.at)).toEqual([]);
  });

  test('says of every block what it is', () => {
    const unknown = blocksOf(page).filter(
      ({ language, note }) =>
        !['sh', 'text', 'nix', 'nginx'].includes(language) &&
        !(language === 'yaml' && /^(settings|compose|secrets)$/.test(note)),
    );
    // A drawing needs no language.
    expect(unknown.filter((block) => block.language !== '').map((block) => block.at)).toEqual([]);
  });

  test('names commands and flags that exist', () => {
    const calls = code(page).flatMap((text) => [
      ...text.matchAll(/npm run (?:-s )?([\w:-]+)(?: -- ([^|>&]*))?/g),
    ]);
    const missing = calls.filter(([, script = '', rest = '']) => {
      if (scripts[script] === undefined) return true;
      const isVerb = scripts[script].includes('bin/skylab.mjs') && !scripts[script].includes('self-test');
      return (
        isVerb && [...rest.matchAll(/--[a-z-]+/g)].some(([flag]) => !flags.has(flag) && flag !== '--help')
      );
    });

    expect(missing.map(([call]) => call)).toEqual([]);
  });

  test('names settings that exist', () => {
    const known = textOf('docs/settings.md');
    const sections = new Set([...known.matchAll(/^\| `([a-z_]+)` /gm)].map((match) => match[1] ?? ''));
    const missing = code(page).filter(
      (text) =>
        /^[a-z_]+(\.[a-z_]+)+$/.test(text) &&
        sections.has(text.split('.')[0] ?? '') &&
        !known.includes(`\`${text}\``) &&
        !facts.includes(text),
    );

    expect(missing).toEqual([]);
  });
});

const base = {
  domain: 'example.org',
  reachability: { mode: 'lan' },
  certificates: {},
  cloudflare: { token: { env: 'CLOUDFLARE_DNS_API_TOKEN' } },
  identity: { admin: { username: 'anna', email: 'anna@example.org', first_name: 'Anna' } },
};

const yamlBlocks = pages.flatMap((page) => blocksOf(page)).filter((block) => block.language === 'yaml');

test.each(yamlBlocks.filter((block) => block.note === 'settings'))(
  'the settings at $at are valid',
  ({ at, lines }) => {
    const said = parse(lines.join('\n')) as Record<string, object>;
    const merged = Object.entries(said).reduce<Record<string, unknown>>((all, [section, values]) => {
      const there = all[section];
      const isSection = typeof there === 'object' && !Array.isArray(values) && typeof values === 'object';
      return { ...all, [section]: isSection ? { ...there, ...values } : values };
    }, base);

    expect(() => parseSettings(JSON.stringify(merged), at)).not.toThrow();
  },
);

test.each(yamlBlocks.filter((block) => block.note === 'compose'))(
  'the Compose override at $at changes services that exist, or brings an image',
  ({ lines }) => {
    const { services } = parse(lines.join('\n')) as { services: Record<string, { image?: string }> };
    const unknown = Object.entries(services).filter(
      ([name, service]) => !(ownServices as readonly string[]).includes(name) && service.image === undefined,
    );

    expect(unknown).toEqual([]);
  },
);

/** Everything that people read besides the documents: messages, comments of settings. */
const sources = ['src', 'bin', 'compose', 'nixos-host']
  .filter((folder) => existsSync(folder))
  .flatMap((folder) =>
    readdirSync(folder, { recursive: true, encoding: 'utf8' })
      .filter((name) => /\.(ts|mjs|yaml|nix)$/.test(name))
      .map((name) => readFileSync(join(folder, name), 'utf8')),
  )
  .join('\n');

/** Variables of other programs. */
const outside = new Set(['NB_FORCE_RELAY']);

test('names in capitals are error codes, or stand in the code', () => {
  const words = reading.flatMap((page) =>
    [...proseOf(page).matchAll(/`([A-Z]+(?:_[A-Z]+)+)`/g)].map((match) => ({ page, word: match[1] ?? '' })),
  );

  expect(words.length).toBeGreaterThan(5);
  expect(
    words.filter(({ word }) => !(word in errorCodes) && !outside.has(word) && !sources.includes(word)),
  ).toEqual([]);
});

test('every guide is linked from the README', () => {
  const readme = textOf('README.md');

  expect(reading.filter((page) => page !== 'README.md' && !readme.includes(`](${page})`))).toEqual([]);
});

test('messages and settings point to pages and headings that exist', () => {
  const named = [...new Set(sources.match(/docs\/[\w/-]+\.md(#[\w-]+)?/g))];
  const missing = named.filter((link) => {
    const [page = '', anchor] = link.split('#');
    return !existsSync(page) || (anchor !== undefined && !anchorsOf(page).has(anchor));
  });

  expect(named.length).toBeGreaterThan(3);
  expect(missing).toEqual([]);
});

test('every check of the doctor is explained, and no other', () => {
  const table = /\| Check \|[\s\S]*?\n\n/.exec(textOf('docs/troubleshooting.md'))?.[0] ?? '';
  const named = [...table.matchAll(/^\| (`[^|]+`) \|/gm)].flatMap(([, cell = '']) =>
    [...cell.matchAll(/`([^`]+)`/g)].map(([, id]) => id),
  );

  const source = readdirSync('src/doctor', { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => readFileSync(join('src/doctor', name), 'utf8'))
    .join('\n');
  const literal = [...source.matchAll(/\bid: '([\w-]+)'/g)].map(([, id]) => id);

  expect(named.length).toBeGreaterThan(20);
  expect(named.filter((id) => !source.includes(`'${id}'`))).toEqual([]);
  expect(literal.filter((id) => !named.includes(id))).toEqual([]);
});
