import { isIPv4, isIPv6 } from 'node:net';
import * as z from 'zod';
import { done, invalid, json, refusal, type Answer } from '../answers.ts';
import { bodyOf, goInt, goString } from '../go-body.ts';
import type { ZoneEntryRecord, ZoneRecord } from '../model.ts';
import { authorize } from '../permissions.ts';
import { get, post, put, remove, type Route } from '../routing.ts';
import type { Call, World } from '../world.ts';
import { newXid } from '../xid.ts';
import { zoneToChange } from './zones.ts';

const wanted = z.object({ name: goString, type: goString, content: goString, ttl: goInt });
type Wanted = z.output<typeof wanted>;

/** Records of a DNS zone. Times to live are seconds. */
export const zoneRecordRoutes: readonly Route[] = [
  get('/api/dns/zones/:id/records', (call, world) => {
    authorize(call.caller, 'dns', 'read');
    return json(zoneToChange(call, world).records);
  }),
  post('/api/dns/zones/:id/records', createRecord),
  get('/api/dns/zones/:id/records/:record', (call, world) => {
    authorize(call.caller, 'dns', 'read');
    return json(recordOf(zoneToChange(call, world), call));
  }),
  put('/api/dns/zones/:id/records/:record', updateRecord),
  remove('/api/dns/zones/:id/records/:record', (call, world) => {
    authorize(call.caller, 'dns', 'delete');
    const zone = zoneToChange(call, world);
    const record = recordOf(zone, call);
    zone.records = zone.records.filter((one) => one !== record);
    world.store.save();
    return done();
  }),
];

function createRecord(call: Call, world: World): Answer {
  const body = bodyOf(wanted, call.body);
  refuseInvalid(body);
  authorize(call.caller, 'dns', 'create');
  const zone = zoneToChange(call, world);
  refuseMisplaced(body, zone, zone.records);
  const record = { id: newXid(world.now()), ...body };
  zone.records.push(record);
  world.store.save();
  return json(record);
}

function updateRecord(call: Call, world: World): Answer {
  const body = bodyOf(wanted, call.body);
  refuseInvalid(body);
  authorize(call.caller, 'dns', 'update');
  const zone = zoneToChange(call, world);
  const before = recordOf(zone, call);
  const others = zone.records.filter((one) => one !== before);
  refuseMisplaced(body, zone, others);
  const record = { id: before.id, ...body };
  zone.records = zone.records.map((one) => (one === before ? record : one));
  world.store.save();
  return json(record);
}

function refuseInvalid({ type, content, ttl }: Wanted): void {
  if (type !== 'A' && type !== 'AAAA' && type !== 'CNAME') {
    throw invalid('invalid record type, must be a, aaaa, or cname');
  }
  if (type === 'A' && !isIPv4(content)) throw invalid('a record must be a valid ipv4 address');
  if (type === 'AAAA' && !isIPv6(content)) throw invalid('aaaa record must be a valid ipv6 address');
  if (ttl < 0) throw invalid('ttl cannot be negative');
}

function refuseMisplaced(body: Wanted, zone: ZoneRecord, others: readonly ZoneEntryRecord[]): void {
  if (body.name !== zone.domain && !body.name.endsWith(`.${zone.domain}`)) {
    throw invalid('record name does not belong to zone');
  }
  const sameName = others.filter(({ name }) => name === body.name);
  if (sameName.some(({ type, content }) => type === body.type && content === body.content)) {
    throw refusal(409, 'identical record already exists');
  }
  if (sameName.some(({ type }) => type === 'CNAME' || body.type === 'CNAME')) {
    throw invalid(`an a, aaaa, or cname record with name ${body.name} already exists`);
  }
}

function recordOf(zone: ZoneRecord, call: Call): ZoneEntryRecord {
  const id = call.params['record'] ?? '';
  const record = zone.records.find((one) => one.id === id);
  if (record === undefined) throw refusal(404, `failed to get record: dns record: ${id} not found`);
  return record;
}
