import type { Answer, Question, StringAnswer } from 'dns-packet';
import { caaParts, type DnsRecord } from './record.ts';
import { characterStrings } from './txt-strings.ts';

/** What an authoritative server says to a question (RFC 1034 §4.3.2, RFC 2308 for what is not there). */
export interface Reply {
  readonly rcode: 'NOERROR' | 'NXDOMAIN' | 'REFUSED';
  readonly authoritative: boolean;
  readonly answers: readonly Answer[];
  readonly authorities: readonly Answer[];
}

/** A zone as its name servers see it. */
export interface ServedZone {
  readonly name: string;
  readonly serial: number;
  readonly records: readonly DnsRecord[];
  /** Name servers of the zone with their addresses; the first is the primary. */
  readonly nameServers: readonly { readonly name: string; readonly address: string }[];
}

const automaticTtl = 300;
/** Seconds that "there is nothing" may be cached: Cloudflare's own default. */
const negativeTtl = 1800;
const nameServerTtl = 86_400;

/** A proxied record leads to the provider's edge, not to its content: addresses for documentation (RFC 5737, RFC 3849). */
const edge = { A: '198.51.100.1', AAAA: '2001:db8::1' } as const;

const wire = (record: DnsRecord, owner: string): Answer => {
  const base = { name: owner, ttl: record.ttl === 1 ? automaticTtl : record.ttl };
  switch (record.type) {
    case 'A':
    case 'AAAA':
      return { ...base, type: record.type, data: record.proxied ? edge[record.type] : record.content };
    case 'CNAME':
      return { ...base, type: 'CNAME', data: record.content };
    case 'MX':
      return { ...base, type: 'MX', data: { preference: record.priority ?? 0, exchange: record.content } };
    case 'TXT':
      return { ...base, type: 'TXT', data: characterStrings(record.content) };
    case 'CAA':
      break;
  }
  const { flags, tag, value } = caaParts(record.content) ?? { flags: 0, tag: 'issue', value: ';' };
  return { ...base, type: 'CAA', data: { flags, tag: tag as 'issue', value } };
};

const soa = (zone: ServedZone): Answer => ({
  type: 'SOA',
  name: zone.name,
  ttl: negativeTtl,
  data: {
    mname: zone.nameServers[0]?.name ?? zone.name,
    rname: `dns.${zone.name}`,
    serial: zone.serial,
    refresh: 10_000,
    retry: 2400,
    expire: 604_800,
    minimum: negativeTtl,
  },
});

const own = (zone: ServedZone, name: string): readonly Answer[] => {
  const addresses = zone.nameServers
    .filter((server) => server.name === name)
    .map(({ address }): Answer => ({
      type: address.includes(':') ? 'AAAA' : 'A',
      name,
      ttl: nameServerTtl,
      data: address,
    }));
  if (name !== zone.name) return addresses;
  const delegation = zone.nameServers.map((server): Answer => ({
    type: 'NS',
    name,
    ttl: nameServerTtl,
    data: server.name,
  }));
  return [soa(zone), ...delegation, ...addresses];
};

const everything = (zone: ServedZone, name: string): readonly Answer[] => [
  ...own(zone, name),
  ...zone.records.filter((record) => record.name === name).map((record) => wire(record, name)),
];

const existingNames = (zone: ServedZone): ReadonlySet<string> => {
  const names = new Set<string>([zone.name]);
  for (const name of [
    ...zone.records.map((record) => record.name),
    ...zone.nameServers.map((server) => server.name),
  ]) {
    for (let rest = name; rest.endsWith(`.${zone.name}`); rest = rest.slice(rest.indexOf('.') + 1))
      names.add(rest);
  }
  return names;
};

/** What stands at a name, wildcards included (RFC 4592); undefined where the name does not exist. */
const standing = (zone: ServedZone, name: string): readonly Answer[] | undefined => {
  const names = existingNames(zone);
  if (names.has(name)) return everything(zone, name);
  let encloser = name;
  while (!names.has(encloser)) encloser = encloser.slice(encloser.indexOf('.') + 1);
  const wildcard = `*.${encloser}`;
  if (!names.has(wildcard)) return undefined;
  return zone.records.filter((record) => record.name === wildcard).map((record) => wire(record, name));
};

const within = (zone: ServedZone, name: string) => name === zone.name || name.endsWith(`.${zone.name}`);

/** Longer chains of CNAMEs are given up, as resolvers do. */
const maxHops = 8;

/** Answers a question out of the zones it may fall into. Names are compared without regard to case. */
export const answer = (zones: readonly ServedZone[], question: Question): Reply => {
  const asked = question.name.toLowerCase().replace(/\.$/, '');
  const zone = zones.filter((one) => within(one, asked)).toSorted((a, b) => b.name.length - a.name.length)[0];
  if (zone === undefined || (question.class ?? 'IN') !== 'IN') {
    return { rcode: 'REFUSED', authoritative: false, answers: [], authorities: [] };
  }
  const answers: Answer[] = [];
  let name = asked;
  for (let hop = 0; hop < maxHops && within(zone, name); hop += 1) {
    const there = standing(zone, name);
    if (there === undefined)
      return { rcode: 'NXDOMAIN', authoritative: true, answers, authorities: [soa(zone)] };
    const fitting = there.filter((one) => one.type === question.type);
    const alias = there.find((one): one is StringAnswer => one.type === 'CNAME');
    if (fitting.length > 0)
      return { rcode: 'NOERROR', authoritative: true, answers: [...answers, ...fitting], authorities: [] };
    if (alias === undefined)
      return { rcode: 'NOERROR', authoritative: true, answers, authorities: [soa(zone)] };
    answers.push(alias);
    name = alias.data.toLowerCase();
  }
  return { rcode: 'NOERROR', authoritative: true, answers, authorities: [] };
};
