import { describe, expect, test } from 'vitest';
import {
  baseFile,
  baseServices,
  modelOf,
  sampleVariables,
  sandboxFile,
  textOf,
  whyNoCompose,
} from './model.ts';

const used = (text: string): ReadonlySet<string> =>
  new Set([...text.matchAll(/(?<!\$)\$\{([A-Z_]+)/g)].map((match) => match[1] ?? ''));
const withoutComments = (text: string): string => text.replaceAll(/^\s*#.*$/gm, '');
const base = textOf(baseFile);
const header = base.slice(0, base.indexOf('\nx-service'));
const perService = /_(IMAGE|IMAGE_KIND|FILES)$/;

describe('the variables of compose.yaml', () => {
  test('have no default: one that is forgotten stops Compose', () => {
    const references = [...withoutComments(base).matchAll(/(?<!\$)\$\{[A-Z_]+([^}]*)\}/g)];

    expect(references.length).toBeGreaterThan(60);
    expect(references.map((match) => match[1]).filter((rest) => rest !== ':?' && rest !== '?')).toEqual([]);
  });

  test('are all explained at its top, and nothing else is', () => {
    const block = header.slice(header.indexOf('# VARIABLES'), header.indexOf('# and for each service'));
    const explained = new Set(
      [...block.matchAll(/^#   ((?:[A-Z_]+, )*[A-Z_]+) {2,3}/gm)].flatMap(
        (match) => match[1]?.split(', ') ?? [],
      ),
    );
    const known = [...used(withoutComments(base))].filter((name) => !perService.test(name));

    // Compose reads the first by itself; the others are for the overrides of hosts.
    const more = ['COMPOSE_PROJECT_NAME', 'SKYLAB_DOMAIN', 'SKYLAB_OVERRIDE'];
    expect([...explained].sort()).toEqual([...known, ...more].sort());
  });

  test('name the image, its kind and the digest of the files of every service', () => {
    const wanted = baseServices.flatMap((name) => {
      const prefix = name.toUpperCase().replaceAll('-', '_');
      return [`${prefix}_FILES`, `${prefix}_IMAGE`, `${prefix}_IMAGE_KIND`];
    });

    expect([...used(base)].filter((name) => perService.test(name)).sort()).toEqual(wanted.sort());
  });
});

const missing = whyNoCompose();

describe.skipIf(missing !== undefined)(`a variable (needs docker compose; ${missing ?? 'found'})`, () => {
  test('that is missing or empty is named by Compose', () => {
    const { IDENTITY_URL: _left, ...others } = sampleVariables;

    expect(() => modelOf([baseFile], others)).toThrow(/IDENTITY_URL/);
    expect(() => modelOf([baseFile], { ...sampleVariables, IDENTITY_URL: '' })).toThrow(/IDENTITY_URL/);
  });

  test("of the sandbox's ports moves them inside and outside, so that a second sandbox runs beside the first", () => {
    const moved = modelOf([baseFile, sandboxFile], {
      ...sampleVariables,
      SANDBOX_API_PORT: '28787',
      SANDBOX_DNS_PORT: '25353',
      SANDBOX_CA_PORT: '24000',
      SANDBOX_CA_MANAGEMENT_PORT: '25000',
    });
    const ports = (name: string) =>
      moved.services[name]?.ports?.map((port) => `${port.published}:${port.target}/${port.protocol}`);

    expect(ports('cloudflare')).toEqual(['28787:28787/tcp', '25353:25353/tcp', '25353:25353/udp']);
    expect(ports('pebble')).toEqual(['24000:24000/tcp', '25000:25000/tcp']);
    expect(moved.services['pebble']?.command).toContain('cloudflare.localhost:25353');
    expect(moved.services['cloudflare']?.healthcheck?.test.join(' ')).toContain(':28787/healthz');
  });
});

describe.skipIf(missing !== undefined)(`the sandbox (needs docker compose; ${missing ?? 'found'})`, () => {
  const model = missing === undefined ? modelOf([baseFile, sandboxFile]) : undefined;

  test('adds its provider and its CA, and changes no service of the stack', () => {
    const alone = modelOf([baseFile]);

    expect(Object.keys(model?.services ?? {}).length).toBe(baseServices.length + 2);
    for (const name of baseServices) expect(model?.services[name]).toEqual(alone.services[name]);
  });

  test('gives them the names under which its settings look for them, at the usual ports', () => {
    expect(model?.services['cloudflare']?.networks?.['default']?.aliases).toEqual([
      'cloudflare.localhost',
      'dns.localhost',
    ]);
    expect(model?.services['pebble']?.networks?.['default']?.aliases).toEqual(['pebble.localhost']);
    expect(model?.services['pebble']?.depends_on).toMatchObject({
      cloudflare: { condition: 'service_healthy' },
    });
    expect(model?.services['cloudflare']?.ports?.map((port) => port.published)).toEqual([
      '18787',
      '15353',
      '15353',
    ]);
    expect(model?.services['pebble']?.ports?.map((port) => port.published)).toEqual(['14000', '15000']);
  });
});
