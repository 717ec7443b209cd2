import type { Effects } from '../../orchestrator/effects.ts';
import { nowMs } from '../../shared/clock.ts';
import { run } from '../../shared/exec.ts';
import type { AcmeDesired } from '../policy.ts';
import { placeOf } from '../store.ts';
import type { Standing } from './look.ts';
import { readTold, saveTold, type Told } from './state.ts';
import { failureOf } from './summary.ts';

/*
 * The operator's commands on a renewal and on failures. Whatever they do changes nothing about the certificate.
 */

const minuteMs = 60_000;
/** For one command. */
const commandTimeoutMs = 60_000;
/** Pauses before a command that failed is run again; after the last it is given up. */
const pausesMs = [minuteMs, 10 * minuteMs, 100 * minuteMs];
/** Failures pass by themselves often; the third is two hours after the first. */
const firstFailureTold = 3;

/** One thing to tell: which command, and what it finds in its environment. */
interface Tiding {
  readonly argv: readonly string[];
  readonly event: 'renewed' | 'failed';
  /** The same for the same event, so that it is told once. */
  readonly id: string;
  readonly message: string;
}

const tidingOf = (wanted: AcmeDesired, standing: Standing, told: Told | undefined): Tiding | undefined => {
  const { facts, attempts, stored } = standing;
  const failure = failureOf(wanted, standing);
  if (failure !== undefined && attempts !== undefined) {
    const id = `failed ${attempts.lastMs}`;
    const isDue = failure.failures >= firstFailureTold && told?.failed !== id;
    return isDue && wanted.on_failed !== undefined
      ? { argv: wanted.on_failed, event: 'failed', id, message: failure.sentence }
      : undefined;
  }
  if (wanted.on_renewed === undefined || facts === undefined || standing.judgement.due) return undefined;
  const id = `renewed ${facts.serial}`;
  // The first certificate of all comes while somebody looks on.
  if (told?.renewed === id || stored?.version === 'versions/1') return undefined;
  const until = new Date(facts.notAfterMs).toISOString();
  const message = `the certificate for ${facts.names.join(', ')} was renewed; it is good until ${until}`;
  return { argv: wanted.on_renewed, event: 'renewed', id, message };
};

/**
 * Runs the operator's command for what happened since the last call, with a time limit in ms; one that fails is run again
 * later, three times at most. Returns what is to be reported, if anything is.
 * @throws the signal's reason when aborted; {StackError} DISK_*
 */
export const runHooks = async (
  wanted: AcmeDesired,
  standing: Standing,
  effects: Effects,
  signal: AbortSignal,
  timeoutMs = commandTimeoutMs,
): Promise<string | undefined> => {
  const place = placeOf(wanted);
  const told = await readTold(place);
  const tiding = tidingOf(wanted, standing, told);
  if (tiding === undefined) return undefined;
  const { argv, event, id, message } = tiding;
  const before = told?.trying?.id === id ? told.trying : undefined;
  if (before !== undefined && nowMs() < before.untilMs) return undefined;
  const [file = '', ...args] = argv;
  const { exitCode, stderr, errno } = await effects.perform('exec', `run on_${event}`, async () =>
    run(file, args, {
      timeoutMs,
      signal,
      env: {
        SKYLAB_EVENT: event,
        SKYLAB_DOMAIN: wanted.domain,
        SKYLAB_NAMES: wanted.names.join(' '),
        SKYLAB_MESSAGE: message,
      },
    }),
  );
  const done = { ...told, [event]: id, trying: undefined };
  if (exitCode === 0) {
    await saveTold(place, done, effects);
    return undefined;
  }
  const tries = (before?.tries ?? 0) + 1;
  const pauseMs = pausesMs[tries - 1];
  const next = pauseMs === undefined ? done : { ...told, trying: { id, tries, untilMs: nowMs() + pauseMs } };
  await saveTold(place, next, effects);
  const seen =
    errno ??
    (exitCode === undefined
      ? `it was ended after ${timeoutMs / 1000} s`
      : `exit code ${exitCode}: ${stderr.trim().split('\n').at(-1) ?? ''}`);
  const again =
    pauseMs === undefined ? 'it is not run again' : `it is run again in ${pauseMs / minuteMs} min`;
  return `certificates.on_${event} failed (${file}: ${seen}); ${again}`;
};
