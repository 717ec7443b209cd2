import * as z from 'zod';
import { done, invalid, json, notFound, refusal, type Answer } from '../answers.ts';
import { bodyOf, goBool, goString, goStrings } from '../go-body.ts';
import type { ZoneRecord } from '../model.ts';
import { authorize } from '../permissions.ts';
import { get, post, put, remove, type Route } from '../routing.ts';
import type { Call, World } from '../world.ts';
import { newXid } from '../xid.ts';

const wanted = z.object({
  name: goString,
  domain: goString,
  enabled: z
    .boolean()
    .nullish()
    .transform((value) => value ?? true),
  enable_search_domain: goBool,
  distribution_groups: goStrings,
});
type Wanted = z.output<typeof wanted>;

/** DNS zones for peers; their records are in `zone-records.ts`. */
export const zoneRoutes: readonly Route[] = [
  get('/api/dns/zones', (call, world) => {
    authorize(call.caller, 'dns', 'read');
    return json(world.store.document.zones);
  }),
  post('/api/dns/zones', createZone),
  get('/api/dns/zones/:id', (call, world) => {
    authorize(call.caller, 'dns', 'read');
    const id = call.params['id'] ?? '';
    const zone = world.store.document.zones.find((one) => one.id === id);
    if (zone === undefined) throw notFound('zone', id);
    return json(zone);
  }),
  put('/api/dns/zones/:id', updateZone),
  remove('/api/dns/zones/:id', (call, world) => {
    authorize(call.caller, 'dns', 'delete');
    const { document } = world.store;
    const zone = zoneToChange(call, world);
    document.zones = document.zones.filter((one) => one !== zone);
    world.store.save();
    return done();
  }),
];

function createZone(call: Call, world: World): Answer {
  const body = bodyOf(wanted, call.body);
  refuseInvalid(body);
  authorize(call.caller, 'dns', 'create');
  const { document } = world.store;
  if (document.zones.some(({ domain }) => domain === body.domain)) {
    throw refusal(409, `zone with domain ${body.domain} already exists`);
  }
  if (body.domain === peerDomain(world)) {
    throw invalid(`zone domain ${body.domain} conflicts with peer dns domain`);
  }
  refuseUnknownGroups(body.distribution_groups ?? [], world);
  const zone = recordOf(newXid(world.now()), body, []);
  document.zones.push(zone);
  world.store.save();
  return json(zone);
}

function updateZone(call: Call, world: World): Answer {
  const body = bodyOf(wanted, call.body);
  refuseInvalid(body);
  authorize(call.caller, 'dns', 'update');
  const { document } = world.store;
  const before = zoneToChange(call, world);
  if (body.domain !== before.domain) throw invalid('zone domain cannot be updated');
  refuseUnknownGroups(body.distribution_groups ?? [], world);
  const zone = recordOf(before.id, body, before.records);
  document.zones = document.zones.map((one) => (one === before ? zone : one));
  world.store.save();
  return json(zone);
}

/**
 * The zone that a request wants to change something in.
 * @throws {ApiError} 404 in the words the real server uses there.
 */
export function zoneToChange(call: Call, world: World): ZoneRecord {
  const id = call.params['id'] ?? '';
  const zone = world.store.document.zones.find((one) => one.id === id);
  if (zone === undefined) throw refusal(404, `failed to get zone: zone: ${id} not found`);
  return zone;
}

function refuseInvalid(body: Wanted): void {
  if (body.name === '') throw invalid('zone name is required');
  if (!/^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$/i.test(body.domain)) {
    throw invalid('invalid zone domain format');
  }
  if ((body.distribution_groups ?? []).length === 0) {
    throw invalid('at least one distribution group is required');
  }
}

/** Refuses (422) a list that names a group which does not exist. */
function refuseUnknownGroups(ids: readonly string[], world: World): void {
  const missing = ids.find((id) => !world.store.document.groups.some((group) => group.id === id));
  if (missing !== undefined) throw invalid(`group: ${missing} not found`);
}

const peerDomain = (world: World): string =>
  world.store.document.account?.settings.dns_domain || world.dnsDomain;

const recordOf = (id: string, body: Wanted, records: ZoneRecord['records']): ZoneRecord => ({
  id,
  name: body.name,
  domain: body.domain,
  enabled: body.enabled,
  enable_search_domain: body.enable_search_domain,
  distribution_groups: body.distribution_groups ?? [],
  records,
});
