import { createHash } from 'node:crypto';

import type { Group, User } from './documents.ts';
import type { Service } from './service.ts';

/** What a token or userinfo says about a person, by scope (OpenID Connect Core 1.0 §5.4). */
export const userClaims = (
  service: Service,
  user: User,
  groups: readonly Group[],
  scopes: readonly string[],
): Readonly<Record<string, unknown>> => ({
  sub: user.id,
  ...(scopes.includes('profile')
    ? {
        given_name: user.firstName,
        family_name: user.lastName,
        name: `${user.firstName} ${user.lastName}`.trim(),
        display_name: user.displayName,
        preferred_username: user.username,
        picture: `${service.options.appUrl}/api/users/${user.id}/profile-picture.png`,
      }
    : {}),
  ...(scopes.includes('email') && user.email !== null
    ? { email: user.email, email_verified: user.emailVerified }
    : {}),
  ...(scopes.includes('groups')
    ? { groups: groups.filter((group) => user.groupIds.includes(group.id)).map((group) => group.name) }
    : {}),
});

/** Left half of the SHA-256 of an access token (OpenID Connect Core 1.0 §3.1.3.6). */
export const accessTokenHash = (accessToken: string): string =>
  createHash('sha256').update(accessToken, 'ascii').digest().subarray(0, 16).toString('base64url');
