import type { Effects } from '../../orchestrator/effects.ts';
import { nowMs, within } from '../../shared/clock.ts';
import { publishRoots, readSurroundings } from '../area.ts';
import { isOrderDone, obtain, sweep } from '../issue.ts';
import type { AcmeDesired } from '../policy.ts';
import type { Roots } from '../store.ts';
import { lookAtStore, refreshAdvice, wishOf, type Standing } from './look.ts';
import { nextAct } from './next.ts';
import { countLeftovers, type AcmePorts, type Warn } from './records.ts';

const issueTimeoutMs = 300_000;

/** One renewer's wishes, and what it reaches the outside by. */
export interface Renewer {
  readonly desired: AcmeDesired;
  readonly ports: AcmePorts;
  readonly warn: Warn;
}

/** What the store and the journal show now, and what follows from it. */
export const whatNext = async (
  desired: AcmeDesired,
  roots: Roots,
): Promise<{ readonly standing: Standing; readonly next: ReturnType<typeof nextAct> }> => {
  const standing = await lookAtStore(desired, roots);
  const leftovers = (await countLeftovers(desired.certificates)) + Number(await isOrderDone(desired));
  const { directory } = desired;
  const next = nextAct({ ...standing, wish: wishOf(desired), directory, leftovers }, nowMs());
  return { standing, next };
};

/**
 * Does what is due now: orders, sweeps or asks. Returns what there is to tell.
 * @throws {StackError} CA_*, DNS_*, CERTIFICATE_INVALID, LOCK_HELD, DISK_*, DEADLINE
 */
export const workOnce = async (
  { desired, ports, warn }: Renewer,
  effects: Effects,
  signal: AbortSignal,
): Promise<string | undefined> => {
  const context = { desired, ports, effects, warn };
  const around = await publishRoots(desired, ports, effects, signal);
  const { standing, next } = await whatNext(desired, around.roots);
  switch (next.act) {
    case 'issue': {
      const outcome = await within(signal, issueTimeoutMs, async (limit) =>
        obtain(context, around, false, limit),
      );
      return outcome === 'issued'
        ? `new certificate for ${desired.names.join(', ')}`
        : 'another process has renewed';
    }
    case 'sweep':
      await within(signal, issueTimeoutMs, async (limit) => sweep(context, limit));
      return undefined;
    case 'ask': {
      const http = ports.http(around.directoryCa);
      try {
        await refreshAdvice(desired, standing, http, effects, signal);
      } finally {
        http.close();
      }
      return undefined;
    }
    case 'rest':
      return undefined;
  }
};

/** Orders a certificate now, due or not; `present` where another process did so while this one waited for the lock. */
export const renewOnce = async (
  { desired, ports, warn }: Renewer,
  effects: Effects,
  signal: AbortSignal,
): Promise<'issued' | 'present'> => {
  const around = await readSurroundings(desired, ports, signal);
  return within(signal, issueTimeoutMs, async (limit) =>
    obtain({ desired, ports, effects, warn }, around, true, limit),
  );
};
