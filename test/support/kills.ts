import { createTestHost, type TestHost } from './host.ts';
import { lookAtWorld, type World } from './world.ts';

/*
 * Ending the program at an effect, and comparing the world after the next run with that of a run nobody ended.
 */

/** One write to the outside, as `up --json` tells it. */
interface Effect {
  readonly kind: string;
  readonly what: string;
  readonly number: number;
}

interface Run {
  readonly code: number | undefined;
  /** It ended itself where it was told to. */
  readonly wasKilled: boolean;
  readonly effects: readonly Effect[];
  /** The last line of JSON, and whatever went to stderr. */
  readonly last: string;
}

/** `before:7`, `after:compose:2`: what SKYLAB_KILL_AT takes. */
export type Point = `${'before' | 'after'}:${string}`;

/** Runs `up`, ended at a point where one is given. */
export const up = async (host: TestHost, point?: Point): Promise<Run> => {
  const { code, signal, stdout, stderr } = await host.run(
    ['up', '--json'],
    point === undefined ? {} : { SKYLAB_KILL_AT: point },
  );
  const events = stdout
    .split('\n')
    .filter((line) => line.endsWith('}'))
    .map((line) => JSON.parse(line) as { readonly type?: string } & Effect);
  return {
    code,
    wasKilled: signal === 'SIGKILL',
    effects: events.filter((event) => event.type === 'effect'),
    last: `${stdout.trim().split('\n').at(-1) ?? ''} ${stderr}`,
  };
};

/** The lines that only one of two worlds has, with the part they belong to. */
export const differences = (wanted: World, seen: World): readonly string[] =>
  Object.keys(wanted).flatMap((part) => {
    const count = (lines: readonly string[], line: string) => lines.filter((one) => one === line).length;
    const [before, after] = [wanted[part] ?? [], seen[part] ?? []];
    return [
      ...[...new Set(before)]
        .filter((line) => count(after, line) < count(before, line))
        .map((line) => `${part} lacks: ${line}`),
      ...[...new Set(after)]
        .filter((line) => count(after, line) > count(before, line))
        .map((line) => `${part} has besides: ${line}`),
    ];
  });

/** What was wrong after one kill and the run that followed it; empty where nothing was. */
export const afterKill = async (host: TestHost, point: Point, wanted: World): Promise<readonly string[]> => {
  const killed = await up(host, point);
  const at = `${point} (${killed.effects.at(-1)?.what ?? 'no effect'})`;
  if (!killed.wasKilled && killed.code !== 0)
    return [`${at}: ended by itself with ${killed.code}: ${killed.last}`];
  const next = await up(host);
  if (next.code !== 0) return [`${at}: the next run ended with ${next.code}: ${next.last}`];
  return differences(wanted, await lookAtWorld(host)).map((line) => `${at}: ${line}`);
};

/** A host on which a whole run was made, with the effects it took and the world it left. */
export interface Reference {
  readonly host: TestHost;
  readonly effects: readonly Effect[];
  readonly world: World;
}

export const createReference = async (purpose: string): Promise<Reference> => {
  const host = await createTestHost(purpose);
  const { code, effects, last } = await up(host);
  if (code !== 0) throw new Error(`up on a host of its own ended with ${code}: ${last}`);
  return { host, effects, world: await lookAtWorld(host) };
};

/** Has each task done by the first worker that is free; returns all results. */
export const shareOut = async <W, T, R>(
  workers: readonly W[],
  tasks: readonly T[],
  act: (worker: W, task: T) => Promise<readonly R[]>,
): Promise<readonly R[]> => {
  const left = [...tasks];
  const results = await Promise.all(
    workers.map(async (worker) => {
      const own: R[] = [];
      for (let task = left.shift(); task !== undefined; task = left.shift())
        own.push(...(await act(worker, task)));
      return own;
    }),
  );
  return results.flat();
};

/** Numbers between 0 and 1 that follow from a seed (Steele and others' SplitMix, in 32 bits). */
const randomFrom = (seed: number) => {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x9e3779b9) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 16), 0x21f0aaad);
    mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a2d97);
    return ((mixed ^ (mixed >>> 15)) >>> 0) / 2 ** 32;
  };
};

/** So many of them, each once, the same for the same seed. */
export const pick = <T>(all: readonly T[], count: number, seed: number): readonly T[] => {
  const random = randomFrom(seed);
  return all
    .map((one) => ({ one, key: random() }))
    .sort((a, b) => a.key - b.key)
    .slice(0, count)
    .map(({ one }) => one);
};
