import type { JWTPayload } from 'jose';
import { refusal } from './answers.ts';
import { newAccount } from './new-account.ts';
import type { AccountRecord, AccountSettings, UserRecord } from './model.ts';
import type { World } from './world.ts';
import { newXid } from './xid.ts';
import type { Verified } from './id-token.ts';

/**
 * The user of a verified token, made when it is the first time: the very first becomes owner of a new account, later
 * ones get the role `user`, waiting for approval where the account asks for it. Name and e-mail are taken from the
 * token only then. Groups of the token are applied each time the account has JWT groups on. A user whose groups are not
 * allowed is made all the same, and then refused.
 * @throws {ApiError} 401 when the user's data was sealed with another key, or the token names none of the allowed groups.
 */
export function signIn(world: World, verified: Verified): UserRecord {
  const { document } = world.store;
  const before = JSON.stringify([document.users, document.groups, document.account]);
  const account = document.account ?? createAccount(world, verified.subject);
  const known = document.users.find(({ id }) => id === verified.subject);
  if (known !== undefined) refuseForeignSeal(world, known);
  const user = known ?? createUser(world, verified, account);
  const groups = groupsOf(verified.claims, account.settings.jwt_groups_claim_name);
  const isAllowed = allows(account.settings, groups);
  if (isAllowed && account.settings.jwt_groups_enabled) applyGroups(world, user, groups);
  if (JSON.stringify([document.users, document.groups, document.account]) !== before) world.store.save();
  if (!isAllowed) throw refusal(401, 'token invalid');
  return user;
}

/** A list of allowed groups only counts while JWT groups are on. */
const allows = (settings: AccountSettings, groups: readonly string[]): boolean =>
  !settings.jwt_groups_enabled ||
  settings.jwt_allow_groups.length === 0 ||
  groups.some((name) => settings.jwt_allow_groups.includes(name));

function createAccount(world: World, ownerId: string): AccountRecord {
  const { document } = world.store;
  const made = newAccount(world, ownerId);
  document.account = made.account;
  document.groups.push(made.everyone);
  document.policies.push(...made.policies);
  return made.account;
}

function createUser(world: World, { subject, claims }: Verified, account: AccountRecord): UserRecord {
  const { document } = world.store;
  const isOwner = account.createdBy === subject && document.users.length === 0;
  const waits = !isOwner && account.settings.extra.user_approval_required;
  const user: UserRecord = {
    id: subject,
    isServiceUser: false,
    sealedName: world.seal.close(textClaim(claims, 'name')),
    sealedEmail: world.seal.close(textClaim(claims, 'email')),
    role: isOwner ? 'owner' : 'user',
    autoGroups: [],
    isBlocked: waits,
    isPendingApproval: waits,
  };
  document.users.push(user);
  return user;
}

/** Groups that came with a token replace those that came with the one before; groups given by the API stay. */
function applyGroups(world: World, user: UserRecord, names: readonly string[]): void {
  const { groups } = world.store.document;
  const isFromToken = (id: string): boolean =>
    groups.some((group) => group.id === id && group.issued === 'jwt');
  const kept = user.autoGroups.filter((id) => !isFromToken(id));
  const given = names.flatMap((name) => {
    const found = groups.find((group) => group.name === name);
    if (found?.issued === 'api') return [];
    if (found !== undefined) return [found.id];
    const made = { id: newXid(world.now()), issued: 'jwt' as const, name, resources: [] };
    groups.push(made);
    return [made.id];
  });
  user.autoGroups = [...new Set([...kept, ...given])];
}

function groupsOf(claims: JWTPayload, claimName: string): readonly string[] {
  const claim = claims[claimName];
  const values: readonly unknown[] = Array.isArray(claim) ? claim : [claim];
  return values.filter((value) => typeof value === 'string');
}

const textClaim = (claims: JWTPayload, name: string): string => {
  const claim = claims[name];
  return typeof claim === 'string' ? claim : '';
};

function refuseForeignSeal(world: World, user: UserRecord): void {
  try {
    world.seal.open(user.sealedEmail);
  } catch {
    throw refusal(401, 'token invalid');
  }
}
