import { join } from 'node:path';
import * as z from 'zod';
import type { Effects } from '../../orchestrator/effects.ts';
import { followedFiles } from '../../settings/public-address.ts';
import { readText, writeAtomic } from '../../shared/files.ts';
import { nothingKnown, type Standing, type Trouble } from './standing.ts';

/*
 * What is kept of a followed address, in a folder that the renewer writes and coturn reads: one line with the address, and
 * `state.json` for the next start and for `status`. There is no secret in it.
 */

/** coturn runs as another user; the folder above is closed on the host. */
const mode = 0o644;

const instant = z.iso.datetime().transform((text) => Date.parse(text));
const trouble = z.object({ message: z.string(), hint: z.string(), since: instant, failures: z.int().min(1) });
const stateSchema = z.object({
  address: z.object({ text: z.string(), since: instant, seen: instant }).optional(),
  right: z.object({ address: z.string(), wish: z.string() }).optional(),
  address_trouble: trouble.optional(),
  records_trouble: trouble.optional(),
});

const asTrouble = (kept: z.output<typeof trouble> | undefined): Trouble | undefined =>
  kept === undefined
    ? undefined
    : { message: kept.message, hint: kept.hint, sinceMs: kept.since, failures: kept.failures };

/** What was kept; nothing where there is no such file, or none that can be read. Nothing is held back by what failed then. */
export const readStanding = async (folder: string): Promise<Standing> => {
  const text = await readText(join(folder, followedFiles.state));
  if (text === undefined) return nothingKnown;
  let parsed: z.output<typeof stateSchema>;
  try {
    parsed = stateSchema.parse(JSON.parse(text));
  } catch {
    return nothingKnown;
  }
  const { address, right } = parsed;
  return {
    ...nothingKnown,
    address:
      address === undefined
        ? undefined
        : { text: address.text, sinceMs: address.since, seenMs: address.seen },
    right,
    trouble: { address: asTrouble(parsed.address_trouble), records: asTrouble(parsed.records_trouble) },
  };
};

const iso = (ms: number): string => new Date(ms).toISOString();
const troubleText = ({ message, hint, sinceMs, failures }: Trouble) => ({
  message,
  hint,
  since: iso(sinceMs),
  failures,
});

const textOf = ({ address, right, trouble: { address: unseen, records } }: Standing): string => {
  const state = {
    ...(address === undefined
      ? {}
      : { address: { text: address.text, since: iso(address.sinceMs), seen: iso(address.seenMs) } }),
    ...(right === undefined ? {} : { right }),
    ...(unseen === undefined ? {} : { address_trouble: troubleText(unseen) }),
    ...(records === undefined ? {} : { records_trouble: troubleText(records) }),
  };
  return `${JSON.stringify(state, null, 2)}\n`;
};

const keep = async (folder: string, name: string, text: string, effects: Effects): Promise<void> => {
  const path = join(folder, name);
  if ((await readText(path)) === text) return;
  await effects.perform('file', `write ${path}`, async () => writeAtomic(path, text, mode));
};

/** Hands the address to coturn, where it has another one. @throws {StackError} DISK_* */
export const handToTurn = async (folder: string, { address }: Standing, effects: Effects): Promise<void> => {
  if (address !== undefined) await keep(folder, followedFiles.address, `${address.text}\n`, effects);
};

/** @throws {StackError} DISK_* */
export const saveStanding = async (folder: string, standing: Standing, effects: Effects): Promise<void> =>
  keep(folder, followedFiles.state, textOf(standing), effects);
