import { rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import * as z from 'zod';
import type { Effects } from '../../orchestrator/effects.ts';
import { errorCodes, type ErrorCode } from '../../shared/error-codes.ts';
import { ensureDirectory, onDisk, readText, writeAtomic, type Owner } from '../../shared/files.ts';
import type { Attempts } from './attempts.ts';
import type { Advice } from './schedule.ts';

/*
 * What is remembered of a certificate besides itself, in files beside `current`: `renewal.json` (what its authority
 * suggests), `attempts.json` (failures in a row), `order.json` (the order under way with its key), `told.json` (what the
 * operator's commands were run for), `missing.json` (since when there is no valid one). Each is written whole; one that
 * cannot be read counts as none.
 */

const instant = z.iso.datetime().transform((text) => Date.parse(text));
const text = (ms: number): string => new Date(ms).toISOString();

const adviceSchema = z.object({
  serial: z.string(),
  window: z.object({ start: instant, end: instant }).optional(),
  renew_at: instant.optional(),
  explanation: z.string().optional(),
  ask_at: instant,
});
const attemptsSchema = z.object({
  wish: z.string(),
  failures: z.int().min(1),
  since: instant,
  last: instant,
  until: instant,
  code: z.custom<ErrorCode>((code) => typeof code === 'string' && code in errorCodes),
  message: z.string(),
  hint: z.string(),
});
const orderSchema = z.object({
  directory: z.string(),
  names: z.array(z.string()),
  /** The profile that was wanted, and whether it had to be left out. */
  profile: z.string().optional(),
  without_profile: z.boolean().optional(),
  url: z.string(),
  key: z.string(),
});
/** An order that was made and not finished: its address, and the key its certificate will have (PEM). */
export type OpenOrder = z.output<typeof orderSchema>;

const toldSchema = z.object({
  renewed: z.string().optional(),
  failed: z.string().optional(),
  trying: z.object({ id: z.string(), tries: z.int(), until: instant }).optional(),
});
/** What the operator's commands were run for, and the one that is to be run again. */
export interface Told {
  readonly renewed?: string | undefined;
  readonly failed?: string | undefined;
  readonly trying?: { readonly id: string; readonly tries: number; readonly untilMs: number } | undefined;
}

/** Where things of one certificate are kept, and who owns them there. */
export interface Place {
  readonly certificates: string;
  readonly domain: string;
  readonly owner: Owner | undefined;
}

const read = async <T>({ certificates, domain }: Place, name: string, schema: z.ZodType<T>) => {
  const found = await readText(join(certificates, domain, name));
  if (found === undefined) return undefined;
  try {
    return schema.safeParse(JSON.parse(found)).data;
  } catch {
    return undefined;
  }
};

const write = async (place: Place, name: string, content: object, effects: Effects): Promise<void> => {
  const path = join(place.certificates, place.domain, name);
  await effects.perform('file', `write ${place.domain}/${name}`, async () => {
    for (const folder of [place.certificates, dirname(path)])
      await ensureDirectory(folder, 0o700, place.owner);
    await writeAtomic(path, `${JSON.stringify(content, null, 2)}\n`, 0o600, place.owner);
  });
};

const remove = async (place: Place, name: string, effects: Effects): Promise<void> => {
  const path = join(place.certificates, place.domain, name);
  if ((await readText(path)) === undefined) return;
  await effects.perform('file', `remove ${place.domain}/${name}`, async () =>
    onDisk(path, async () => rm(path, { force: true })),
  );
};

export const readAdvice = async (place: Place): Promise<Advice | undefined> => {
  const found = await read(place, 'renewal.json', adviceSchema);
  if (found === undefined) return undefined;
  const { serial, window, renew_at: renewAtMs, explanation, ask_at: askAtMs } = found;
  const seen = window === undefined ? undefined : { startMs: window.start, endMs: window.end };
  return { serial, window: seen, renewAtMs, explanation, askAtMs };
};

/** @throws {StackError} DISK_*, as all that write here */
export const saveAdvice = async (place: Place, advice: Advice, effects: Effects): Promise<void> => {
  const { serial, window, renewAtMs, explanation, askAtMs } = advice;
  const seen = window === undefined ? {} : { start: text(window.startMs), end: text(window.endMs) };
  const content = {
    serial,
    ...(window === undefined ? {} : { window: seen }),
    ...(renewAtMs === undefined ? {} : { renew_at: text(renewAtMs) }),
    ...(explanation === undefined ? {} : { explanation }),
    ask_at: text(askAtMs),
  };
  await write(place, 'renewal.json', content, effects);
};

export const readAttempts = async (place: Place): Promise<Attempts | undefined> => {
  const found = await read(place, 'attempts.json', attemptsSchema);
  if (found === undefined) return undefined;
  const { since: sinceMs, last: lastMs, until: untilMs, ...rest } = found;
  return { ...rest, sinceMs, lastMs, untilMs };
};

/** Undefined: nothing failed since the last success. */
export const saveAttempts = async (
  place: Place,
  attempts: Attempts | undefined,
  effects: Effects,
): Promise<void> => {
  if (attempts === undefined) return remove(place, 'attempts.json', effects);
  const { sinceMs, lastMs, untilMs, ...rest } = attempts;
  const content = { ...rest, since: text(sinceMs), last: text(lastMs), until: text(untilMs) };
  return write(place, 'attempts.json', content, effects);
};

export const readOpenOrder = async (place: Place): Promise<OpenOrder | undefined> =>
  read(place, 'order.json', orderSchema);

/** Undefined: the order is done with. */
export const saveOpenOrder = async (
  place: Place,
  order: OpenOrder | undefined,
  effects: Effects,
): Promise<void> =>
  order === undefined ? remove(place, 'order.json', effects) : write(place, 'order.json', order, effects);

const missingSchema = z.object({ since: instant });

/** Since when the renewer has seen no valid certificate; undefined where it saw one when it looked last. */
export const readMissingSince = async (place: Place): Promise<number | undefined> =>
  (await read(place, 'missing.json', missingSchema))?.since;

export const saveMissingSince = async (
  place: Place,
  sinceMs: number | undefined,
  effects: Effects,
): Promise<void> =>
  sinceMs === undefined
    ? remove(place, 'missing.json', effects)
    : write(place, 'missing.json', { since: text(sinceMs) }, effects);

export const readTold = async (place: Place): Promise<Told | undefined> => {
  const found = await read(place, 'told.json', toldSchema);
  if (found?.trying === undefined) return found === undefined ? undefined : { ...found, trying: undefined };
  const { until: untilMs, ...trying } = found.trying;
  return { ...found, trying: { ...trying, untilMs } };
};

export const saveTold = async (place: Place, told: Told, effects: Effects): Promise<void> => {
  const { trying, ...rest } = told;
  const again =
    trying === undefined
      ? {}
      : { trying: { id: trying.id, tries: trying.tries, until: text(trying.untilMs) } };
  await write(place, 'told.json', { ...rest, ...again }, effects);
};
