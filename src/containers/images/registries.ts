import { join } from 'node:path';
import * as z from 'zod';
import { nowMs, within } from '../../shared/clock.ts';
import { isAbort } from '../../shared/errors.ts';
import { ensureDirectory, readText, writeAtomic } from '../../shared/files.ts';
import { registryOf, type ImageWorld } from './resolve.ts';

const limitMs = 1500;
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
  readonly signal: AbortSignal;
}

/**
 * Asks each registry that the images lead to, all at once and one question each, for at most 1.5 s. A registry that
 * stayed silent all that time is not asked again for five minutes; one that refuses at once is.
 */
export const askRegistries = async (
  refs: readonly string[],
  { ask, cache, signal }: Options,
): Promise<ImageWorld['registries']> => {
  if (refs.length === 0) return new Map();
  const file = join(cache, 'silent-registries.json');
  const remembered = await read(file);
  const silent: Record<string, { sinceMs: number }> = {};
  const oneOfEach = new Map(refs.map((ref) => [registryOf(ref), ref]));

  const answers = await Promise.all(
    [...oneOfEach].map(async ([host, ref]): Promise<[string, true | string]> => {
      const known = remembered[host];
      if (known !== undefined && nowMs() - known.sinceMs < silentForMs) {
        silent[host] = known;
        return [host, `no answer from ${host} a few minutes ago`];
      }
      try {
        return [host, await within(signal, limitMs, async (limited) => ask(ref, limited))];
      } catch (error) {
        signal.throwIfAborted();
        if (!isAbort(error)) throw error;
        silent[host] = { sinceMs: nowMs() };
        return [host, `no answer from ${host} within ${limitMs / 1000} s`];
      }
    }),
  );

  if (JSON.stringify(silent) !== JSON.stringify(remembered)) {
    await ensureDirectory(cache, 0o700);
    await writeAtomic(file, JSON.stringify(silent), 0o600);
  }
  return new Map(answers);
};
