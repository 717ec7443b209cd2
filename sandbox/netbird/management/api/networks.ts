import * as z from 'zod';
import { done, json, notFound, refusal, type Answer } from '../answers.ts';
import { bodyOf, goString } from '../go-body.ts';
import type { NetworkRecord, StoreDocument } from '../model.ts';
import { authorize } from '../permissions.ts';
import { get, post, put, remove, type Route } from '../routing.ts';
import type { Call, World } from '../world.ts';
import { newXid } from '../xid.ts';

const wanted = z.object({ name: goString, description: goString });

/** Networks; what is in them is in `network-resources.ts` and `network-routers.ts`. */
export const networkRoutes: readonly Route[] = [
  get('/api/networks', (call, world) => {
    authorize(call.caller, 'networks', 'read');
    const { document } = world.store;
    return json(document.networks.map((network) => wire(network, document, null)));
  }),
  post('/api/networks', createNetwork),
  get('/api/networks/:id', (call, world) => {
    authorize(call.caller, 'networks', 'read');
    const { document } = world.store;
    const id = call.params['id'] ?? '';
    const network = document.networks.find((one) => one.id === id);
    if (network === undefined) throw notFound('network', id);
    return json(wire(network, document, null));
  }),
  put('/api/networks/:id', updateNetwork),
  remove('/api/networks/:id', deleteNetwork),
];

function createNetwork(call: Call, world: World): Answer {
  const { name, description } = bodyOf(wanted, call.body);
  authorize(call.caller, 'networks', 'create');
  const { document } = world.store;
  const network: NetworkRecord = { id: newXid(world.now()), name, description, resources: [], routers: [] };
  document.networks.push(network);
  world.store.save();
  return json(wire(network, document, []));
}

function updateNetwork(call: Call, world: World): Answer {
  const { name, description } = bodyOf(wanted, call.body);
  authorize(call.caller, 'networks', 'update');
  const network = networkToChange(call, world);
  network.name = name;
  network.description = description;
  world.store.save();
  return json(wire(network, world.store.document, null));
}

function deleteNetwork(call: Call, world: World): Answer {
  authorize(call.caller, 'networks', 'delete');
  const { document } = world.store;
  const network = networkToChange(call, world);
  for (const { id } of network.resources) leaveGroups(id, document);
  document.networks = document.networks.filter((one) => one !== network);
  world.store.save();
  return done();
}

/**
 * The network that a request wants to change something in.
 * @throws {ApiError} 404 in the words the real server uses there.
 */
export function networkToChange(call: Call, world: World): NetworkRecord {
  const id = call.params['id'] ?? '';
  const network = world.store.document.networks.find((one) => one.id === id);
  if (network === undefined) throw refusal(404, `failed to get network: network: ${id} not found`);
  return network;
}

/** Takes a network resource out of every group. */
export function leaveGroups(resourceId: string, document: StoreDocument): void {
  for (const group of document.groups) {
    group.resources = group.resources.filter(({ id }) => id !== resourceId);
  }
}

/** The real server writes an empty list of resources as `[]` where it made the network and as null elsewhere. */
function wire(network: NetworkRecord, document: StoreDocument, noResources: null | readonly string[]) {
  const ids = network.resources.map(({ id }) => id);
  const holders = document.groups
    .filter(({ resources }) => resources.some(({ id }) => ids.includes(id)))
    .map(({ id }) => id);
  const policies = document.policies.filter(
    ({ enabled, rules }) =>
      enabled && rules.some((rule) => rule.enabled && rule.destinations.some((id) => holders.includes(id))),
  );
  return {
    description: network.description,
    id: network.id,
    name: network.name,
    policies: policies.map(({ id }) => id),
    resources: ids.length === 0 ? noResources : ids,
    routers: network.routers.map(({ id }) => id),
    routing_peers_count: 0,
  };
}
