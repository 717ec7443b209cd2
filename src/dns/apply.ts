import type { Area } from '../orchestrator/area.ts';
import { monotonicMs, sleep } from '../shared/clock.ts';
import { isStackError } from '../shared/errors.ts';
import { desiredDns, type DnsDesired } from './desired.ts';
import { followedIn } from './follow/files.ts';
import { observeDns, type DnsPorts, type DnsProvider, type DnsWorld } from './observe.ts';
import { dnsFacts, planDns, type DnsStep } from './plan.ts';

const answers = async (provider: DnsProvider, domain: string, signal: AbortSignal): Promise<boolean> => {
  try {
    await provider.zoneOf(domain, signal);
    return true;
  } catch (error) {
    signal.throwIfAborted();
    if (!isStackError(error)) throw error;
    return error.code !== 'DNS_API_UNREACHABLE';
  }
};

/** A provider that starts together with the stack answers within a second. */
const providerWaitMs = 10_000;

/**
 * The area of our names' address records. Every step may be repeated: the provider refuses doubles, and what is gone
 * is gone. `adopt` takes over records of other makers that are in the way.
 */
export const createDnsArea = (
  ports: DnsPorts,
  { adopt }: { readonly adopt: boolean },
): Area<DnsDesired, DnsWorld, DnsStep> => {
  const { provider } = ports;
  let waited = false;
  return {
    name: 'dns',
    desired: (settings) => desiredDns(settings, adopt),
    observe: async (desired, signal) => observeDns(desired, ports, waited, signal),
    facts: dnsFacts,
    plan: planDns,
    apply: {
      async create({ domain, fields }, effects, signal) {
        const zone = await provider.zoneOf(domain, signal);
        const what = `create ${fields.type} ${fields.name} -> ${fields.content}`;
        await effects.perform('http', what, async () => provider.create(zone, fields, signal));
      },
      async update({ zone, recordId, fields }, effects, signal) {
        const what = `update ${fields.type} ${fields.name} -> ${fields.content}`;
        await effects.perform('http', what, async () => provider.update(zone, recordId, fields, signal));
      },
      async remove({ id, zone, recordId }, effects, signal) {
        await effects.perform('http', id, async () => provider.remove(zone.id, recordId, signal));
      },
      /** Never fails: where the provider stays away, the next look says so, and what runs needs no new record. */
      async 'await-provider'({ domain }, _effects, signal) {
        const untilMs = monotonicMs() + providerWaitMs;
        while (!(await answers(provider, domain, signal)) && monotonicMs() < untilMs)
          await sleep(250, signal);
        waited = true;
      },
      async 'find-zone'({ domain }, _effects, signal) {
        await provider.records(await provider.zoneOf(domain, signal), {}, signal);
      },
    },
    files: followedIn,
    keeps: () => [],
  };
};
