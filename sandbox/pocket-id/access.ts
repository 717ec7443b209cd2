import type { Client, User } from './documents.ts';
import { OAuthError } from './oauth-error.ts';
import type { Service } from './service.ts';

/** Not restricted, or a member of one of the client's groups. */
export const mayUse = (user: User, client: Client): boolean =>
  !client.isGroupRestricted || client.allowedGroupIds.some((id) => user.groupIds.includes(id));

/** @throws OAuthError access_denied */
export const requireAccess = (user: User, client: Client): void => {
  if (!mayUse(user, client))
    throw new OAuthError('access_denied', 'You are not allowed to access this service.');
};

/**
 * The user behind a grant, asked anew whenever tokens are issued.
 * @throws OAuthError invalid_grant (gone or disabled), access_denied (no longer in a group)
 */
export const requireGrantedUser = async (service: Service, userId: string, client: Client): Promise<User> => {
  const user = await service.store.get('user', userId);
  if (user === undefined) throw new OAuthError('invalid_grant', 'The user account no longer exists.');
  if (user.disabled) throw new OAuthError('invalid_grant', 'The user account is disabled.');
  requireAccess(user, client);
  return user;
};
