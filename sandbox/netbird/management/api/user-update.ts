import { refusal } from '../answers.ts';
import type { GroupRecord, Role, UserRecord } from '../model.ts';

/** What an update of a user asks for. */
export interface UserChange {
  readonly role: Role;
  readonly autoGroups: readonly string[];
  readonly isBlocked: boolean;
}

/**
 * Refuses what nobody may do to a user: block the owner, change oneself as administrator, give or take the owner's
 * role without being owner, name a group that does not exist.
 * @throws {ApiError} 403 or 422, with the real server's texts.
 */
export function refuseUpdate(
  caller: UserRecord,
  user: UserRecord,
  change: UserChange,
  groups: readonly GroupRecord[],
): void {
  const refused = (status: number, why: string) =>
    refusal(status, `failed to process update for user ${user.id}: ${why}`);
  const isSelf = caller.id === user.id;
  if (isSelf && change.isBlocked !== user.isBlocked) {
    throw refused(403, "admins can't block or unblock themselves");
  }
  if (isSelf && caller.role !== 'owner' && change.role !== user.role) {
    throw refused(403, "admins can't change their role");
  }
  if (caller.role !== 'owner' && user.role === 'owner' && change.role !== 'owner') {
    throw refused(403, 'only owners can remove owner role from their user');
  }
  if (user.role === 'owner' && change.isBlocked) throw refused(403, 'unable to block owner user');
  if (caller.role !== 'owner' && user.role !== 'owner' && change.role === 'owner') {
    throw refused(403, 'only owners can add owner role to other users');
  }
  const missing = change.autoGroups.find((id) => !groups.some((group) => group.id === id));
  if (missing !== undefined) {
    throw refused(422, `provided group id ${missing} in the user ${user.id} update doesn't exist`);
  }
}
