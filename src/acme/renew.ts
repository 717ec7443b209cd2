import { join } from 'node:path';
import * as z from 'zod';
import type { Effects } from '../orchestrator/effects.ts';
import { nowMs, sleep } from '../shared/clock.ts';
import { asStackError, StackError } from '../shared/errors.ts';
import { readText, writeAtomic } from '../shared/files.ts';
import { publishRoots } from './area.ts';
import { failuresText, type AcmeDesired } from './policy.ts';
import { inContainer } from './render.ts';
import { runHooks } from './renewal/hooks.ts';
import { lookAtStore, rememberMissing, type Standing } from './renewal/look.ts';
import { isOverdue, type Act } from './renewal/next.ts';
import type { AcmePorts } from './renewal/records.ts';
import { whatNext } from './renewal/round.ts';
import { passing } from './renewal/summary.ts';

/*
 * The renewer sleeps until something is due, and wakes each minute all the same: so neither a suspended machine nor a clock
 * that is set can make it late, and a new root of the authority is noticed soon. What costs memory happens in `work`.
 */

const minuteMs = 60_000;
const beatMs = 20_000;
/** Rounds to leave out after an act that failed without being counted, such as a full disk: at most so many. */
const mostRoundsLeftOut = 60;

const trustSchema = z.union([
  z.literal('system'),
  z.strictObject({ file: z.string() }),
  z.strictObject({ url: z.string() }),
]);
const renewerSchema = z.strictObject({
  domain: z.string(),
  names: z.array(z.string()).min(1),
  directory: z.string(),
  directoryCa: trustSchema,
  trust: trustSchema,
  contact: z.string().optional(),
  profile: z.string().optional(),
  on_renewed: z.array(z.string()).optional(),
  on_failed: z.array(z.string()).optional(),
  certificates: z.string(),
  mark: z.string(),
  cloudflare: z.strictObject({ api: z.string() }),
  dns: z.strictObject({
    resolvers: z.array(z.string()),
    authoritative: z.array(z.string()),
    ttl_seconds: z.number(),
  }),
});

/** What the renewer's container finds in its mounted folder. */
export interface RenewerFiles {
  readonly desired: AcmeDesired;
  /** Read anew at each call. @throws {StackError} SECRET_UNREADABLE */
  readonly token: () => Promise<string>;
}

/** Reads what `render` wrote for the renewer. @throws {StackError} SETTINGS_MISSING, SETTINGS_INVALID */
export const readRenewerFiles = async (folder: string): Promise<RenewerFiles> => {
  const path = join(folder, inContainer.settings);
  const text = await readText(path);
  const hint = 'run npm run up on the host: it writes this file';
  if (text === undefined) throw new StackError('SETTINGS_MISSING', `there is no ${path}`, { hint });
  let parsed: AcmeDesired;
  try {
    parsed = renewerSchema.parse(JSON.parse(text));
  } catch (error) {
    throw new StackError('SETTINGS_INVALID', `${path} is not what the renewer reads`, { hint, cause: error });
  }
  return {
    desired: parsed,
    async token() {
      const tokenPath = join(folder, inContainer.token);
      const token = (await readText(tokenPath))?.trim();
      if (token === undefined || token === '') {
        throw new StackError('SECRET_UNREADABLE', `there is no token in ${tokenPath}`, { hint });
      }
      return token;
    },
  };
};

/** What the loop looks at by itself. */
interface Watched {
  readonly desired: AcmeDesired;
  readonly ports: Pick<AcmePorts, 'http'>;
}

interface LoopOptions {
  /** Read in every round, so that new settings need no restart. */
  readonly load: () => Promise<Watched>;
  /** Does what is due, in a process of its own where memory counts; returns what there is to tell. @throws {StackError} */
  readonly work: (signal: AbortSignal) => Promise<string | undefined>;
  readonly effects: Effects;
  /** File that a health check looks at: written in every round, and every 20 s while something takes longer. */
  readonly heartbeat: string;
  readonly say: (level: 'note' | 'warning', text: string, hint?: string) => void;
  readonly signal: AbortSignal;
  /** Done in every round, before anything else; it never fails. */
  readonly beside?: () => Promise<void>;
  /** Longest sleep. Default one minute. */
  readonly roundMs?: number;
}

/** Keeps the certificate fresh until the signal is aborted; then it ends at once, with its TXT records removed. */
export const renewLoop = async (options: LoopOptions): Promise<void> => {
  const { load, work, effects, say, signal, roundMs = minuteMs } = options;
  /** What failed without an account of it in the store, how often in a row, and until when it is left alone. */
  let stuck: { readonly act: Act; readonly failures: number; readonly untilMs: number } | undefined;
  let said = '';
  const tell = (level: 'note' | 'warning', text: string, hint?: string, about = text) => {
    if (about !== said) say(level, text, hint);
    said = about;
  };
  /** One outage shows in several ways (ECONNRESET, then ECONNREFUSED), and is told once; another way out is news. */
  const tellFailure = ({ code, message, hint }: StackError) => {
    tell('warning', message, hint, passing.has(code) ? `${code} ${hint}` : message);
  };
  const beat = async (state: string, more: object = {}) => {
    const content = { at: new Date(nowMs()).toISOString(), state, ...more };
    await writeAtomic(options.heartbeat, `${JSON.stringify(content)}\n`, 0o644);
  };

  /** Works, and keeps the heart beating meanwhile; the work has deadlines of its own. */
  const beating = async (more: object): Promise<string | undefined> => {
    const ended = new AbortController();
    const heart = (async () => {
      for (;;) {
        await beat('working', more);
        await sleep(beatMs, ended.signal);
      }
    })().catch(() => undefined);
    try {
      return await work(signal);
    } finally {
      ended.abort();
      await heart;
    }
  };

  /** Tries what is due; what fails without an account of it in the store is left alone for a while. */
  const attempt = async (act: Act, before: Standing, more: object): Promise<void> => {
    try {
      const done = await beating(more);
      stuck = undefined;
      if (done !== undefined) tell('note', done);
    } catch (error) {
      signal.throwIfAborted();
      const failure = asStackError(error);
      const { desired } = await load();
      const { attempts } = await lookAtStore(desired, undefined);
      if (attempts !== undefined && attempts.lastMs !== before.attempts?.lastMs) return;
      const failures = (stuck?.act === act ? stuck.failures : 0) + 1;
      const rounds = Math.min(2 ** (failures - 1), mostRoundsLeftOut);
      stuck = { act, failures, untilMs: nowMs() + rounds * roundMs };
      tellFailure(failure);
    }
  };

  /** One round; returns when to wake at the latest. */
  const round = async (): Promise<number> => {
    const { desired, ports } = await load();
    const around = await publishRoots(desired, ports, effects, signal);
    // The roots of the system are many and hardly ever change: what orders holds the certificate against them.
    const roots = around.roots === 'system' ? undefined : around.roots;
    const before = await whatNext(desired, roots);
    const { act } = before.next;
    // What failed may have been mended elsewhere, or something else may come first now.
    if (act !== stuck?.act) stuck = undefined;
    const isLeftAlone = stuck?.act === act && nowMs() < stuck.untilMs;
    if (act !== 'rest' && !isLeftAlone)
      await attempt(act, before.standing, { overdue: isOverdue(before.standing, nowMs()) });
    const after = await whatNext(desired, roots);
    const standing = await rememberMissing(desired, after.standing, effects);
    const { judgement, attempts } = standing;
    const more = {
      overdue: isOverdue(standing, nowMs()),
      certificate: judgement.why,
      ...(judgement.renewAtMs === undefined ? {} : { renew_at: new Date(judgement.renewAtMs).toISOString() }),
    };
    if (!judgement.due) {
      await beat('good', more);
      // What was just said of a failure holds until it is over.
      const { kept, why } = judgement;
      if (stuck === undefined) tell(kept === undefined ? 'note' : 'warning', why, kept?.hint);
    } else if (attempts !== undefined) {
      await beat('failing', { ...more, error: attempts.code, why: attempts.message });
      tell('warning', failuresText(attempts), attempts.hint);
    } else await beat('waiting', more);
    const unheard = await runHooks(desired, standing, effects, signal);
    if (unheard !== undefined) say('warning', unheard);
    return after.next.act === 'rest' ? after.next.wakeAtMs : nowMs();
  };

  const roundOrFailure = async (): Promise<number> => {
    try {
      return await round();
    } catch (error) {
      signal.throwIfAborted();
      const failure = asStackError(error);
      tellFailure(failure);
      await beat('failing', { overdue: await overdueAnyway(), error: failure.code, why: failure.message });
      return nowMs() + roundMs;
    }
  };
  /** Where roots cannot be read the certificate still has its dates. */
  const overdueAnyway = async (): Promise<boolean> => {
    try {
      const { desired } = await load();
      return isOverdue(await lookAtStore(desired, undefined), nowMs());
    } catch {
      return false;
    }
  };
  try {
    for (;;) {
      await options.beside?.();
      const wakeAtMs = await roundOrFailure();
      await sleep(Math.min(Math.max(wakeAtMs - nowMs(), roundMs / 60), roundMs), signal);
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  }
};
