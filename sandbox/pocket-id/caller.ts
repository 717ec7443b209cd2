import { createHash, timingSafeEqual } from 'node:crypto';

import { getCookie } from 'hono/cookie';

import { apiKeyNotAllowed, notAnAdministrator, notSignedIn, userDisabled } from './api-error.ts';
import type { User } from './documents.ts';
import { randomText, unambiguous } from './random-text.ts';
import { type SessionClaims, sessionCookieName, verifySession } from './session.ts';
import { type Call, type Service, nowText } from './service.ts';

/** Who makes a call; `session` is missing when it is the static API key. */
export interface Caller {
  readonly user: User;
  readonly session: SessionClaims | undefined;
}

/** The user as whom the static API key acts. */
export const staticUserId = '00000000-0000-0000-0000-000000000000';

const bearerToken = (call: Call): string | undefined => {
  const [, token] = /^\S+ (.+)$/.exec(call.req.header('authorization') ?? '') ?? [];
  return token;
};

/**
 * The user of a valid session. The cookie wins over the Authorization header.
 * @throws ApiError user_disabled
 */
export const sessionCaller = async (
  service: Service,
  call: Call,
): Promise<(Caller & { readonly session: SessionClaims }) | undefined> => {
  const token = getCookie(call, sessionCookieName(service)) ?? bearerToken(call);
  if (token === undefined) return undefined;
  const session = await verifySession(service, token);
  if (session === undefined) return undefined;
  // A database that cannot be asked knows nobody: the real server answers 401 then, too.
  const user = await service.store.get('user', session.userId).catch(() => undefined);
  if (user === undefined) return undefined;
  if (user.disabled) throw userDisabled();
  return { user, session };
};

const sameText = (left: string, right: string): boolean =>
  timingSafeEqual(createHash('sha256').update(left).digest(), createHash('sha256').update(right).digest());

/** The static user, made at its first call. */
const staticUser = async (service: Service): Promise<User> => {
  const known = await service.store.get('user', staticUserId);
  if (known !== undefined) return known;
  const user: User = {
    id: staticUserId,
    username: `static-api-user-${randomText(6, unambiguous)}`,
    email: null,
    emailVerified: false,
    firstName: 'Static API User',
    lastName: '',
    displayName: 'Static API User',
    isAdmin: true,
    locale: null,
    disabled: false,
    groupIds: [],
    createdAt: nowText(service),
  };
  await service.store.insert('user', user.id, user);
  return user;
};

const apiKeyCaller = async (service: Service, call: Call): Promise<Caller | undefined> => {
  const given = call.req.header('x-api-key') ?? '';
  const wanted = service.options.staticApiKey;
  if (wanted === undefined || !sameText(given, wanted)) return undefined;
  // Two first calls at once collide here, and a database may be away: 401 in both cases, as from the real server.
  const user = await staticUser(service).catch(() => undefined);
  return user === undefined ? undefined : { user, session: undefined };
};

/** @throws ApiError not_signed_in, user_disabled */
export const requireCaller = async (service: Service, call: Call): Promise<Caller> => {
  const caller = (await sessionCaller(service, call)) ?? (await apiKeyCaller(service, call));
  if (caller === undefined) throw notSignedIn();
  return caller;
};

/**
 * A session of an administrator, or the API key. A session decides alone, even next to a valid key.
 * @throws ApiError not_signed_in, user_disabled, forbidden
 */
export const requireAdministrator = async (service: Service, call: Call): Promise<Caller> => {
  const caller = await requireCaller(service, call);
  if (!caller.user.isAdmin) throw notAnAdministrator();
  return caller;
};

/**
 * For the few endpoints where a key cannot act for a person.
 * @throws ApiError not_signed_in, user_disabled, api_key_auth_not_allowed
 */
export const requireSession = async (
  service: Service,
  call: Call,
): Promise<Caller & { readonly session: SessionClaims }> => {
  const caller = await sessionCaller(service, call);
  if (caller !== undefined) return caller;
  throw call.req.header('x-api-key') === undefined ? notSignedIn() : apiKeyNotAllowed();
};
