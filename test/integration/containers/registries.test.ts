import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { createImageSource } from '../../../src/containers/docker/image-source.ts';
import { createEngine } from '../../../src/containers/engine.ts';
import { createRegistries } from '../../../src/containers/images/registries.ts';

/*
 * How long a registry is waited for and what is kept of its answer, with real files and a clock that is set forward.
 */

let root: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'skylab-registries-'));
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'Date'] });
});
afterEach(async () => {
  vi.useRealTimers();
  await rm(root, { recursive: true, force: true });
});

const { signal } = new AbortController();
const installation = join(import.meta.dirname, '..', '..', '..');

/** A registry whose answers take so long, in milliseconds of a clock that goes on with each question. */
const registry = (delayMs: number) => {
  const asked: string[] = [];
  const line = { delayMs };
  const ask = async (ref: string, limited: AbortSignal): Promise<true> => {
    asked.push(ref);
    for (let waitedMs = 0; waitedMs < line.delayMs && !limited.aborted; waitedMs += 100)
      await vi.advanceTimersByTimeAsync(100);
    limited.throwIfAborted();
    return true;
  };
  return { asked, ask, line };
};

const sourceOf = ({ ask }: Pick<ReturnType<typeof registry>, 'ask'>) => {
  const endpoint = async () => Promise.resolve({ url: `unix://${root}/none.sock`, certificates: undefined });
  const engine = { ...createEngine(endpoint), askRegistry: ask };
  return createImageSource({ engine, endpoint, installation, cache: root });
};
const wishes = { overrides: {}, standIns: false };

describe('the images of a run', () => {
  test('stay those that are being pulled, although the pulls leave no room for another question', async () => {
    const slow = registry(200);
    const { choose } = sourceOf(slow);
    const look = async () => choose(['postgres', 'netbird-peer'], new Set(), wishes, signal);
    const first = await look();
    slow.line.delayMs = 60_000;
    const second = await look();

    expect(first.actions.map((one) => one.kind)).toEqual(['pull', 'pull']);
    expect(second).toEqual(first);
    expect(slow.asked.length).toBe(1);
  });

  test('are pulled over a line that answers late, where nothing else can take their place', async () => {
    const { choose } = sourceOf(registry(10_000));
    const result = await choose(['netbird-peer'], new Set(), wishes, signal);

    expect(result.missing).toEqual([]);
    expect(result.actions).toMatchObject([{ kind: 'pull', ref: 'netbirdio/netbird:0.77.1' }]);
  });

  test('are built after 1.5 s where that is possible', async () => {
    const { choose } = sourceOf(registry(10_000));
    const startedMs = Date.now();
    const result = await choose(['postgres'], new Set(), wishes, signal);

    expect(result.images).toMatchObject([{ service: 'postgres', source: 'built' }]);
    expect(Date.now() - startedMs).toBe(1500);
  });
});

describe('silence', () => {
  const ref = 'registry.test/a:1';
  const host = 'registry.test';
  const needed = new Set([host]);

  test('that another run met does not count where the registry is needed', async () => {
    const { ask, asked } = registry(3000);
    const impatient = createRegistries({ ask, cache: root });
    const patient = createRegistries({ ask, cache: root });
    const first = await impatient([ref], new Set(), signal);
    const second = await impatient([ref], new Set(), signal);
    const third = await patient([ref], needed, signal);

    expect(first.get(host)).toBe(`no answer from ${host} within 1.5 s`);
    expect(second.get(host)).toBe(`no answer from ${host} a few minutes ago`);
    expect(third.get(host)).toBe(true);
    expect(asked.length).toBe(2);
  });

  test('of 15 s is waited for once in a run, not at every look', async () => {
    const { ask, asked } = registry(60_000);
    const registries = createRegistries({ ask, cache: root });
    const first = await registries([ref], needed, signal);
    const second = await registries([ref], needed, signal);

    expect(first.get(host)).toBe(`no answer from ${host} within 15 s`);
    expect(second.get(host)).toBe(`no answer from ${host} a few minutes ago`);
    expect(asked.length).toBe(1);
  });

  test('of one registry is not forgotten when another one is asked', async () => {
    const silent = registry(60_000);
    const registries = createRegistries({ ask: silent.ask, cache: root });
    for (const one of [ref, 'other.test/a:1', ref]) await registries([one], new Set(), signal);

    expect(silent.asked).toEqual([ref, 'other.test/a:1']);
  });
});
