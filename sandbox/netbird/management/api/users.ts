import { randomUUID } from 'node:crypto';
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
import { bodyOf, goBool, goString, goStrings } from '../go-body.ts';
import { roles, type Role, type UserRecord } from '../model.ts';
import { authorize, grantsOf, mayDo, refuseBlocked } from '../permissions.ts';
import { get, post, put, remove, type Route } from '../routing.ts';
import { neverAt, type Call, type World } from '../world.ts';
import { refuseUpdate } from './user-update.ts';

const creation = z.object({
  name: goString,
  role: goString,
  is_service_user: goBool,
  auto_groups: goStrings,
});
const update = z.object({ role: goString, auto_groups: goStrings, is_blocked: goBool });

/** People and service users of the account. */
export const userRoutes: readonly Route[] = [
  get('/api/users', listUsers),
  get('/api/users/current', currentUser),
  post('/api/users', createServiceUser),
  put('/api/users/:id', updateUser),
  remove('/api/users/:id', deleteUser),
  post('/api/users/:id/approve', approveUser),
  remove('/api/users/:id/reject', rejectUser),
  post('/api/users/:id/invite', () => {
    throw refusal(412, 'idp manager must be enabled to send user invites');
  }),
];

function listUsers(call: Call, world: World): Answer {
  refuseBlocked(call.caller, 'failed to validate user permissions: ');
  const wanted = call.query.get('service_user');
  const seesAll = call.caller.isServiceUser || mayDo(call.caller, 'users', 'read');
  const users = world.store.document.users
    .filter((user) => seesAll || user.id === call.caller.id)
    .filter((user) => wanted === null || String(user.isServiceUser) === wanted);
  return json(users.map((user) => wire(user, call.caller, world)));
}

function currentUser(call: Call, world: World): Answer {
  const { caller } = call;
  refuseBlocked({ ...caller, isPendingApproval: false }, '');
  if (caller.isServiceUser) throw permissionDenied();
  const modules = grantsOf(caller.role);
  const viewBlocked = world.store.document.account?.settings.regular_users_view_blocked ?? false;
  const isRegular = caller.role === 'user' || caller.role === 'billing_admin';
  return json({
    ...wire(caller, caller, world),
    permissions: { is_restricted: isRegular && viewBlocked, modules },
  });
}

function createServiceUser(call: Call, world: World): Answer {
  const wanted = bodyOf(creation, call.body);
  const role = roleFrom(wanted.role);
  if (role === undefined) throw invalid(`unknown user role ${wanted.role}`);
  authorize(call.caller, 'users', 'create');
  if (!wanted.is_service_user) throw refusal(412, 'idp manager must be enabled to send user invites');
  if (role === 'owner') throw invalid("can't create a service user with owner role");
  const user: UserRecord = {
    id: randomUUID(),
    isServiceUser: true,
    sealedName: world.seal.close(wanted.name),
    sealedEmail: world.seal.close(''),
    role,
    autoGroups: wanted.auto_groups ?? [],
    isBlocked: false,
    isPendingApproval: false,
  };
  world.store.document.users.push(user);
  world.store.save();
  return json(wire(user, call.caller, world));
}

function updateUser(call: Call, world: World): Answer {
  authorize(call.caller, 'users', 'update');
  const user = userOf(call, world);
  const wanted = bodyOf(update, call.body);
  if (wanted.auto_groups === null) throw new ApiError(400, "auto_groups field can't be absent");
  const role = roleFrom(wanted.role);
  if (role === undefined) throw invalid('invalid user role');
  const change = { role, autoGroups: wanted.auto_groups, isBlocked: wanted.is_blocked };
  refuseUpdate(call.caller, user, change, world.store.document.groups);

  if (role === 'owner' && user.role !== 'owner') call.caller.role = 'admin';
  Object.assign(user, change);
  world.store.save();
  return json(wire(user, call.caller, world));
}

function deleteUser(call: Call, world: World): Answer {
  const id = call.params['id'] ?? '';
  if (id === call.caller.id) throw invalid('self deletion is not allowed');
  authorize(call.caller, 'users', 'delete');
  const user = userOf(call, world);
  if (user.role === 'owner') throw refusal(403, "can't delete a user with the owner role");
  dropUser(user, world);
  return done();
}

function approveUser(call: Call, world: World): Answer {
  authorize(call.caller, 'users', 'update');
  const user = userOf(call, world);
  if (!user.isPendingApproval) throw invalid(`user ${user.id} is not pending approval`);
  user.isPendingApproval = false;
  user.isBlocked = false;
  world.store.save();
  return json(wire(user, call.caller, world));
}

function rejectUser(call: Call, world: World): Answer {
  authorize(call.caller, 'users', 'delete');
  const user = userOf(call, world);
  if (!user.isPendingApproval) throw invalid(`user ${user.id} is not pending approval`);
  dropUser(user, world);
  return done();
}

function dropUser(user: UserRecord, world: World): void {
  const { document } = world.store;
  document.users = document.users.filter(({ id }) => id !== user.id);
  document.tokens = document.tokens.filter(({ userId }) => userId !== user.id);
  world.store.save();
}

function userOf(call: Call, world: World): UserRecord {
  const id = call.params['id'] ?? '';
  const user = world.store.document.users.find((one) => one.id === id);
  if (user === undefined) throw notFound('user', id);
  return user;
}

const roleFrom = (text: string): Role | undefined => roles.find((role) => role === text);

function wire(user: UserRecord, caller: UserRecord, world: World) {
  return {
    auto_groups: user.autoGroups,
    email: world.seal.open(user.sealedEmail),
    id: user.id,
    is_blocked: user.isBlocked,
    is_current: user.id === caller.id,
    is_service_user: user.isServiceUser,
    issued: 'api',
    last_login: neverAt,
    name: world.seal.open(user.sealedName),
    pending_approval: user.isPendingApproval,
    role: user.role,
    status: user.isBlocked ? 'blocked' : 'active',
  };
}
