import { askAny, resolveBy, textsOf, type DnsView } from '../dns/wire/resolve.ts';
import type { Endpoint } from '../dns/wire/ask.ts';
import { kindOfAddress } from '../shared/addresses.ts';
import { failed, passed, skipped, type Finding } from './finding.ts';

/*
 * DNS rebind protection: many home routers leave out of an answer, or refuse, addresses of the network at home, also
 * where they are meant. Then a name that leads to 192.168.x.y works everywhere but at home.
 */

const confirm = (name: string): string => `on a device at home: nslookup ${name}; it must show the address`;

/** Where the usual routers and resolvers have the exception. */
const rebindFix = (domain: string): string =>
  [
    `except ${domain} from DNS rebind protection`,
    'FRITZ!Box: Home Network, Network, Network Settings, DNS Rebind Protection',
    `dnsmasq and Pi-hole: rebind-domain-ok=/${domain}/`,
    `OpenWrt: Network, DHCP and DNS, Filter, Domain whitelist`,
    `unbound and OPNsense: private-domain: "${domain}"`,
    'or let devices use another resolver',
  ].join('; ');

interface Asked {
  readonly name: string;
  /** Addresses that the authoritative servers gave, or that are known to be right. */
  readonly truth: readonly string[];
  /** What the system's resolver made of it; undefined where it did not answer. */
  readonly resolved: { readonly rcode: string; readonly addresses: readonly string[] } | undefined;
}

/** Says whether a resolver takes private addresses out of answers. Pure. */
export const judgeRebind = (domain: string, { name, truth, resolved }: Asked): Finding => {
  const hidden = truth.filter((one) => kindOfAddress(one) !== 'public');
  if (truth.length === 0) return skipped(`${name} has no address yet`);
  if (hidden.length === 0) return skipped(`${name} leads to ${truth.join(', ')}, which no router hides`);
  if (resolved === undefined) return skipped("this system's resolver does not answer");
  if (hidden.every((one) => resolved.addresses.includes(one)))
    return passed(`${name} leads to ${resolved.addresses.join(', ')} by this system's resolver, too`);
  const said =
    resolved.addresses.length > 0
      ? resolved.addresses.join(', ')
      : resolved.rcode === 'NOERROR'
        ? 'an empty answer'
        : resolved.rcode;
  return failed(
    `${name} leads to ${hidden.join(', ')}, and this system's resolver says ${said}: it hides addresses of the network at home`,
    rebindFix(domain),
    confirm(name),
  );
};

/** Asks the servers that know, and this system's resolver, for the same name, and compares. Changes nothing. */
export const examineRebind = async (
  view: DnsView,
  authoritative: readonly Endpoint[],
  { domain, name }: { readonly domain: string; readonly name: string },
  signal: AbortSignal,
): Promise<Finding> => {
  const [truth, reply] = await Promise.all([
    askAny(view.ask, authoritative, { name, type: 'A' }, signal),
    resolveBy(view, { name, type: 'A' }, signal),
  ]);
  return judgeRebind(domain, {
    name,
    truth: textsOf(truth?.answers ?? [], 'A'),
    resolved: reply && { rcode: reply.rcode, addresses: textsOf(reply.answers, 'A') },
  });
};

/** A public service that answers every such name with the address in it; the second one tells an outage from a filter. */
const probe = {
  hidden: { name: '192-168-1-1.sslip.io', address: '192.168.1.1' },
  open: { name: '1-1-1-1.sslip.io', address: '1.1.1.1' },
} as const;

/**
 * The same before there are any records: whether this system's resolver hides private addresses at all. `names`: a name
 * with a private and one with a public address that everybody may ask for.
 */
export const examineResolver = async (
  view: DnsView,
  domain: string,
  signal: AbortSignal,
  names: { readonly hidden: Probe; readonly open: Probe } = probe,
): Promise<Finding> => {
  const [hidden, open] = await Promise.all(
    [names.hidden, names.open].map(async ({ name }) => resolveBy(view, { name, type: 'A' }, signal)),
  );
  if (!textsOf(open?.answers ?? [], 'A').includes(names.open.address))
    return skipped(`${names.open.name}, with which this is tried, does not resolve`);
  return judgeRebind(domain, {
    name: names.hidden.name,
    truth: [names.hidden.address],
    resolved: hidden && { rcode: hidden.rcode, addresses: textsOf(hidden.answers, 'A') },
  });
};

interface Probe {
  readonly name: string;
  readonly address: string;
}
