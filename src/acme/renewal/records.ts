import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import * as z from 'zod';
import type { Effects } from '../../orchestrator/effects.ts';
import type { TxtPort, TxtRecord } from '../../orchestrator/ports.ts';
import { within } from '../../shared/clock.ts';
import { isStackError } from '../../shared/errors.ts';
import { onDisk, readText, writeAtomic } from '../../shared/files.ts';
import type { Http } from '../../shared/http.ts';
import type { AcmeDesired } from '../policy.ts';

/*
 * The TXT records of an order: none exists that is not in the journal first. All of it happens inside the lock of the
 * store.
 */

const removalTimeoutMs = 20_000;

/** What issuing needs from outside. */
export interface AcmePorts {
  /** A client of its own that trusts these CAs (PEM) only, none: the system's; whoever asked for it closes it. */
  readonly http: (ca: readonly string[]) => Http;
  readonly txt: TxtPort;
  /** Who we are, for those who wait for the lock: `up`, `the renewer`. */
  readonly who: string;
}

/** Tells people what is no failure, and what they may do about it. */
export type Warn = (text: string, hint: string) => void;

/** One order's wishes, and what it reaches the outside by. */
export interface Context {
  readonly desired: AcmeDesired;
  readonly ports: AcmePorts;
  readonly effects: Effects;
  readonly warn: Warn;
  /** The authority by which a certificate that every device trusts may be replaced although fewer trust what it issues. */
  readonly replaceTrusted?: string | undefined;
}

const journalSchema = z.array(
  z.object({
    domain: z.string(),
    name: z.string(),
    value: z.string(),
    /** Both are missing until the provider has answered. */
    id: z.string().optional(),
    zoneId: z.string().optional(),
  }),
);
type Journal = z.output<typeof journalSchema>;

const journalPath = (certificates: string): string => join(certificates, 'txt-records.json');

const parsedJournal = (text: string): Journal | undefined => {
  try {
    return journalSchema.parse(JSON.parse(text));
  } catch {
    return undefined;
  }
};

/** The entries; `isDamaged`: there is a journal that cannot be read. What it named can still be found by our mark. */
const openJournal = async (
  certificates: string,
): Promise<{ readonly entries: Journal; readonly isDamaged: boolean }> => {
  const text = await readText(journalPath(certificates));
  const entries = text === undefined ? [] : parsedJournal(text);
  return { entries: entries ?? [], isDamaged: entries === undefined };
};

/** The TXT records that were written down before they were made, and not removed since. */
export const readJournal = async (certificates: string): Promise<Journal> =>
  (await openJournal(certificates)).entries;

/** How much a sweep has to do. */
export const countLeftovers = async (certificates: string): Promise<number> => {
  const { entries, isDamaged } = await openJournal(certificates);
  return entries.length + Number(isDamaged);
};

export const writeJournal = async (
  { desired, effects }: Context,
  entries: readonly Journal[number][],
): Promise<void> => {
  const path = journalPath(desired.certificates);
  await effects.perform('file', `write down ${entries.length} TXT records`, async () =>
    entries.length === 0
      ? onDisk(path, async () => rm(path, { force: true }))
      : writeAtomic(path, `${JSON.stringify(entries, null, 2)}\n`, 0o644),
  );
};

/** Acts on all at once; the first failure ends the others, and is thrown when all have ended. */
export const together = async <T, R>(
  items: readonly T[],
  signal: AbortSignal,
  act: (item: T, signal: AbortSignal) => Promise<R>,
): Promise<readonly R[]> => {
  signal.throwIfAborted();
  const stop = new AbortController();
  const follow = () => {
    stop.abort(signal.reason);
  };
  signal.addEventListener('abort', follow, { once: true });
  const settled = await Promise.allSettled(
    items.map(async (item) => {
      try {
        return await act(item, stop.signal);
      } catch (error) {
        stop.abort(error);
        throw error;
      }
    }),
  );
  signal.removeEventListener('abort', follow);
  stop.signal.throwIfAborted();
  return settled.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
};

type Entry = Journal[number];
const hasId = (entry: Entry): entry is Entry & TxtRecord =>
  entry.id !== undefined && entry.zoneId !== undefined;

/** The token does not see a zone, or may not change it: with the same token that stays so. */
const isOutOfReach = (error: unknown): boolean =>
  isStackError(error) && (error.code === 'ZONE_NOT_FOUND' || error.code === 'DNS_API_DENIED');

/**
 * Removes what an ended run left in a zone that we do not order for any more. Returns the entries that the token does not
 * let us remove: nothing here waits for them.
 */
const removeElsewhere = async (
  { desired, ports, effects }: Context,
  domain: string,
  entries: readonly Entry[],
  signal: AbortSignal,
): Promise<readonly Entry[]> => {
  const reached = async (act: Promise<unknown>): Promise<boolean> => {
    try {
      await act;
      return true;
    } catch (error) {
      if (!isOutOfReach(error)) throw error;
      return false;
    }
  };
  const removed = async (record: TxtRecord) => reached(ports.txt.remove(record, effects, signal));
  const lost: Entry[] = [];
  // By id first: a token can lose the right to look zones up and keep the one to edit a zone.
  for (const entry of entries.filter(hasId)) if (!(await removed(entry))) lost.push(entry);
  let marked: readonly TxtRecord[] = [];
  const isSeen = await reached(
    ports.txt.leftovers(domain, desired.mark, signal).then((found) => (marked = found)),
  );
  if (!isSeen) return [...lost, ...entries.filter((entry) => !hasId(entry))];
  for (const { id, zoneId, name, value } of marked) {
    if (!lost.some((entry) => entry.id === id) && !(await removed({ id, zoneId, name, value })))
      lost.push({ domain, id, zoneId, name, value });
  }
  return lost;
};

/** Removes what the journal names, what is known besides, and whatever carries our mark. Only inside the lock. */
const removeAll = async (
  context: Context,
  entries: Journal,
  known: readonly TxtRecord[],
  signal: AbortSignal,
): Promise<readonly Entry[]> => {
  const { desired, ports, effects } = context;
  // The zone that the domain lies in now; there nothing is let go.
  const isOurs = ({ domain }: Entry) => desired.domain === domain || desired.domain.endsWith(`.${domain}`);
  const marked = await ports.txt.leftovers(desired.domain, desired.mark, signal);
  const named = entries.filter(isOurs).filter(hasId);
  const found = new Map([...named, ...known, ...marked].map((record) => [record.id, record]));
  await together([...found.values()], signal, async (record, stop) =>
    ports.txt.remove(record, effects, stop),
  );
  const elsewhere = entries.filter((entry) => !isOurs(entry));
  const lost = await together(
    [...new Set(elsewhere.map(({ domain }) => domain))],
    signal,
    async (domain, stop) =>
      removeElsewhere(
        context,
        domain,
        elsewhere.filter((entry) => entry.domain === domain),
        stop,
      ),
  );
  return lost.flat();
};

/**
 * Removes what an ended run left. A record that the token cannot reach any more is told once and then forgotten, and a
 * journal that cannot be read counts as none. Only inside the lock.
 */
export const removeLeftovers = async (context: Context, signal: AbortSignal): Promise<void> => {
  const { desired, warn } = context;
  const path = journalPath(desired.certificates);
  const { entries, isDamaged } = await openJournal(desired.certificates);
  const lost = await removeAll(context, entries, [], signal);
  if (entries.length > 0 || isDamaged) await writeJournal(context, []);
  if (isDamaged)
    warn(
      `the list of TXT records that an ended run left (${path}) could not be read, and counts as empty`,
      `nothing, where all names are under ${desired.domain}: what carries our comment was looked for there; elsewhere remove TXT records named _acme-challenge by hand`,
    );
  for (const { name, domain } of lost)
    warn(
      `the TXT record ${name} in the zone ${domain} is left from an ended run, and the token cannot reach that zone`,
      `remove it by hand if it is still there; it harms nothing, and is not looked for any more`,
    );
};

/**
 * Removes the records of this order. One whose creation got no answer is looked for, but may appear after that look: then
 * the journal stays as it is, and the next look plans a sweep.
 */
export const removeMade = async (
  context: Context,
  made: readonly TxtRecord[],
  planned: number,
): Promise<void> =>
  within(undefined, removalTimeoutMs, async (signal) => {
    if (made.length < planned) {
      await removeAll(context, await readJournal(context.desired.certificates), made, signal);
      return;
    }
    const { ports, effects } = context;
    await together(made, signal, async (record, stop) => ports.txt.remove(record, effects, stop));
    await writeJournal(context, []);
  });
