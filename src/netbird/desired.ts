import type { Settings } from '../settings/settings.ts';

/** The group of people who may use the mesh: NetBird takes it from the `groups` claim. */
export const peopleGroup = 'netbird-users';

/** Account settings that are wanted; all others stay as they are. */
export interface WantedAccount {
  readonly peer_login_expiration_enabled: true;
  /** Seconds. */
  readonly peer_login_expiration: number;
  readonly jwt_groups_enabled: true;
  readonly jwt_groups_claim_name: 'groups';
  readonly groups_propagation_enabled: true;
  readonly lazy_connection_enabled: false;
  /** The group at Pocket ID is the gate; a second one would lock people out with nobody left to approve them. */
  readonly user_approval_required: false;
}

export interface DesiredMesh {
  /** The domain whose certificate the mesh is reached with. */
  readonly domain: string;
  readonly adminUsername: string;
  readonly serviceUser: string;
  readonly account: WantedAccount;
  readonly homeGroup: string;
  readonly policy: { readonly name: string; readonly description: string };
}

const secondsPerDay = 86_400;

/** What the mesh should be. */
export const desiredMesh = (settings: Settings): DesiredMesh => ({
  domain: settings.domain,
  adminUsername: settings.identity.admin.username,
  serviceUser: `skylab-${settings.host}`,
  account: {
    peer_login_expiration_enabled: true,
    peer_login_expiration: settings.mesh.login_expiration_days * secondsPerDay,
    jwt_groups_enabled: true,
    jwt_groups_claim_name: 'groups',
    groups_propagation_enabled: true,
    lazy_connection_enabled: false,
    user_approval_required: false,
  },
  homeGroup: 'skylab-home',
  policy: { name: 'skylab: people to home', description: `made by skylab-stack for ${settings.host}` },
});
