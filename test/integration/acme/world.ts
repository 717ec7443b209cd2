import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import type { Cloudflare as Provider } from '../../../sandbox/cloudflare/server.ts';
import { createAcmeArea } from '../../../src/acme/area.ts';
import type { AcmePorts } from '../../../src/acme/renewal/records.ts';
import type { AcmeDesired, AcmeStep } from '../../../src/acme/policy.ts';
import { createEffects, type Effects } from '../../../src/orchestrator/effects.ts';
import { createRedactor } from '../../../src/shared/redact.ts';
import { startProvider, zoneName } from '../../support/cloudflare.ts';
import { portsFor } from './ports.ts';
import { startPebble, type Pebble, type PebbleOptions } from '../../support/pebble.ts';

export const names = [`netbird.${zoneName}`, `pocketid.${zoneName}`];

/** A private authority and DNS provider, and a store in a folder of its own. */
export interface TestWorld {
  readonly provider: Provider;
  readonly pebble: Pebble;
  readonly folder: string;
  /** The wishes for some names, in a store of this name. */
  readonly wishes: (some?: readonly string[], store?: string) => AcmeDesired;
  /** Names of the TXT records at the provider. */
  readonly txtNames: () => readonly string[];
  readonly stop: () => Promise<void>;
}

/** Effects that write down what was done. */
export const recordedEffects = (): Effects & { readonly done: readonly string[] } => {
  const done: string[] = [];
  const effects = createEffects({
    redactor: createRedactor(),
    onEffect: (_kind, what) => {
      done.push(what);
    },
  });
  return { ...effects, done };
};

/** A program of this folder as one file that Node runs, in a process of its own. */
export const bundled = async (name: string, folder: string): Promise<string> => {
  const outfile = join(folder, `${name}.mjs`);
  const requireBanner = `import { createRequire as makeRequire } from 'node:module'; const require = makeRequire(import.meta.url);`;
  await build({
    entryPoints: [fileURLToPath(new URL(`${name}.ts`, import.meta.url))],
    outfile,
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    logLevel: 'silent',
    banner: { js: requireBanner },
  });
  return outfile;
};

export const startWorld = async (options: Partial<PebbleOptions> = {}): Promise<TestWorld> => {
  const provider = await startProvider();
  const pebble = await startPebble({
    dnsServer: `127.0.0.1:${provider.dnsPort}`,
    certificateValidityPeriod: 7_776_000,
    retryAfter: { authz: 1, order: 1 },
    ...options,
  });
  const folder = await mkdtemp(join(tmpdir(), 'skylab-acme-'));
  const caFile = join(folder, 'directory-ca.pem');
  await writeFile(caFile, pebble.caPem);
  return {
    provider,
    pebble,
    folder,
    wishes: (some = names, store = 'store') => ({
      domain: zoneName,
      names: [...some].sort(),
      directory: pebble.directoryUrl,
      directoryCa: { file: caFile },
      trust: { url: `${pebble.managementUrl}/roots/0` },
      contact: 'admin@skylab.test',
      certificates: join(folder, store),
      mark: 'skylab-test acme',
      cloudflare: { api: provider.apiUrl },
      dns: { resolvers: [], authoritative: [`127.0.0.1:${provider.dnsPort}`], ttl_seconds: 300 },
    }),
    txtNames: () =>
      provider
        .records()
        .filter((record) => record.type === 'TXT')
        .map((record) => record.name),
    async stop() {
      await pebble.stop();
      await provider.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
};

/** What one run of the loop does: looks, and takes each planned step, until nothing is planned. */
export const settle = async (
  wanted: AcmeDesired,
  ports: AcmePorts = portsFor(wanted),
  signal: AbortSignal = new AbortController().signal,
) => {
  const area = createAcmeArea(ports);
  const effects = recordedEffects();
  const planned: string[] = [];
  for (;;) {
    const world = await area.observe(wanted, signal);
    const [step] = area.plan(wanted, world);
    if (step === undefined) return { planned, done: effects.done, facts: area.facts(wanted, world) };
    if (planned.filter((id) => id === step.id).length > 1)
      throw new Error(`"${step.id}" is planned for ever`);
    planned.push(step.id);
    const apply = area.apply[step.kind] as (
      step: AcmeStep,
      effects: Effects,
      signal: AbortSignal,
    ) => Promise<void>;
    await apply(step, effects, signal);
  }
};

const patienceMs = 200_000;

/** Waits until it holds, looking every 20 ms. @throws after 200 s: an order that failed is made again after 66 at the latest */
export const until = async (what: string, holds: () => boolean | Promise<boolean>): Promise<void> => {
  const endMs = Date.now() + patienceMs;
  while (!(await holds())) {
    if (Date.now() > endMs) throw new Error(`not within ${patienceMs / 1000} s: ${what}`);
    await pause(20);
  }
};

/** Orders at once, without a look; returns what was thrown and what was done. */
export const refusedOrder = async (
  wanted: AcmeDesired,
  ports: AcmePorts = portsFor(wanted),
  signal = new AbortController().signal,
) => {
  const effects = recordedEffects();
  const area = createAcmeArea(ports);
  const [step] = area
    .plan(wanted, {
      certificate: { valid: false, due: true, why: 'a test wants it', renewAtMs: undefined },
      authority: true,
      rootsKnown: true,
      leftovers: 0,
      rootsStale: false,
      waited: false,
      told: [],
    })
    .filter((one) => one.kind === 'issue');
  if (step === undefined) throw new Error('nothing is planned');
  const error: unknown = await area.apply.issue(step, effects, signal).then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  return { error, done: effects.done };
};
