import { existsSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { z } from 'zod';
import { hostSettings } from '../src/settings/schema.ts';
import { errorCodes } from '../src/shared/error-codes.ts';

/*
 * Pages that are made from the code, and the ledger, which points into the tests. After a change: npx vitest run -u test/docs.test.ts
 */

interface Schema {
  readonly type?: string;
  readonly description?: string;
  readonly default?: unknown;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly items?: Schema;
  readonly additionalProperties?: Schema | boolean;
  readonly anyOf?: readonly Schema[];
  readonly enum?: readonly unknown[];
  readonly const?: string;
  readonly required?: readonly string[];
}

const kindOf = (schema: Schema): string => {
  if (schema.enum !== undefined) return schema.enum.map((one) => `\`${String(one)}\``).join(', ');
  if (schema.const !== undefined) return `\`${schema.const}\``;
  if (schema.anyOf !== undefined) return schema.anyOf.map(kindOf).join(' or ');
  if (schema.type === 'array') return `list of ${kindOf(schema.items ?? {})}`;
  if (schema.type === 'object') return `{${Object.keys(schema.properties ?? { name: {} }).join(', ')}}`;
  return schema.type ?? 'text';
};

const rows = (schema: Schema, path: string): string[] =>
  Object.entries(schema.properties ?? {}).flatMap(([name, inner]) => {
    const full = path === '' ? name : `${path}.${name}`;
    const isSection = inner.type === 'object' && inner.properties !== undefined;
    const isRequired = schema.required?.includes(name) === true && inner.default === undefined;
    const fallback = isSection
      ? ''
      : inner.default === undefined
        ? isRequired
          ? 'required'
          : ''
        : `\`${JSON.stringify(inner.default)}\``;
    const row = `| \`${full}\` | ${isSection ? 'section' : kindOf(inner)} | ${fallback} | ${inner.description ?? ''} |`;
    const below = inner.type === 'array' ? rows(inner.items ?? {}, `${full}[]`) : rows(inner, full);
    return [row, ...below];
  });

const settingsPage = (): string =>
  [
    '# Settings',
    '',
    'Every setting of `compose/hosts/<host>/settings.yaml`. This page is made from `src/settings/schema.ts`.',
    'Keys that are not listed here are errors. `compose/hosts/example/` has them all in one file.',
    '',
    '| Setting | Form | Default | What it is for |',
    '|---|---|---|---|',
    ...rows(z.toJSONSchema(hostSettings, { io: 'input', unrepresentable: 'any' }) as Schema, ''),
    '',
  ].join('\n');

const errorsPage = (): string =>
  [
    '# Errors',
    '',
    'Every error has a code, a message that says what was seen and what was wanted, and a line `fix:`.',
    'This page is made from `src/shared/error-codes.ts`.',
    '',
    ...Object.entries(errorCodes).flatMap(([code, { exit, means }]) => [
      `## ${code}`,
      '',
      `${means} Exit code ${exit}.`,
      '',
    ]),
  ].join('\n');

test('docs/settings.md describes the schema as it is', async () => {
  await expect(settingsPage()).toMatchFileSnapshot('../docs/settings.md');
});

test('every setting says what it is for', () => {
  const undescribed = settingsPage()
    .split('\n')
    .filter((line) => line.startsWith('| `') && line.endsWith('|  |'));

  expect(undescribed).toEqual([]);
});

test('docs/errors.md describes the codes as they are', async () => {
  await expect(errorsPage()).toMatchFileSnapshot('../docs/errors.md');
});

test('the ledger names tests and commands that exist', () => {
  const scripts = Object.keys(
    (JSON.parse(readFileSync('package.json', 'utf8')) as { scripts: Record<string, string> }).scripts,
  );
  const entries = [
    ...readFileSync('docs/ledger.md', 'utf8').matchAll(/`(test\/[^`]+|npm run [^`]+|npm test)`/g),
  ].map((match) => match[1] ?? '');

  expect(entries.length).toBeGreaterThan(10);
  const missing = entries.filter((entry) =>
    entry.startsWith('test/')
      ? !existsSync(entry)
      : entry !== 'npm test' && !scripts.includes(entry.replace(/^npm run (-s )?/, '').split(' ')[0] ?? ''),
  );
  expect(missing).toEqual([]);
});
