import { askAny, textsOf } from '../dns/wire/resolve.ts';
import { kindOfAddress } from '../shared/addresses.ts';
import { findDelegation, judgeDelegation } from './delegation.ts';
import { ofStack, type Examination } from './examine.ts';
import { failed, passed, skipped, unknown, type Finding } from './finding.ts';
import { examineRebind } from './rebind.ts';
import type { DoctorView } from './view.ts';

/** What the authoritative servers say of one name; undefined where none answers. */
export interface SeenName {
  readonly name: string;
  readonly addresses: readonly string[] | undefined;
}

/** Addresses of Cloudflare's edge, where a proxied record leads: what it serves knows nothing of UDP or our ports. */
const isEdge = (address: string): boolean =>
  /^(104\.(1[6-9]|2\d|3[01])|172\.(6[4-9]|7[01])|188\.114)\./.test(address);

/** Judges where the names lead. `running`: the stack is up, so that records have to be there. Pure. */
export const judgeRecords = (seen: readonly SeenName[], wanted: string, running: boolean): Finding => {
  if (seen.every((one) => one.addresses === undefined)) return unknown('no name server of the zone answers');
  const wrong = seen.filter((one) => one.addresses?.length !== 1 || one.addresses[0] !== wanted);
  if (wrong.length === 0) return passed(`${seen.map((one) => one.name).join(', ')} lead to ${wanted}`);
  if (!running && seen.every((one) => (one.addresses ?? []).length === 0))
    return skipped('there are none yet: npm run up makes them');
  const text = wrong
    .map(({ name, addresses = [] }) => `${name} leads to ${addresses.join(' and ') || 'nothing'}`)
    .join('; ');
  const proxied = wrong.some(({ addresses = [] }) => addresses.some(isEdge));
  return failed(
    `${text}; wanted ${wanted}`,
    proxied
      ? 'these are addresses of Cloudflare: turn off the orange cloud (Proxied) of these records in its dashboard'
      : 'npm run up sets our records to this address; records of another maker it shows, and takes over with --adopt',
    `dig +short ${wrong[0]?.name ?? ''}`,
  );
};

const dnsTimeoutMs = 25_000;

/** Delegation, records, rebind protection. */
export const nameExaminations = (view: DoctorView): readonly Examination[] => [
  ofStack(
    view,
    {
      id: 'delegation',
      title: 'the domain is delegated to the name servers that Cloudflare gave to the zone',
      needs: ['resolver'],
      timeoutMs: dnsTimeoutMs,
    },
    async (stack, known, signal) => {
      const { domain, dns } = stack.settings;
      if (dns.authoritative.length > 0)
        return skipped('dns.authoritative names the servers, whatever the delegation says');
      const [delegation, { zone: seen }] = await Promise.all([
        findDelegation(await stack.dns(), domain, signal),
        known.token(),
      ]);
      const isWhole = seen?.name === domain && seen.nameServers.length > 0;
      return judgeDelegation(seen?.name ?? domain, delegation, isWhole ? seen.nameServers : undefined);
    },
  ),
  ofStack(
    view,
    {
      id: 'records',
      title: 'the names lead to the address at which this host is reached',
      needs: ['delegation'],
      timeoutMs: dnsTimeoutMs,
    },
    async (stack, known, signal) => {
      const { mesh, identity, turn } = stack.settings.addresses;
      const [{ view: dns, authoritative }, found, running] = await Promise.all([
        known.zone(),
        stack.wantedAddress(signal),
        known.running(),
      ]);
      if ('unknown' in found) return unknown(found.unknown);
      const seen = await Promise.all(
        [mesh, identity, turn].map(async (name): Promise<SeenName> => {
          // A record of the other family leads some devices elsewhere.
          const replies = await Promise.all(
            (['A', 'AAAA'] as const).map(async (type) => {
              const reply = await askAny(dns.ask, authoritative, { name, type }, signal);
              return reply && textsOf(reply.answers, type);
            }),
          );
          return {
            name,
            addresses: replies.includes(undefined) ? undefined : replies.flatMap((one) => one ?? []),
          };
        }),
      );
      const silent = seen.every((one) => one.addresses === undefined);
      if (silent && !running && stack.settings.dns.authoritative.length > 0)
        return unknown('the name server of this host runs in the stack, which is not up');
      return judgeRecords(seen, found.address, running);
    },
  ),
  ofStack(
    view,
    {
      id: 'rebind-protection',
      title: "the router's resolver passes on addresses of the network at home",
      needs: ['records'],
      timeoutMs: dnsTimeoutMs,
    },
    async (stack, known, signal) => {
      const { domain, addresses } = stack.settings;
      if (domain.endsWith('.localhost')) return skipped('names under .localhost never leave this machine');
      const found = await stack.wantedAddress(signal);
      if ('address' in found && kindOfAddress(found.address) === 'public')
        return skipped(`the names lead to ${found.address}, which no router hides`);
      const { authoritative } = await known.zone();
      return examineRebind(view.systemDns, authoritative, { domain, name: addresses.identity }, signal);
    },
  ),
];
