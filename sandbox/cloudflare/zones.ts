import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import * as z from 'zod';
import { monotonicMs } from '../../src/shared/clock.ts';
import { ensureDirectory, readText, writeAtomic } from '../../src/shared/files.ts';
import { applyChanges, type Change, type DuplicateCode } from './changes.ts';
import { recordTypes, type DnsRecord } from './record.ts';
import { identifierOf } from './tokens.ts';

/** A zone at one moment. `serial` is that of its SOA. */
interface ZoneState {
  readonly records: readonly DnsRecord[];
  readonly serial: number;
}

export interface Zone {
  readonly id: string;
  readonly name: string;
  readonly state: () => ZoneState;
  /** The zone as it was at an instant (ms of the monotonic clock); the oldest state that is remembered, where that is later. */
  readonly stateAt: (atMs: number) => ZoneState;
  /** Carries out all changes or none, and has them on disk before it returns. */
  readonly change: (changes: readonly Change[]) => Promise<readonly DnsRecord[]>;
}

interface Options {
  readonly names: readonly string[];
  /** Folder for `zones.json`; left out: nothing outlives the process. */
  readonly dataDir?: string;
  readonly duplicateCode: DuplicateCode;
}

const stored = z.record(
  z.string(),
  z.object({
    serial: z.int(),
    records: z.array(
      z.object({
        id: z.string(),
        name: z.string(),
        type: z.enum(recordTypes),
        content: z.string(),
        ttl: z.int(),
        proxied: z.boolean(),
        comment: z.string().nullable(),
        tags: z.array(z.string()),
        priority: z.int().exactOptional(),
        createdAt: z.string(),
        modifiedAt: z.string(),
      }),
    ),
  }),
);

const rememberedStates = 1000;

/** Opens the zones, with the records they had when the process ended. */
export const openZones = async (options: Options): Promise<readonly Zone[]> => {
  const path = options.dataDir === undefined ? undefined : join(options.dataDir, 'zones.json');
  if (options.dataDir !== undefined) await ensureDirectory(options.dataDir, 0o755);
  const text = path === undefined ? undefined : await readText(path);
  const kept = text === undefined ? {} : stored.parse(JSON.parse(text));

  const histories = new Map<string, { readonly fromMs: number; readonly state: ZoneState }[]>();
  const latest = (name: string): ZoneState =>
    histories.get(name)?.at(-1)?.state ?? { records: [], serial: 1 };
  const save = async (name: string, state: ZoneState): Promise<void> => {
    if (path === undefined) return;
    const all = Object.fromEntries(options.names.map((one) => [one, one === name ? state : latest(one)]));
    await writeAtomic(path, `${JSON.stringify(all, null, 2)}\n`, 0o644);
  };

  let queue: Promise<unknown> = Promise.resolve();
  const oneByOne = async <T>(act: () => Promise<T>): Promise<T> => {
    const result = queue.then(act);
    queue = result.catch(() => undefined);
    return result;
  };

  return options.names.map((name): Zone => {
    histories.set(name, [{ fromMs: 0, state: kept[name] ?? { records: [], serial: 1 } }]);
    return {
      id: identifierOf(`zone ${name}`),
      name,
      state: () => latest(name),
      stateAt(atMs) {
        const history = histories.get(name) ?? [];
        return history.findLast(({ fromMs }) => fromMs <= atMs)?.state ?? history[0]?.state ?? latest(name);
      },
      change: async (changes) =>
        oneByOne(async () => {
          const stamp = { at: new Date().toISOString(), newId: () => randomBytes(16).toString('hex') };
          const { serial, records: old } = latest(name);
          const { records, results } = applyChanges(name, old, changes, stamp, options.duplicateCode);
          const state = { records, serial: serial + 1 };
          await save(name, state);
          const history = histories.get(name) ?? [];
          histories.set(name, [...history, { fromMs: monotonicMs(), state }].slice(-rememberedStates));
          return results;
        }),
    };
  });
};
