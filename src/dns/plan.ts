import type { Step } from '../orchestrator/area.ts';
import { absent, conflict, unreachable, type Facts } from '../orchestrator/facts.ts';
import type { DnsDesired } from './desired.ts';
import type { DnsWorld, RecordFields, Zone, ZoneRecord } from './observe.ts';

export type DnsStep = Step &
  (
    | { readonly kind: 'create'; readonly domain: string; readonly fields: RecordFields }
    | {
        readonly kind: 'update';
        readonly zone: Zone;
        readonly recordId: string;
        readonly fields: RecordFields;
      }
    | { readonly kind: 'remove'; readonly zone: Zone; readonly recordId: string }
    | { readonly kind: 'find-zone'; readonly domain: string }
    | { readonly kind: 'await-provider'; readonly domain: string }
  );

type SeenRecords = Extract<DnsWorld, { seen: 'records' }>;

/** Types that decide where a name leads; all others may stand beside ours. */
const leading = new Set(['A', 'AAAA', 'CNAME']);

const common = { needs: [], uses: ['cloudflare'], impact: 'none', deadlineMs: 60_000 } as const;

/** True where a comment carries our mark as a whole word: the mark of host `home` is not that of `home2`. */
export const isMarked = (comment: string, mark: string): boolean =>
  comment === mark || (comment.startsWith(mark) && !/^[\w.-]/.test(comment.slice(mark.length)));

const isOurs = (desired: DnsDesired, record: ZoneRecord) => isMarked(record.comment, desired.comment);

const shown = ({ type, content, proxied }: ZoneRecord) => `${type} ${content}${proxied ? ' (proxied)' : ''}`;

const fieldsOf = (desired: DnsDesired, name: string, address: string): RecordFields => ({
  type: address.includes(':') ? 'AAAA' : 'A',
  name,
  content: address,
  ttlSeconds: desired.ttlSeconds,
  comment: desired.comment,
});

/** One spelling for each address: IPv6 can be written in many ways (RFC 5952). */
const canonical = (address: string): string =>
  address.includes(':') ? new URL(`http://[${address}]`).hostname : address;

const leadsRight = (record: ZoneRecord, fields: RecordFields): boolean =>
  record.type === fields.type && canonical(record.content) === canonical(fields.content) && !record.proxied;

const isRight = (record: ZoneRecord, fields: RecordFields): boolean =>
  leadsRight(record, fields) && record.ttlSeconds === fields.ttlSeconds && record.comment === fields.comment;

const difference = (record: ZoneRecord, fields: RecordFields): string => {
  if (!leadsRight(record, fields)) return `it is ${shown(record)}, wanted ${fields.content}`;
  return record.ttlSeconds === fields.ttlSeconds
    ? 'it does not carry our mark'
    : `its time to live is ${record.ttlSeconds} s, wanted ${fields.ttlSeconds} s`;
};

const create = (desired: DnsDesired, fields: RecordFields, why: string): DnsStep => ({
  ...common,
  kind: 'create',
  id: `create ${fields.type} ${fields.name}`,
  why,
  domain: desired.domain,
  fields,
});

const update = (zone: Zone, record: ZoneRecord, fields: RecordFields): DnsStep => ({
  ...common,
  kind: 'update',
  id: `update ${fields.type} ${fields.name}`,
  why: difference(record, fields),
  zone,
  recordId: record.id,
  fields,
});

const remove = (zone: Zone, record: ZoneRecord, why: string): DnsStep => ({
  ...common,
  impact: 'remove',
  kind: 'remove',
  id: `remove ${record.type} ${record.name} ${record.content}`,
  why,
  zone,
  recordId: record.id,
});

/** What stands at one name: right or not, ours or in our way. */
const at = (desired: DnsDesired, world: SeenRecords, name: string, address: string) => {
  const fields = fieldsOf(desired, name, address);
  const here = world.records.filter((record) => record.name === name && leading.has(record.type));
  const strangers = here.filter((record) => !isOurs(desired, record));
  return {
    fields,
    ours: here.filter((record) => isOurs(desired, record)),
    /** Of another maker, and it says what ours would say: nothing is missing. */
    helping: strangers.find((record) => leadsRight(record, fields)),
    inTheWay: strangers.filter((record) => !leadsRight(record, fields)),
  };
};

const planName = (
  desired: DnsDesired,
  world: SeenRecords,
  name: string,
  address: string,
): readonly DnsStep[] => {
  const { fields, ours, helping, inTheWay } = at(desired, world, name, address);
  const { zone } = world;
  if (inTheWay.length > 0 && !desired.adopt) return [];
  const adopted = desired.adopt ? [...(helping === undefined ? [] : [helping]), ...inTheWay] : [];
  const candidates = [...ours, ...adopted];
  const keep =
    candidates.find((record) => leadsRight(record, fields)) ??
    (helping === undefined ? candidates.find((record) => record.type === fields.type) : undefined);
  const surplus = candidates
    .filter((record) => record !== keep)
    .map((record) => remove(zone, record, `${name} should lead to ${address} alone`));
  if (keep !== undefined) return [...surplus, ...(isRight(keep, fields) ? [] : [update(zone, keep, fields)])];
  if (helping !== undefined) return surplus;
  return [...surplus, create(desired, fields, `${name} should lead to ${address}`)];
};

const leftovers = (desired: DnsDesired, { zone, records }: SeenRecords): readonly DnsStep[] =>
  records
    .filter(
      (record) => leading.has(record.type) && isOurs(desired, record) && !desired.names.includes(record.name),
    )
    .map((record) => remove(zone, record, 'ours, and no longer among the names'));

const findZone = (desired: DnsDesired, why: string): DnsStep => ({
  ...common,
  kind: 'find-zone',
  id: `find the zone of ${desired.domain}`,
  why,
  domain: desired.domain,
});

/** What is expected to be left once this host has started the provider itself. */
const afterStart = (desired: DnsDesired): readonly DnsStep[] => {
  const why = 'the DNS provider of this host is not started yet';
  const wait: DnsStep = {
    ...common,
    kind: 'await-provider',
    id: 'wait for the DNS provider',
    why,
    deadlineMs: 30_000,
    domain: desired.domain,
  };
  const { address } = desired;
  const steps =
    address.from === 'settings'
      ? desired.names.map((name) => create(desired, fieldsOf(desired, name, address.address), why))
      : [];
  // All share one exclusive thing, so the wait comes first; what it shows decides about the others.
  return [wait, ...steps].map((step) => ({ ...step, needs: ['host.services'], assumed: true }));
};

/** The whole difference. Records of other makers are never part of it, unless they are to be adopted. */
export const planDns = (desired: DnsDesired, world: DnsWorld): readonly DnsStep[] => {
  if (world.seen === 'refused') return [findZone(desired, world.error.message)];
  if (world.seen === 'unreachable') return world.notStarted ? afterStart(desired) : [];
  const { address } = world;
  if ('unknown' in address) return leftovers(desired, world);
  return [
    ...desired.names.flatMap((name) => planName(desired, world, name, address.address)),
    ...leftovers(desired, world),
  ];
};

/** `dns.records`: every name leads to the address, by a record of ours or of another maker. */
export const dnsFacts = (desired: DnsDesired, world: DnsWorld): Facts => {
  if (world.seen !== 'records') {
    const { message, hint } = world.error;
    return { 'dns.records': world.seen === 'refused' ? absent(message) : unreachable(message, hint) };
  }
  const { address } = world;
  if ('unknown' in address) {
    return { 'dns.records': unreachable(address.unknown, address.hint) };
  }
  const names = desired.names.map((name) => ({ name, ...at(desired, world, name, address.address) }));
  const blocked = names.flatMap(({ name, inTheWay }) =>
    inTheWay.map((record) => `${name} is ${shown(record)}`),
  );
  if (blocked.length > 0 && !desired.adopt) {
    return {
      'dns.records': conflict(
        `records of another maker are in the way: ${blocked.join('; ')}`,
        'remove them, choose other labels under names, or run it again with --adopt',
      ),
    };
  }
  const missing = planDns(desired, world);
  return { 'dns.records': missing.length === 0 ? true : absent(missing.map((step) => step.id).join('; ')) };
};
