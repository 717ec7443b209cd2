import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { describe, expect, test } from 'vitest';

/*
 * The house rules as code. Each rule says why it is there; a failure lists what breaks it.
 */

const areaNames = ['containers', 'postgres', 'dns', 'acme', 'ingress', 'oidc', 'netbird'] as const;

interface Source {
  readonly path: string;
  readonly text: string;
  /** Project files it imports, types included, and how. */
  readonly internal: readonly string[];
  /** Packages and `node:` modules, types excluded. */
  readonly external: readonly string[];
}

const importPattern =
  /(?:^|\n)\s*(?:import|export)\s+(type\s+)?(?:[^'";]*?\sfrom\s+)?'([^']+)'|import\(\s*'([^']+)'\s*\)/g;

const read = (path: string): Source => {
  const text = readFileSync(path, 'utf8');
  const found = [...text.matchAll(importPattern)].map((match) => ({
    isType: match[1] !== undefined,
    target: match[2] ?? match[3] ?? '',
  }));
  const isInternal = (target: string) => target.startsWith('.');
  return {
    path,
    text,
    internal: found
      .filter((one) => isInternal(one.target))
      .map((one) => normalize(join(dirname(path), one.target))),
    external: found.filter((one) => !isInternal(one.target) && !one.isType).map((one) => one.target),
  };
};

const files = (folder: string, ending = '.ts'): readonly Source[] =>
  readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith(ending))
    .sort()
    .map((name) => read(join(folder, name)));
const src = files('src');
const roomOf = (path: string): string => path.split('/')[1] ?? '';
const isArea = (room: string): boolean => (areaNames as readonly string[]).includes(room);
const lineCount = (source: Source): number =>
  source.text.split('\n').filter((line) => line.trim() !== '').length;

test('the rules look at the code', () => {
  expect(src.length).toBeGreaterThan(40);
  expect(src.flatMap((one) => one.internal).length).toBeGreaterThan(60);
});

describe('who may import whom', () => {
  const broken = (allowed: (from: Source, to: string) => boolean) =>
    src.flatMap((from) =>
      from.internal.filter((to) => !allowed(from, to)).map((to) => `${from.path} -> ${to}`),
    );

  test('an area knows itself, the contract, settings and shared; never another area', () => {
    const contract = /^src\/orchestrator\/(area|facts|effects|ports|report\/check)\.ts$/;
    const violations = broken((from, to) => {
      const room = roomOf(from.path);
      if (!isArea(room)) return true;
      return roomOf(to) === room || ['settings', 'shared'].includes(roomOf(to)) || contract.test(to);
    });

    expect(violations).toEqual([]);
  });

  test('the orchestrator knows no area, but for the one list of them', () => {
    const violations = broken(
      (from, to) =>
        roomOf(from.path) !== 'orchestrator' || from.path.endsWith('/areas.ts') || !isArea(roomOf(to)),
    );

    expect(violations).toEqual([]);
  });

  test('what verbs do is known by verbs alone', () => {
    const ofVerbs = ['commands', 'doctor', 'init', 'secrets'];
    const violations = broken(
      (from, to) => !ofVerbs.includes(roomOf(to)) || [...ofVerbs, 'cli.ts'].includes(roomOf(from.path)),
    );

    expect(violations).toEqual([]);
  });

  test('shared knows nothing of this product, settings only shared', () => {
    const violations = broken((from, to) => {
      const room = roomOf(from.path);
      if (room === 'shared') return roomOf(to) === 'shared';
      return room !== 'settings' || ['settings', 'shared'].includes(roomOf(to));
    });

    expect(violations).toEqual([]);
  });

  test('nothing in src reaches into sandbox or test, and the sandbox uses only shared', () => {
    expect(broken((_from, to) => to.startsWith('src/'))).toEqual([]);
    const sandbox = files('sandbox');
    expect(sandbox.length).toBeGreaterThan(10);
    expect(
      sandbox.flatMap((one) =>
        one.internal.filter((to) => !/^(sandbox|src\/shared)\//.test(to)).map((to) => `${one.path} -> ${to}`),
      ),
    ).toEqual([]);
  });

  test('pure rooms do nothing: no node modules, no packages', () => {
    const pure =
      /^src\/(containers|postgres|dns|acme|ingress|oidc|netbird)\/(desired|plan|render|facts|policy|conf)\.ts$/;
    const rooms = src.filter((one) => pure.test(one.path));
    // Looking at a certificate and naming a version by its content are computations, not effects.
    const allowed = new Set(['node:crypto']);

    expect(rooms.length).toBeGreaterThan(7);
    expect(
      rooms.flatMap((one) =>
        one.external.filter((name) => !allowed.has(name)).map((name) => `${one.path} -> ${name}`),
      ),
    ).toEqual([]);
  });

  test('no file takes part in a cycle, types included', () => {
    const next = new Map([...src, ...files('sandbox')].map((one) => [one.path, one.internal]));
    const cycles: string[] = [];
    const done = new Set<string>();
    const walk = (path: string, trail: readonly string[]) => {
      const at = trail.indexOf(path);
      if (at >= 0) {
        cycles.push([...trail.slice(at), path].join(' -> '));
        return;
      }
      if (done.has(path)) return;
      for (const to of next.get(path) ?? []) walk(to, [...trail, path]);
      done.add(path);
    };
    for (const path of next.keys()) walk(path, []);

    expect(cycles).toEqual([]);
  });
});

describe('each outside package has one door', () => {
  const doors: Readonly<Record<string, RegExp>> = {
    dockerode: /^src\/containers\/engine\.ts$/,
    'docker-compose': /^src\/containers\/compose\.ts$/,
    '@peculiar/x509': /^src\/acme\/(local\/authority|renewal\/certificate-id)\.ts$/,
    'acme-client': /^src\/acme\/client\.ts$/,
    cloudflare: /^src\/dns\/cloudflare\.ts$/,
    'openid-client': /^src\/oidc\/.*\.ts$/,
    '@clack/prompts': /^src\/shared\/prompts\.ts$/,
    diff: /^src\/init\/difference\.ts$/,
    commander: /^src\/cli\.ts$/,
    'log-update': /^src\/orchestrator\/report\/live\.ts$/,
    'nano-spawn': /^src\/shared\/exec\.ts$/,
    'node:child_process': /^$/,
    'node:http': /^src\/(shared\/http|ingress\/probe)\.ts$/,
    'node:https': /^src\/shared\/http\.ts$/,
    'dns-packet': /^src\/dns\/.*\.ts$/,
    yaml: /^src\/(settings|containers)\/.*\.ts$/,
  };

  test.each(Object.entries(doors))('%s', (name, door) => {
    const users = src.filter((one) =>
      one.external.some((target) => target === name || target.startsWith(`${name}/`)),
    );

    expect(users.filter((one) => !door.test(one.path)).map((one) => one.path)).toEqual([]);
  });

  test('only cli.ts and context.ts know the process; only clock.ts tells the time', () => {
    const offenders = src.filter(
      (one) =>
        (/\bprocess\.(env|argv|exit|stdout|stderr|cwd)\b/.test(one.text) &&
          !/^src\/(cli|context)\.ts$/.test(one.path)) ||
        (/\b(Date\.now\(|Math\.random\(|setInterval\(|setTimeout\()/.test(one.text) &&
          !/^src\/(shared\/clock|orchestrator\/report\/live)\.ts$/.test(one.path)),
    );

    expect(offenders.map((one) => one.path)).toEqual([]);
  });
});

describe('sizes', () => {
  test('no file has more than 300 lines', () => {
    const long = [...src, ...files('sandbox'), ...files('bin', '.mjs')].filter((one) => lineCount(one) > 300);

    expect(long.map((one) => `${one.path}: ${lineCount(one)}`)).toEqual([]);
  });

  test('an area has at most eight files, those of a room below it apart', () => {
    const crowded = areaNames
      .map((name) => [name, src.filter((one) => dirname(one.path) === `src/${name}`).length] as const)
      .filter(([, count]) => count === 0 || count > 8);

    expect(crowded).toEqual([]);
  });

  test('the orchestrator stays small enough to be read at one sitting', () => {
    const core = src.filter((one) => dirname(one.path) === 'src/orchestrator');
    const code = (text: string) => text.replaceAll(/\/\*[^]*?\*\//g, '').replaceAll(/^\s*\/\/.*$/gm, '');
    const lines = core.reduce((sum, one) => sum + lineCount({ ...one, text: code(one.text) }), 0);

    expect(core.length).toBeGreaterThan(4);
    expect(lines).toBeLessThanOrEqual(700);
  });
});

test('the sandbox is only settings: no code asks for it, choosing host and images apart', () => {
  const named = src.filter((one) =>
    /sandbox|pebble/i.test(one.text.replaceAll(/\/\*[^]*?\*\/|\/\/.*$/gm, '')),
  );
  const allowed = /^src\/(settings\/host\.ts|containers\/images\/.*\.ts)$/;

  expect(named.map((one) => one.path).filter((path) => !allowed.test(path))).toEqual([]);
});

test('no file exports everything of another one', () => {
  expect(src.filter((one) => /export \* from/.test(one.text)).map((one) => one.path)).toEqual([]);
});
