import * as z from 'zod';
import { ApiError, done, json, refusal, type Answer } from '../answers.ts';
import { bodyOf, goBool, goInt, goString, goStrings } from '../go-body.ts';
import type { NetworkRecord, NetworkRouterRecord } from '../model.ts';
import { authorize } from '../permissions.ts';
import { get, post, put, remove, type Route } from '../routing.ts';
import type { Call, World } from '../world.ts';
import { newXid } from '../xid.ts';
import { networkToChange } from './networks.ts';

const wanted = z.object({
  enabled: goBool,
  masquerade: goBool,
  metric: goInt,
  peer: goString,
  peer_groups: goStrings,
});

/** Which peers route into a network. Neither the peer nor the groups are checked, as by the real server. */
export const networkRouterRoutes: readonly Route[] = [
  get('/api/networks/:id/routers', (call, world) => {
    authorize(call.caller, 'networks', 'read');
    const network = world.store.document.networks.find(({ id }) => id === call.params['id']);
    return json(network?.routers ?? []);
  }),
  post('/api/networks/:id/routers', (call, world) => {
    const router = { id: newXid(world.now()), ...read(call) };
    authorize(call.caller, 'networks', 'create');
    networkToChange(call, world).routers.push(router);
    world.store.save();
    return json(router);
  }),
  get('/api/networks/:id/routers/:router', (call, world) => {
    authorize(call.caller, 'networks', 'read');
    return json(routerOf(networkToChange(call, world), call));
  }),
  put('/api/networks/:id/routers/:router', updateRouter),
  remove('/api/networks/:id/routers/:router', (call, world) => {
    authorize(call.caller, 'networks', 'delete');
    const network = networkToChange(call, world);
    const router = routerOf(network, call);
    network.routers = network.routers.filter((one) => one !== router);
    world.store.save();
    return done();
  }),
];

function updateRouter(call: Call, world: World): Answer {
  const given = read(call);
  authorize(call.caller, 'networks', 'update');
  const network = networkToChange(call, world);
  const before = routerOf(network, call);
  const router = { id: before.id, ...given };
  network.routers = network.routers.map((one) => (one === before ? router : one));
  world.store.save();
  return json(router);
}

function read(call: Call): Omit<NetworkRouterRecord, 'id'> {
  const given = bodyOf(wanted, call.body);
  const hasGroups = (given.peer_groups ?? []).length > 0;
  if (given.peer !== '' && hasGroups) {
    throw new ApiError(400, 'peer and peer_groups cannot be set at the same time');
  }
  if (given.peer === '' && !hasGroups) throw new ApiError(400, 'either peer or peer_groups must be provided');
  return given;
}

function routerOf(network: NetworkRecord, call: Call): NetworkRouterRecord {
  const id = call.params['router'] ?? '';
  const router = network.routers.find((one) => one.id === id);
  if (router === undefined) {
    throw refusal(404, `failed to get network router: network router: ${id} not found`);
  }
  return router;
}
