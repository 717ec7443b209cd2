import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { parse, stringify } from 'yaml';
import { runProgram } from '../support/host.ts';

/*
 * What the built program loads, told by Node itself: its coverage names every script that ran, and the source map beside
 * each names the packages in it.
 */

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'skylab-imports-'));
  const own = join(folder, 'hosts', 'imports');
  await mkdir(own, { recursive: true });
  const sandbox = parse(await readFile('compose/hosts/sandbox/settings.yaml', 'utf8')) as object;
  await writeFile(
    join(own, 'settings.yaml'),
    stringify({ ...sandbox, storage: { root: join(folder, 'state') } }),
  );
});
afterAll(async () => rm(folder, { recursive: true }));

interface Coverage {
  readonly result: readonly { readonly url: string }[];
}

/** Names of the packages in everything that `skylab <args>` loads. */
const packagesLoadedBy = async (...args: readonly string[]): Promise<ReadonlySet<string>> => {
  const coverage = join(folder, `coverage-${args.join('')}`);
  await runProgram(process.execPath, [resolve('dist/cli.js'), ...args], {
    ...process.env,
    SKYLAB_HOSTS: join(folder, 'hosts'),
    STACK_HOST: 'imports',
    NODE_V8_COVERAGE: coverage,
  });
  const packages = new Set<string>();
  for (const file of await readdir(coverage)) {
    const { result } = JSON.parse(await readFile(join(coverage, file), 'utf8')) as Coverage;
    for (const { url } of result.filter((one) => one.url.startsWith('file:'))) {
      const map = JSON.parse(await readFile(`${fileURLToPath(url)}.map`, 'utf8')) as { sources: string[] };
      for (const source of map.sources) {
        const name = /.*node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(source)?.[1];
        if (name !== undefined) packages.add(name);
      }
    }
  }
  return packages;
};

/** Whatever speaks to an outside system, or is large for other reasons. */
const heavy = [
  'dockerode',
  'docker-compose',
  'cloudflare',
  'acme-client',
  'openid-client',
  'jose',
  '@peculiar/x509',
  '@clack/prompts',
  'diff',
  'dns-packet',
  'zod',
  'yaml',
];
/** What a look at the world is made with. */
const forLooking = ['dockerode', 'cloudflare', 'dns-packet', 'zod', 'yaml'];

test('the help loads nothing but the command line', async () => {
  const loaded = await packagesLoadedBy('--help');

  expect([...loaded]).toContain('commander');
  expect(heavy.filter((name) => loaded.has(name))).toEqual([]);
});

test.each(['plan', 'status'])(
  '%s loads what it looks with, and nothing that changes or proves',
  async (verb) => {
    const loaded = await packagesLoadedBy(verb);

    expect(heavy.filter((name) => loaded.has(name) && !forLooking.includes(name))).toEqual([]);
    expect([...loaded]).toContain('dockerode');
  },
);

test('no verb carries what dockerode would load for other machines and other builders', async () => {
  const loaded = await packagesLoadedBy('plan');

  expect(['ssh2', '@grpc/grpc-js'].filter((name) => loaded.has(name))).toEqual([]);
});
