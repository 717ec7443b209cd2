import * as z from 'zod';
import {
  ApiError,
  done,
  invalid,
  json,
  notFound,
  permissionDenied,
  refusal,
  type Answer,
} from '../answers.ts';
import { bodyOf, goString } from '../go-body.ts';
import type { GroupRecord, StoreDocument } from '../model.ts';
import { authorize, mayDo, refuseBlocked } from '../permissions.ts';
import { get, post, put, remove, type Route } from '../routing.ts';
import type { Call, World } from '../world.ts';
import { newXid } from '../xid.ts';

const wanted = z.object({
  name: goString,
  resources: z
    .array(z.object({ id: goString, type: goString }))
    .nullish()
    .transform((value) => value ?? []),
});

/** Groups. `peers` is always null: no peer can join a stand-in. */
export const groupRoutes: readonly Route[] = [
  get('/api/groups', listGroups),
  post('/api/groups', createGroup),
  get('/api/groups/:id', (call, world) => {
    mayRead(call);
    return json(groupDocument(groupOf(call, world)));
  }),
  put('/api/groups/:id', updateGroup),
  remove('/api/groups/:id', deleteGroup),
];

/** A group as `GET /api/groups` lists it. Empty lists are null. */
const groupDocument = (group: GroupRecord) => ({
  id: group.id,
  issued: group.issued,
  name: group.name,
  peers: null,
  peers_count: 0,
  resources: group.resources.length === 0 ? null : group.resources,
  resources_count: group.resources.length,
});

/** Groups by id as other objects show them; ids of no group are left out, and no group at all is null. */
export function groupSummaries(ids: readonly string[], groups: readonly GroupRecord[]) {
  const found = ids.flatMap((id) => groups.filter((group) => group.id === id));
  if (found.length === 0) return null;
  return found.map(({ id, name, resources }) => ({
    id,
    name,
    peers_count: 0,
    resources_count: resources.length,
  }));
}

function listGroups(call: Call, world: World): Answer {
  mayRead(call);
  const name = call.query.get('name');
  const found = world.store.document.groups.filter((group) => name === null || group.name === name);
  if (name !== null && found.length === 0) throw notFound('group', name);
  return json(found.map(groupDocument));
}

function createGroup(call: Call, world: World): Answer {
  const { name, resources } = bodyOf(wanted, call.body);
  authorize(call.caller, 'groups', 'create');
  if (name === '') throw invalid("group name shouldn't be empty");
  const { document } = world.store;
  if (document.groups.some((group) => group.name === name)) {
    throw refusal(409, `group with name ${name} already exists`);
  }
  const group: GroupRecord = { id: newXid(world.now()), issued: 'api', name, resources };
  document.groups.push(group);
  world.store.save();
  return json(groupDocument(group));
}

function updateGroup(call: Call, world: World): Answer {
  mayRead(call);
  const group = groupOf(call, world);
  if (group.name === 'All') throw invalid('updating group all is not allowed');
  const { name, resources } = bodyOf(wanted, call.body);
  if (name === '') throw invalid("group name shouldn't be empty");
  authorize(call.caller, 'groups', 'update');
  group.name = name;
  group.resources = resources;
  world.store.save();
  return json(groupDocument(group));
}

function deleteGroup(call: Call, world: World): Answer {
  authorize(call.caller, 'groups', 'delete');
  const { document } = world.store;
  const id = call.params['id'] ?? '';
  const group = document.groups.find((one) => one.id === id);
  if (group === undefined) throw new ApiError(400, `group: ${id} not found`);
  if (group.name === 'All') throw new ApiError(400, 'deleting group ALL is not allowed');
  const holder = holderOf(group, document);
  if (holder !== undefined) throw new ApiError(400, `group has been linked to ${holder}`);
  document.groups = document.groups.filter((one) => one !== group);
  world.store.save();
  return done();
}

/** What keeps a group from being deleted, in the real server's words. DNS zones do not. */
function holderOf({ id, name, resources }: GroupRecord, document: StoreDocument): string | undefined {
  if (resources[0] !== undefined) return `network resource: ${resources[0].id}`;
  const policy = document.policies.find(({ rules }) =>
    rules.some((rule) => rule.sources.includes(id) || rule.destinations.includes(id)),
  );
  if (policy !== undefined) return `policy: ${policy.name}`;
  const setupKey = document.setupKeys.find(({ autoGroups }) => autoGroups.includes(id));
  if (setupKey !== undefined) return `setup key: ${setupKey.name}`;
  const user = document.users.find(({ autoGroups }) => autoGroups.includes(id));
  if (user !== undefined) return `user: ${user.id}`;
  const nameservers = document.nameserverGroups.find(({ groups }) => groups.includes(id));
  if (nameservers !== undefined) return `name server groups: ${nameservers.name}`;
  if (document.disabledManagementGroups.includes(id)) return `disabled DNS management groups: ${name}`;
  const router = document.networks
    .flatMap(({ routers }) => routers)
    .find(({ peer_groups }) => peer_groups?.includes(id) === true);
  return router === undefined ? undefined : `network router: ${router.id}`;
}

function mayRead(call: Call): void {
  refuseBlocked(call.caller, '');
  if (!call.caller.isServiceUser && !mayDo(call.caller, 'groups', 'read')) throw permissionDenied();
}

function groupOf(call: Call, world: World): GroupRecord {
  const id = call.params['id'] ?? '';
  const group = world.store.document.groups.find((one) => one.id === id);
  if (group === undefined) throw notFound('group', id);
  return group;
}
