import { isIP } from 'node:net';
import * as z from 'zod';
import { done, invalid, json, refusal, type Answer } from '../answers.ts';
import { bodyOf, goBool, goString, goStrings } from '../go-body.ts';
import type { GroupRecord, NetworkRecord, NetworkResourceRecord, StoreDocument } from '../model.ts';
import { authorize } from '../permissions.ts';
import { get, post, put, remove, type Route } from '../routing.ts';
import type { Call, World } from '../world.ts';
import { newXid } from '../xid.ts';
import { groupSummaries } from './groups.ts';
import { parseCidr } from './network-range.ts';
import { leaveGroups, networkToChange } from './networks.ts';

const wanted = z.object({
  name: goString,
  description: goString,
  address: goString,
  enabled: goBool,
  groups: goStrings,
});
type Wanted = z.output<typeof wanted>;

/** Hosts, ranges and domains inside a network. A resource belongs to groups through the groups. */
export const networkResourceRoutes: readonly Route[] = [
  get('/api/networks/:id/resources', (call, world) => {
    authorize(call.caller, 'networks', 'read');
    const network = world.store.document.networks.find(({ id }) => id === call.params['id']);
    const found = network?.resources ?? [];
    return json(found.length === 0 ? null : found.map((one) => wire(one, world.store.document)));
  }),
  post('/api/networks/:id/resources', createResource),
  get('/api/networks/:id/resources/:resource', (call, world) => {
    authorize(call.caller, 'networks', 'read');
    return json(wire(resourceOf(networkToChange(call, world), call), world.store.document));
  }),
  put('/api/networks/:id/resources/:resource', updateResource),
  remove('/api/networks/:id/resources/:resource', (call, world) => {
    authorize(call.caller, 'networks', 'delete');
    const network = networkToChange(call, world);
    const resource = resourceOf(network, call);
    leaveGroups(resource.id, world.store.document);
    network.resources = network.resources.filter((one) => one !== resource);
    world.store.save();
    return done();
  }),
];

function createResource(call: Call, world: World): Answer {
  const body = bodyOf(wanted, call.body);
  authorize(call.caller, 'networks', 'create');
  const { document } = world.store;
  const network = networkToChange(call, world);
  const id = newXid(world.now());
  const resource = recordOf(id, body);
  if (document.networks.some(({ resources }) => resources.some(({ name }) => name === body.name))) {
    throw invalid(`failed to create network resource: resource with name ${body.name} already exists`);
  }
  joinGroups(resource, groupsNamed(body, document), document);
  network.resources.push(resource);
  world.store.save();
  return json(wire(resource, document));
}

function updateResource(call: Call, world: World): Answer {
  const body = bodyOf(wanted, call.body);
  authorize(call.caller, 'networks', 'update');
  const { document } = world.store;
  const network = networkToChange(call, world);
  const before = resourceOf(network, call);
  const resource = recordOf(before.id, body);
  joinGroups(resource, groupsNamed(body, document), document);
  network.resources = network.resources.map((one) => (one === before ? resource : one));
  world.store.save();
  return json(wire(resource, document));
}

function recordOf(id: string, body: Wanted): NetworkResourceRecord {
  const { name, description, enabled } = body;
  return { id, name, description, enabled, ...addressOf(body.address) };
}

function addressOf(text: string): Pick<NetworkResourceRecord, 'address' | 'type'> {
  const family = isIP(text);
  if (family !== 0) return { address: `${text}/${family === 4 ? 32 : 128}`, type: 'host' };
  const range = parseCidr(text);
  if (range !== undefined) {
    return { address: text, type: range.prefix === (range.family === 4 ? 32 : 128) ? 'host' : 'subnet' };
  }
  if (/^(\*\.)?[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*$/i.test(text)) {
    return { address: text, type: 'domain' };
  }
  throw refusal(500, 'internal server error');
}

function groupsNamed(body: Wanted, document: StoreDocument): readonly GroupRecord[] {
  return (body.groups ?? []).map((id) => {
    const group = document.groups.find((one) => one.id === id);
    if (group !== undefined) return group;
    throw refusal(
      404,
      `failed to create network resource: failed to add resource to group: error adding resource to group: group: ${id} not found`,
    );
  });
}

function joinGroups(
  { id, type }: NetworkResourceRecord,
  groups: readonly GroupRecord[],
  document: StoreDocument,
): void {
  leaveGroups(id, document);
  for (const group of groups) group.resources = [...group.resources, { id, type }];
}

function resourceOf(network: NetworkRecord, call: Call): NetworkResourceRecord {
  const id = call.params['resource'] ?? '';
  const resource = network.resources.find((one) => one.id === id);
  if (resource === undefined) {
    throw refusal(404, `failed to get network resource: network resource: ${id} not found`);
  }
  return resource;
}

function wire(resource: NetworkResourceRecord, { groups }: StoreDocument) {
  const holders = groups.filter(({ resources }) => resources.some(({ id }) => id === resource.id));
  const ids = holders.map(({ id }) => id);
  return { ...resource, groups: groupSummaries(ids, groups) };
}
