import type { SecretStore } from '../settings/secret-store.ts';
import { StackError } from '../shared/errors.ts';
import type { MeshAccount, MeshGroup, MeshPolicy, MeshUser, NetBird } from './netbird.ts';

/** Names of what is kept in the secret store. An id that says `pending` was about to be made when it was written. */
export const kept = {
  token: 'netbird-service-token',
  serviceUser: 'id-netbird-service-user',
  homeGroup: 'id-netbird-group-home',
  policy: 'id-netbird-policy-people-to-home',
} as const;

export const pending = 'pending';

/** What the mesh is, as far as it can be seen. */
export type MeshWorld =
  /** It does not run yet: what starts it is part of the plan of this very stack. */
  | { readonly seen: 'not-up'; readonly text: string }
  | { readonly seen: 'unreachable'; readonly text: string; readonly hint: string }
  /** Management answers, and we hold no token that it takes. */
  | { readonly seen: 'no-token'; readonly text: string }
  | {
      readonly seen: 'all';
      readonly users: readonly MeshUser[];
      readonly account: MeshAccount | undefined;
      readonly groups: readonly MeshGroup[];
      readonly policies: readonly MeshPolicy[];
      /** Of the token we use; undefined where it was not listed. */
      readonly tokenExpiresAt: Date | undefined;
      /** Of our service user; more than one where a run ended between making one and removing the last. */
      readonly tokenCount: number;
      readonly ids: { readonly homeGroup: string | undefined; readonly policy: string | undefined };
      readonly now: Date;
    };

interface Ports {
  readonly netbird: NetBird;
  readonly secrets: SecretStore;
  readonly now: () => Date;
}

/** 401, or 404 for a token that a store which was replaced does not hold (`invalid token: pat: … not found`). */
const isTokenUnknown = ({ data, message }: StackError): boolean =>
  data['status'] === 401 || (data['status'] === 404 && message.includes('invalid token'));

/** Looks at the mesh with the service token. Reads only. */
export const observeMesh = async (
  { netbird, secrets, now }: Ports,
  signal: AbortSignal,
): Promise<MeshWorld> => {
  try {
    const serviceToken = await secrets.read(kept.token);
    if (serviceToken === undefined) {
      await netbird.answers(signal);
      return { seen: 'no-token', text: 'nobody owns the mesh yet' };
    }
    const auth = { serviceToken };
    const userId = await secrets.read(kept.serviceUser);
    const [users, account, groups, policies, tokens, homeGroup, policy] = await Promise.all([
      netbird.users(auth, signal),
      netbird.account(auth, signal),
      netbird.groups(auth, signal),
      netbird.policies(auth, signal),
      userId === undefined ? [] : netbird.tokens(auth, userId, signal),
      secrets.read(kept.homeGroup),
      secrets.read(kept.policy),
    ]);
    const expiries = tokens
      .map((one) => Date.parse(one.expiration_date))
      .filter((time) => Number.isFinite(time));
    return {
      seen: 'all',
      users,
      account,
      groups,
      policies,
      tokenExpiresAt: expiries.length === 0 ? undefined : new Date(Math.max(...expiries)),
      tokenCount: tokens.length,
      ids: { homeGroup, policy },
      now: now(),
    };
  } catch (error) {
    if (!(error instanceof StackError)) throw error;
    if (error.data['away'] === true) return { seen: 'not-up', text: error.message };
    if (isTokenUnknown(error)) return { seen: 'no-token', text: 'NetBird does not take our service token' };
    return { seen: 'unreachable', text: error.message, hint: error.hint };
  }
};
