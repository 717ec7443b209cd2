import * as z from 'zod';
import { done, invalid, json, notFound, refusal, type Answer } from '../answers.ts';
import { bodyOf, goInt, goString } from '../go-body.ts';
import type { TokenRecord, UserRecord } from '../model.ts';
import { authorize, type Operation } from '../permissions.ts';
import { hashOf, newPersonalAccessToken } from '../personal-access-token.ts';
import { get, post, remove, type Route } from '../routing.ts';
import { timestamp, type Call, type World } from '../world.ts';
import { newXid } from '../xid.ts';

const creation = z.object({ name: goString, expires_in: goInt });
const dayMs = 86_400_000;
const longestDays = 365;

/** Personal access tokens: one's own, and those of service users. The token itself is only in the answer that makes it. */
export const tokenRoutes: readonly Route[] = [
  get('/api/users/:id/tokens', (call, world) => {
    const user = ownerOf(call, world, 'read');
    return json(world.store.document.tokens.filter(({ userId }) => userId === user.id).map(wire));
  }),
  post('/api/users/:id/tokens', createToken),
  get('/api/users/:id/tokens/:token', (call, world) => json(wire(tokenOf(call, world, 'read')))),
  remove('/api/users/:id/tokens/:token', (call, world) => {
    const { document } = world.store;
    const token = tokenOf(call, world, 'delete');
    document.tokens = document.tokens.filter((one) => one !== token);
    world.store.save();
    return done();
  }),
];

function createToken(call: Call, world: World): Answer {
  const wanted = bodyOf(creation, call.body);
  if (wanted.name === '') {
    authorize(call.caller, 'pats', 'create');
    throw invalid("token name can't be empty");
  }
  if (wanted.expires_in < 1 || wanted.expires_in > longestDays) {
    authorize(call.caller, 'pats', 'create');
    throw invalid('expiration has to be between 1 and 365');
  }
  const user = ownerOf(call, world, 'create');
  const now = world.now();
  const plain = newPersonalAccessToken();
  const record: TokenRecord = {
    id: newXid(now),
    userId: user.id,
    name: wanted.name,
    hash: hashOf(plain),
    createdAt: timestamp(now),
    createdBy: call.caller.id,
    expiresAt: timestamp(new Date(now.getTime() + wanted.expires_in * dayMs)),
    lastUsedAt: null,
  };
  world.store.document.tokens.push(record);
  world.store.save();
  return json({ personal_access_token: wire(record), plain_token: plain });
}

function ownerOf(call: Call, world: World, operation: Operation): UserRecord {
  authorize(call.caller, 'pats', operation);
  const id = call.params['id'] ?? '';
  const user = world.store.document.users.find((one) => one.id === id);
  if (user === undefined) throw notFound('user', id);
  if (user.id !== call.caller.id && !user.isServiceUser) {
    throw refusal(403, 'admin role required to perform this action');
  }
  return user;
}

function tokenOf(call: Call, world: World, operation: Operation): TokenRecord {
  const user = ownerOf(call, world, operation);
  const id = call.params['token'] ?? '';
  const token = world.store.document.tokens.find((one) => one.id === id && one.userId === user.id);
  if (token === undefined) throw notFound('pat', id);
  return token;
}

const wire = (token: TokenRecord) => ({
  created_at: token.createdAt,
  created_by: token.createdBy,
  expiration_date: token.expiresAt,
  id: token.id,
  ...(token.lastUsedAt === null ? {} : { last_used: token.lastUsedAt }),
  name: token.name,
});
