import { askAny, resolveBy, textsOf, type DnsView } from '../dns/wire/resolve.ts';
import type { Endpoint } from '../dns/wire/ask.ts';
import { failed, passed, unknown, type Finding } from './finding.ts';

/** The name servers that the internet is sent to for a domain. */
export interface Delegation {
  /** Lower case, sorted; empty where the parent knows of no such domain. */
  readonly nameServers: readonly string[];
  /** `parent`: said by the zone above. `resolver`: only a resolver was there to ask. */
  readonly saidBy: 'parent' | 'resolver';
  /** The zone above, such as `org`. */
  readonly parent: string | undefined;
}

/** So many servers of the parent are asked before it counts as out of reach. */
const mostServers = 3;

const parentOf = (domain: string): readonly string[] => {
  const labels = domain.split('.');
  return labels.slice(1).map((_, index) => labels.slice(index + 1).join('.'));
};

const serversOf = async (
  view: DnsView,
  names: readonly string[],
  signal: AbortSignal,
): Promise<readonly Endpoint[]> => {
  const found = await Promise.all(
    names.slice(0, mostServers).map(async (name) => {
      const reply = await resolveBy(view, { name, type: 'A' }, signal);
      return textsOf(reply?.answers ?? [], 'A').slice(0, 1);
    }),
  );
  return found.flat().map((address) => ({ address, port: view.port }));
};

/** The nearest zone above that has name servers, and where they are. */
const findParent = async (
  view: DnsView,
  domain: string,
  signal: AbortSignal,
): Promise<{ readonly zone: string; readonly servers: readonly Endpoint[] } | undefined> => {
  for (const zone of parentOf(domain)) {
    const reply = await resolveBy(view, { name: zone, type: 'NS' }, signal);
    const names = textsOf(reply?.answers ?? [], 'NS');
    if (names.length > 0) return { zone, servers: await serversOf(view, names, signal) };
  }
  return undefined;
};

const atParent = async (
  view: DnsView,
  servers: readonly Endpoint[],
  domain: string,
  signal: AbortSignal,
): Promise<readonly string[] | undefined> => {
  const reply = await askAny(view.ask, servers, { name: domain, type: 'NS' }, signal);
  if (reply?.rcode === 'NXDOMAIN' && reply.authoritative) return [];
  if (reply?.rcode !== 'NOERROR') return undefined;
  const own = (records: typeof reply.answers) =>
    textsOf(
      records.filter((one) => one.name.toLowerCase() === domain),
      'NS',
    );
  const [referral, answer] = [own(reply.authorities), own(reply.answers)];
  if (referral.length + answer.length > 0) return referral.length > 0 ? referral : answer;
  return reply.authoritative ? [] : undefined;
};

/**
 * Finds to whom a domain is delegated: at the parent's servers, or by a resolver where those cannot be asked (some
 * routers let no DNS out but their own). Undefined where nobody answers.
 */
export const findDelegation = async (
  view: DnsView,
  domain: string,
  signal: AbortSignal,
): Promise<Delegation | undefined> => {
  const parent = await findParent(view, domain, signal);
  const said = parent && (await atParent(view, parent.servers, domain, signal));
  if (said !== undefined) return { nameServers: said, saidBy: 'parent', parent: parent?.zone };
  const reply = await resolveBy(view, { name: domain, type: 'NS' }, signal);
  if (reply === undefined || !['NOERROR', 'NXDOMAIN'].includes(reply.rcode)) return undefined;
  return { nameServers: textsOf(reply.answers, 'NS'), saidBy: 'resolver', parent: parent?.zone };
};

const isCloudflares = (nameServer: string): boolean => /\.ns\.cloudflare\.com\.?$/.test(nameServer);

/** Whose name servers a domain is often left at, by the end of their names. */
const makers: readonly (readonly [RegExp, string, string])[] = [
  [
    /\.registrar-servers\.com$/,
    'Namecheap',
    'at Namecheap: Domain List, Manage, Nameservers, Custom DNS; enter',
  ],
  [/\.domaincontrol\.com$/, 'GoDaddy', 'at GoDaddy: My Products, DNS, Nameservers, Change; enter'],
  [/\.ui-dns\.(com|org|de|biz)$/, 'IONOS', 'at IONOS: Domains, Name server, Use custom name servers; enter'],
  [/\.(ovh|anycast\.me)\.?(net|ca|us)?$/, 'OVH', 'at OVH: Web Cloud, Domain, DNS servers, Modify; enter'],
  [/\.gandi\.net$/, 'Gandi', 'at Gandi: Domain, Nameservers, External; enter'],
];

/** The registrar or provider to whom these name servers belong; undefined where it is not one that we know. */
const makerOf = (nameServers: readonly string[]): string | undefined =>
  makers.find(([ending]) => nameServers.some((one) => ending.test(one)))?.[1];

const confirm = (domain: string): string => `dig +trace NS ${domain}, after 10 minutes to 24 hours`;

const change = (nameServers: readonly string[], wanted: string): string => {
  const how = makers.find(([ending]) => nameServers.some((one) => ending.test(one)))?.[2];
  return `${how ?? 'where the domain was bought, set its name servers to'} ${wanted}, and no others (docs/cloudflare.md)`;
};

const same = (a: readonly string[], b: readonly string[]): boolean =>
  a.length === b.length && a.every((one) => b.includes(one));

/**
 * Says whether a domain is delegated as it should be. `assigned`: the name servers that Cloudflare gave to the zone;
 * undefined where they are not known: then any of Cloudflare's are taken for right. Pure.
 */
export const judgeDelegation = (
  domain: string,
  found: Delegation | undefined,
  assigned: readonly string[] | undefined,
): Finding => {
  if (found === undefined) return unknown(`no server answers who is responsible for ${domain}`);
  const { nameServers } = found;
  const seen = nameServers.join(', ');
  const wanted = assigned?.map((one) => one.toLowerCase()).toSorted();
  const wantedText = wanted?.join(' and ') ?? 'the two that Cloudflare shows for the zone';
  const proof = confirm(domain);
  if (nameServers.length === 0) {
    const where = found.parent === undefined ? '' : ` in ${found.parent}`;
    return failed(
      `${domain} is delegated to nobody: there is no such domain${where}`,
      `check the name under domain, and that the domain is registered and has not expired; then ${change([], wantedText)}`,
      proof,
    );
  }
  const isRight = (one: string) => wanted?.includes(one) ?? isCloudflares(one);
  if (wanted === undefined ? nameServers.every(isRight) : same(nameServers, wanted)) return passed(seen);
  const maker = makerOf(nameServers);
  const at = maker === undefined ? '' : ` (${maker})`;
  if (nameServers.some(isRight)) {
    const odd = nameServers.filter((one) => !isRight(one));
    const missing = (wanted ?? []).filter((one) => !nameServers.includes(one));
    const detail = [
      odd.length > 0 ? `${odd.join(', ')} is not Cloudflare's for this zone` : '',
      missing.length > 0 ? `${missing.join(', ')} is missing` : '',
    ].filter((one) => one !== '');
    return failed(
      `${domain} is delegated in part: ${detail.join('; ')}`,
      change(nameServers, wantedText),
      proof,
    );
  }
  if (nameServers.every(isCloudflares)) {
    return failed(
      `${domain} is delegated to ${seen}, which Cloudflare gave to another account's zone; ours has ${wantedText}`,
      `use a token of the account that has the active zone, or ${change(nameServers, wantedText)}`,
      proof,
    );
  }
  return failed(
    `${domain} is still delegated to ${seen}${at}: Cloudflare is not asked, so neither records nor certificates can work`,
    change(nameServers, wantedText),
    proof,
  );
};

/** Looks at the delegation of a domain and judges it. Changes nothing. */
export const examineDelegation = async (
  view: DnsView,
  domain: string,
  assigned: readonly string[] | undefined,
  signal: AbortSignal,
): Promise<{ readonly delegation: Delegation | undefined; readonly finding: Finding }> => {
  const delegation = await findDelegation(view, domain, signal);
  return { delegation, finding: judgeDelegation(domain, delegation, assigned) };
};
