import type { Client, ClientSecret, Group, User } from './documents.ts';

/** A user as every endpoint shows it; some show no groups even for members, as the recordings have it. */
export const userView = (user: User, groups: readonly Group[]) => ({
  id: user.id,
  username: user.username,
  email: user.email,
  emailVerified: user.emailVerified,
  firstName: user.firstName,
  lastName: user.lastName,
  displayName: user.displayName,
  isAdmin: user.isAdmin,
  locale: user.locale,
  customClaims: [],
  userGroups: groups.filter((group) => user.groupIds.includes(group.id)).map((group) => groupRow(group, 0)),
  ldapId: null,
  disabled: user.disabled,
});

/** A group inside something else (always with a count of 0) or as a row of the list. */
export const groupRow = (group: Group, userCount: number) => ({
  id: group.id,
  friendlyName: group.friendlyName,
  name: group.name,
  customClaims: [],
  userCount,
  ldapId: null,
  createdAt: group.createdAt,
});

export const groupView = (group: Group, users: readonly User[], clients: readonly Client[]) => ({
  id: group.id,
  friendlyName: group.friendlyName,
  name: group.name,
  customClaims: [],
  ldapId: null,
  createdAt: group.createdAt,
  users: users.filter((user) => user.groupIds.includes(group.id)).map((user) => userView(user, [])),
  allowedOidcClients: clients
    .filter((client) => client.allowedGroupIds.includes(group.id))
    .map(clientSummary),
});

/** What anyone may know of a client. */
export const clientSummary = (client: Client) => ({
  id: client.id,
  name: client.name,
  description: client.description,
  hasLogo: false,
  hasDarkLogo: false,
  launchURL: client.launchURL,
  requiresReauthentication: client.requiresReauthentication,
  clientType: 'standard',
});

export const secretView = (secret: ClientSecret, nowMs: number) => ({
  id: secret.id,
  prefix: secret.prefix,
  createdAt: secret.createdAt,
  expiresAt: secret.expiresAt,
  isActive: isActiveSecret(secret, nowMs),
});

export const isActiveSecret = (secret: ClientSecret, nowMs: number): boolean =>
  secret.expiresAt === null || Date.parse(secret.expiresAt) > nowMs;

/** A client for administrators; `allowedUserGroups` or its count is added where an endpoint has it. */
export const clientView = (client: Client, nowMs: number) => ({
  ...clientSummary(client),
  callbackURLs: client.callbackURLs,
  logoutCallbackURLs: client.logoutCallbackURLs,
  isPublic: client.isPublic,
  pkceEnabled: client.pkceEnabled,
  requiresPushedAuthorizationRequests: client.requiresPushedAuthorizationRequests,
  skipConsent: client.skipConsent,
  credentials: { secrets: client.secrets.map((secret) => secretView(secret, nowMs)) },
  isGroupRestricted: client.isGroupRestricted,
  accessTokenDurationMinutes: client.accessTokenDurationMinutes,
  refreshTokenDurationMinutes: client.refreshTokenDurationMinutes,
});
