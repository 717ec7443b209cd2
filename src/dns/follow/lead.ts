import type { Area } from '../../orchestrator/area.ts';
import type { Effects } from '../../orchestrator/effects.ts';
import { within } from '../../shared/clock.ts';
import { StackError } from '../../shared/errors.ts';
import type { DnsDesired } from '../desired.ts';
import type { DnsWorld } from '../observe.ts';
import type { DnsStep } from '../plan.ts';
import type { Followed } from './files.ts';

/**
 * Leads our names to an address, once: looks, plans and applies as `up` does, so what is ours and what is somebody else's is
 * decided in one place. Returns what there is to tell; undefined where nothing was to be done.
 * @throws {StackError} DNS_API_*, ZONE_NOT_FOUND, SECRET_*, RECORD_CONFLICT, NOT_CONVERGED
 */
export const leadNames = async (
  followed: Followed,
  address: string,
  area: Pick<Area<DnsDesired, DnsWorld, DnsStep>, 'observe' | 'facts' | 'plan' | 'apply'>,
  effects: Effects,
  signal: AbortSignal,
): Promise<string | undefined> => {
  const desired: DnsDesired = { ...followed, address: { from: 'settings', address }, adopt: false };
  const look = async () => {
    const world = await area.observe(desired, signal);
    if (world.seen !== 'records') throw world.error;
    return world;
  };
  const before = await look();
  const steps = area.plan(desired, before);
  const run = async <K extends DnsStep['kind']>(step: Extract<DnsStep, { kind: K }>) =>
    within(signal, step.deadlineMs, async (limit) => {
      const apply = area.apply[step.kind];
      await apply(step, effects, limit);
    });
  for (const step of steps) await run(step);
  const after = area.facts(desired, steps.length === 0 ? before : await look())['dns.records'];
  if (after === undefined || after === true)
    return steps.length === 0 ? undefined : `${followed.names.join(', ')} lead to ${address} now`;
  const hint = after.hint ?? 'something else changes them back: look for another program that manages them';
  throw new StackError(after.because === 'conflict' ? 'RECORD_CONFLICT' : 'NOT_CONVERGED', after.text, {
    hint,
  });
};
