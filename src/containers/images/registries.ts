import { join } from 'node:path';
import * as z from 'zod';
import { nowMs, within } from '../../shared/clock.ts';
import { isAbort } from '../../shared/errors.ts';
import { ensureDirectory, readText, writeAtomic } from '../../shared/files.ts';
import { registryOf, type ImageWorld } from './resolve.ts';

/*
 * INVARIANTS
 * - A registry that has answered is not asked again by this process: pulls fill a slow line, and a question that is late
 *   because of them says nothing about the registry.
 * - One that stayed silent for 1.5 s is not asked again for five minutes, by any process; one that refuses at once is.
 * - One that is needed has 15 s to answer, and counts as silent only where this process has waited so long.
 */

/** How long one question may take: where something else can take the image's place, and where nothing can. */
const limitMs = { replaceable: 1500, needed: 15_000 } as const;
const silentForMs = 5 * 60_000;

/** By registry host: since when it is known to be silent. */
const rememberedSilence = z.record(z.string(), z.object({ sinceMs: z.number() }));
type Remembered = z.infer<typeof rememberedSilence>;

const read = async (path: string): Promise<Remembered> => {
  try {
    return rememberedSilence.parse(JSON.parse((await readText(path)) ?? '{}'));
  } catch {
    // Written by us alone and worth one question; what cannot be read counts as not known.
    return {};
  }
};

interface Options {
  /** True, or why the registry of this image does not answer; rejects when its signal is aborted. */
  readonly ask: (ref: string, signal: AbortSignal) => Promise<true | string>;
  /** Folder for what is remembered; made if it is not there. */
  readonly cache: string;
}

/**
 * Asks each registry that the images lead to, all at once and one question each. `needed`: hosts of images that nothing
 * else can take the place of.
 */
type AskRegistries = (
  refs: readonly string[],
  needed: ReadonlySet<string>,
  signal: AbortSignal,
) => Promise<ImageWorld['registries']>;

/** Registries as one process sees them. */
export const createRegistries = ({ ask, cache }: Options): AskRegistries => {
  const file = join(cache, 'silent-registries.json');
  const answering = new Set<string>();
  const waitedFor: Record<string, { sinceMs: number }> = {};

  return async (refs, needed, signal) => {
    const hosts = new Map(refs.map((ref) => [registryOf(ref), ref]));
    if ([...hosts.keys()].every((host) => answering.has(host)))
      return new Map([...hosts.keys()].map((host) => [host, true]));
    const remembered = await read(file);
    const silent: Record<string, { sinceMs: number }> = Object.fromEntries(
      Object.entries(remembered).filter(([host]) => !hosts.has(host)),
    );

    const answerOf = async (host: string, ref: string): Promise<true | string> => {
      if (answering.has(host)) return true;
      const known = needed.has(host) ? waitedFor[host] : remembered[host];
      if (known !== undefined && nowMs() - known.sinceMs < silentForMs) {
        silent[host] = known;
        return `no answer from ${host} a few minutes ago`;
      }
      const patienceMs = needed.has(host) ? limitMs.needed : limitMs.replaceable;
      try {
        const answer = await within(signal, patienceMs, async (limited) => ask(ref, limited));
        if (answer === true) answering.add(host);
        return answer;
      } catch (error) {
        signal.throwIfAborted();
        if (!isAbort(error)) throw error;
        const since = { sinceMs: nowMs() };
        silent[host] = since;
        if (needed.has(host)) waitedFor[host] = since;
        return `no answer from ${host} within ${patienceMs / 1000} s`;
      }
    };
    const answers = await Promise.all(
      [...hosts].map(async ([host, ref]) => [host, await answerOf(host, ref)] as const),
    );

    if (JSON.stringify(silent) !== JSON.stringify(remembered)) {
      await ensureDirectory(cache, 0o700);
      await writeAtomic(file, JSON.stringify(silent), 0o600);
    }
    return new Map(answers);
  };
};
