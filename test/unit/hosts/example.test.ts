import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { z } from 'zod';
import { parseSettings } from '../../../src/settings/load.ts';
import { hostSettings } from '../../../src/settings/schema.ts';
import { textOfHost } from '../../support/hosts.ts';

/*
 * The folder that explains every setting: nothing may be missing from it, and nothing in it may be wrong.
 */

interface Schema {
  readonly type?: string;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly items?: Schema;
  readonly anyOf?: readonly Schema[];
  readonly enum?: readonly unknown[];
  readonly const?: string;
}

/** Nothing acts on these yet, so an entry would be refused; a comment shows one. */
const shownInComments = ['mesh.home[]', 'apps[]'];

const schema = z.toJSONSchema(hostSettings, { io: 'input', unrepresentable: 'any' }) as Schema;
const text = textOfHost('example');
const value: unknown = parse(text);
const comments = text
  .split('\n')
  .map((line) => /#(.*)$/.exec(line)?.[1] ?? '')
  .join('\n');

/** Every setting of the schema, with the values that the file gives it: one for each entry of a list around it. */
const settings = (part: Schema, values: readonly unknown[], path = ''): [string, readonly unknown[]][] =>
  Object.entries(part.properties ?? {}).flatMap(([name, inner]): [string, readonly unknown[]][] => {
    const full = path === '' ? name : `${path}.${name}`;
    const here = values.flatMap((one) => {
      const found = (one as Readonly<Record<string, unknown>>)[name];
      return found === undefined ? [] : [found];
    });
    const below =
      inner.type === 'array'
        ? settings(inner.items ?? {}, here.flat(), `${full}[]`)
        : settings(inner, here, full);
    return [[full, here], ...below];
  });

/** The words a setting may take: choices, and keys of forms. */
const words = (part: Schema): readonly string[] => [
  ...(part.enum ?? []).map(String),
  ...(part.const === undefined ? [] : [part.const]),
  ...(part.anyOf ?? []).flatMap((one) => [...words(one), ...Object.keys(one.properties ?? {})]),
  ...Object.values(part.properties ?? {}).flatMap(words),
  ...(part.items === undefined ? [] : words(part.items)),
];

describe('compose/hosts/example/settings.yaml', () => {
  test('is valid', () => {
    expect(parseSettings(text, 'settings.yaml').domain).toBe('example.org');
  });

  test('has every setting there is', () => {
    const all = settings(schema, [value]);
    const missing = all.filter(([, values]) => values.length === 0).map(([path]) => path);
    const excused = missing.filter((path) => shownInComments.some((list) => path.startsWith(list)));

    expect(all.length).toBeGreaterThan(60);
    expect(missing.filter((path) => !excused.includes(path))).toEqual([]);
    for (const path of excused) expect(comments).toContain(`${path.split('.').at(-1)}:`);
  });

  test('names every choice that a setting leaves', () => {
    // A token that is written out is only for machines that talk to nobody.
    const unsaid = words(schema).filter(
      (word) => word !== 'value' && !new RegExp(`\\b${word}\\b`).test(text),
    );

    expect(words(schema)).toContain('letsencrypt-staging');
    expect(unsaid).toEqual([]);
  });

  test('shows secrets where its settings look for them, in the form they are read', () => {
    const { cloudflare } = parseSettings(text, 'settings.yaml');
    const secrets = parse(readFileSync('compose/hosts/example/secrets.example.yaml', 'utf8')) as {
      acme: { cloudflare_token: string };
    };

    expect(cloudflare.token).toEqual({ sops: 'secrets/secrets.yaml', key: 'acme/cloudflare_token' });
    expect(secrets.acme.cloudflare_token).toBe('CLOUDFLARE_DNS_API_TOKEN=your_token_here');
  });
});
