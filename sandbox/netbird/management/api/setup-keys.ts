import { randomUUID } from 'node:crypto';
import * as z from 'zod';
import { done, invalid, json, notFound, type Answer } from '../answers.ts';
import { bodyOf, goBool, goInt, goString, goStrings } from '../go-body.ts';
import type { SetupKeyRecord, StoreDocument } from '../model.ts';
import { authorize } from '../permissions.ts';
import { get, post, put, remove, type Route } from '../routing.ts';
import { neverAt, timestamp, type Call, type World } from '../world.ts';
import { newXid } from '../xid.ts';

const creation = z.object({
  name: goString,
  type: goString,
  expires_in: goInt,
  auto_groups: goStrings,
  usage_limit: goInt,
  ephemeral: goBool,
  allow_extra_dns_labels: goBool,
});
const update = z.object({ revoked: goBool, auto_groups: goStrings });

/** One key's answers carry this type; lists and new keys carry the usual one. */
const singleKeyType = 'application/json';

/** Setup keys. A key is shown whole only in the answer that makes it. */
export const setupKeyRoutes: readonly Route[] = [
  get('/api/setup-keys', (call, world) => {
    authorize(call.caller, 'setup_keys', 'read');
    return json(world.store.document.setupKeys.map((key) => wire(key, world, masked(key))));
  }),
  post('/api/setup-keys', createKey),
  get('/api/setup-keys/:id', (call, world) => {
    authorize(call.caller, 'setup_keys', 'read');
    const key = keyOf(call, world);
    return json(wire(key, world, masked(key)), singleKeyType);
  }),
  put('/api/setup-keys/:id', updateKey),
  remove('/api/setup-keys/:id', (call, world) => {
    authorize(call.caller, 'setup_keys', 'delete');
    const { document } = world.store;
    const key = keyOf(call, world);
    document.setupKeys = document.setupKeys.filter((one) => one !== key);
    world.store.save();
    return done();
  }),
];

function createKey(call: Call, world: World): Answer {
  const wanted = bodyOf(creation, call.body);
  authorize(call.caller, 'setup_keys', 'create');
  if (wanted.name === '') throw invalid("setup key name shouldn't be empty");
  if (wanted.type !== 'reusable' && wanted.type !== 'one-off') {
    throw invalid(`unknown setup key type ${wanted.type}`);
  }
  if (wanted.expires_in < 0) throw invalid('expiresin can not be in the past');
  const isOneOff = wanted.type === 'one-off';
  if (isOneOff && wanted.usage_limit > 1) {
    throw invalid(
      `usage_limit ${wanted.usage_limit} is not valid for a one-off setup key, which can be used once; ` +
        'use type reusable for a key that can be used more than once',
    );
  }
  refuseGroups(wanted.auto_groups ?? [], world.store.document);
  const now = world.now();
  const expires = new Date(now.getTime() + wanted.expires_in * 1000);
  const key: SetupKeyRecord = {
    id: newXid(now),
    key: randomUUID().toUpperCase(),
    name: wanted.name,
    type: wanted.type,
    expiresAt: wanted.expires_in === 0 ? neverAt : timestamp(expires),
    usageLimit: isOneOff ? 1 : wanted.usage_limit,
    isEphemeral: wanted.ephemeral,
    allowsExtraDnsLabels: wanted.allow_extra_dns_labels,
    autoGroups: wanted.auto_groups ?? [],
    isRevoked: false,
    updatedAt: timestamp(now),
  };
  world.store.document.setupKeys.push(key);
  world.store.save();
  return json(wire(key, world, key.key));
}

function updateKey(call: Call, world: World): Answer {
  const wanted = bodyOf(update, call.body);
  if (wanted.auto_groups === null) throw invalid('setup key autogroups field is invalid');
  authorize(call.caller, 'setup_keys', 'update');
  refuseGroups(wanted.auto_groups, world.store.document);
  const key = keyOf(call, world);
  if (key.isRevoked && !wanted.revoked) throw invalid("can't un-revoke a revoked setup key");
  key.autoGroups = wanted.auto_groups;
  key.isRevoked = wanted.revoked;
  key.updatedAt = timestamp(world.now());
  world.store.save();
  return json(wire(key, world, masked(key)), singleKeyType);
}

function refuseGroups(ids: readonly string[], { groups }: StoreDocument): void {
  for (const id of ids) {
    const group = groups.find((one) => one.id === id);
    if (group === undefined) throw invalid(`invalid auto groups: group not found: ${id}`);
    if (group.name === 'All') throw invalid("invalid auto groups: can't add 'all' group to the setup key");
  }
}

function keyOf(call: Call, world: World): SetupKeyRecord {
  const id = call.params['id'] ?? '';
  const key = world.store.document.setupKeys.find((one) => one.id === id);
  if (key === undefined) throw notFound('setup key', id);
  return key;
}

const masked = (key: SetupKeyRecord): string => `${key.key.slice(0, 5)}****`;

function wire(key: SetupKeyRecord, world: World, shown: string) {
  const isExpired = key.expiresAt !== neverAt && world.now() >= new Date(key.expiresAt);
  return {
    allow_extra_dns_labels: key.allowsExtraDnsLabels,
    auto_groups: key.autoGroups,
    ephemeral: key.isEphemeral,
    expires: key.expiresAt,
    id: key.id,
    key: shown,
    last_used: neverAt,
    name: key.name,
    revoked: key.isRevoked,
    state: key.isRevoked ? 'revoked' : isExpired ? 'expired' : 'valid',
    type: key.type,
    updated_at: key.updatedAt,
    usage_limit: key.usageLimit,
    used_times: 0,
    valid: !key.isRevoked && !isExpired,
  };
}
