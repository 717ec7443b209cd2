import type { Effects } from '../../orchestrator/effects.ts';
import { monotonicMs, nowMs, sleep } from '../../shared/clock.ts';
import { asStackError, type StackError } from '../../shared/errors.ts';
import { digestOf } from '../../shared/files.ts';
import type { FoundAddress } from '../observe.ts';
import type { Followed } from './files.ts';
import {
  looked,
  recordsDue,
  recordsFailed,
  recordsRight,
  withOtherWishes,
  type Clock,
  type Standing,
} from './standing.ts';
import { handToTurn, readStanding, saveStanding } from './state.ts';

/*
 * INVARIANTS
 * - The renewer is the only writer of the folder that coturn reads.
 * - The look is one small call; what needs the provider's API happens in `work`, and only where the address or the wishes
 *   are others than those the records were last known to be right for.
 * - Whatever fails keeps what is: the records stay, coturn keeps the address it has.
 * Not guaranteed: a record of ours that somebody changes by hand is found by the next `up`, or with the next address.
 */

export interface FollowOptions {
  /** Read in every round, so that new settings need no restart; undefined: there is nothing to follow. `token`: its digest. */
  readonly load: () => Promise<{ readonly followed: Followed; readonly token: string } | undefined>;
  readonly look: (followed: Followed, signal: AbortSignal) => Promise<FoundAddress>;
  /** Leads our records to the address, in a process of its own; returns what there is to tell. @throws {StackError} */
  readonly work: (address: string, signal: AbortSignal) => Promise<string | undefined>;
  readonly folder: string;
  readonly effects: Effects;
  readonly say: (level: 'note' | 'warning', text: string, hint?: string) => void;
  readonly signal: AbortSignal;
  /** Between two looks. Default five minutes. */
  readonly everyMs?: number;
}

const fiveMinutesMs = 300_000;
/** So often new settings are noticed. */
const longestSleepMs = 30_000;
const longestConfirmMs = 30_000;

/** What two failures have in common that are said once: an outage has many errors; each record in the way is its own. */
const causeOf = ({ code, message }: StackError): string => (code === 'RECORD_CONFLICT' ? message : code);

/** Follows the public address until the signal is aborted. It never ends by itself, and never fails. */
export const followLoop = async (options: FollowOptions): Promise<void> => {
  const { load, look, work, folder, effects, say, signal, everyMs = fiveMinutesMs } = options;
  const pauses = { everyMs, confirmMs: Math.min(everyMs, longestConfirmMs) };
  const said = new Map<string, string>();
  /** Says a failure once, by its cause. */
  const warn = (of: string, cause: string, { message, hint }: Pick<StackError, 'message' | 'hint'>) => {
    if (said.get(of) !== cause) say('warning', message, hint);
    said.set(of, cause);
  };
  const healed = (of: string): boolean => said.delete(of);
  /** What fails here keeps nothing else from being done. */
  const trying = async (of: string, act: () => Promise<void>) => {
    try {
      await act();
      healed(of);
    } catch (thrown) {
      signal.throwIfAborted();
      const failure = asStackError(thrown);
      warn(of, causeOf(failure), failure);
    }
  };
  const clock = (): Clock => ({ nowMs: nowMs(), nowTick: monotonicMs() });

  let standing: Standing | undefined;
  let wishes = '';

  const lookAgain = async (before: Standing, followed: Followed): Promise<Standing> => {
    const found = await look(followed, signal);
    const after = looked(before, found, pauses, clock());
    const { address, trouble } = after;
    if (trouble.address !== undefined) warn('address', trouble.address.hint, trouble.address);
    else if (healed('address'))
      say('note', `the public address is known again: ${'address' in found ? found.address : ''}`);
    if (address !== undefined && address.text !== before.address?.text) {
      const old = before.address === undefined ? '' : `, it was ${before.address.text}`;
      say('note', `the public address is ${address.text}${old}`);
    }
    return after;
  };

  const lead = async (before: Standing, address: string, wish: string): Promise<Standing> => {
    try {
      const done = await work(address, signal);
      if (done !== undefined) say('note', done);
      else if (said.has('records')) say('note', `the names lead to ${address}`);
      healed('records');
      return recordsRight(before, address, wish);
    } catch (thrown) {
      signal.throwIfAborted();
      const failure = asStackError(thrown);
      warn('records', causeOf(failure), failure);
      return recordsFailed(before, failure, pauses, clock());
    }
  };

  const round = async (): Promise<void> => {
    const loaded = await load();
    if (loaded === undefined) {
      standing = undefined;
      said.clear();
      return;
    }
    const { followed, token } = loaded;
    const wish = digestOf(JSON.stringify(followed)).slice(0, 16);
    standing ??= await readStanding(folder);
    if (wishes !== `${wish} ${token}`) standing = withOtherWishes(standing);
    wishes = `${wish} ${token}`;
    if (clock().nowTick >= standing.lookAtTick) standing = await lookAgain(standing, followed);
    const current = standing;
    await trying('turn', async () => handToTurn(folder, current, effects));
    const address = recordsDue(standing, wish, clock());
    if (address !== undefined) standing = await lead(standing, address, wish);
    const reached = standing;
    await trying('state', async () => saveStanding(folder, reached, effects));
  };

  try {
    for (;;) {
      await trying('round', round);
      const wakeTick = standing?.lookAtTick ?? Infinity;
      const pauseMs = Math.min(wakeTick - clock().nowTick, longestSleepMs, everyMs);
      // Where not even the wishes can be read nothing says when to look again.
      await sleep(Math.max(pauseMs, Math.min(everyMs, 1000)), signal);
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  }
};
