import { randomBytes, randomInt } from 'node:crypto';
import type { AccountRecord, AccountSettings, GroupRecord, PolicyRecord } from './model.ts';
import { timestamp, type World } from './world.ts';
import { newXid } from './xid.ts';

const hourSeconds = 3600;

/** What a first sign-in makes: the account, the group of everyone, and the all-to-all policy unless it is disabled. */
export interface NewAccount {
  readonly account: AccountRecord;
  readonly everyone: GroupRecord;
  readonly policies: readonly PolicyRecord[];
}

/** A new account with the real server's defaults (0.77.1). Its network ranges are drawn at random. */
export function newAccount(world: World, ownerId: string): NewAccount {
  const now = world.now();
  const id = newXid(now);
  const everyone: GroupRecord = { id: newXid(now), issued: 'api', name: 'All', resources: [] };
  const account: AccountRecord = {
    id,
    createdAt: timestamp(now),
    createdBy: ownerId,
    domain: world.accountDomain,
    onboarding: { onboarding_flow_pending: true, signup_form_pending: true },
    settings: defaultSettings(everyone.id),
  };
  return {
    account,
    everyone,
    policies: world.disableDefaultPolicy ? [] : [allToAll(newXid(now), everyone.id)],
  };
}

const defaultSettings = (everyoneId: string): AccountSettings => ({
  agent_network_only: false,
  auto_update_always: false,
  auto_update_version: 'disabled',
  dns_domain: '',
  embedded_idp_enabled: false,
  extra: {
    network_traffic_logs_enabled: false,
    network_traffic_logs_groups: null,
    network_traffic_packet_counter_enabled: false,
    peer_approval_enabled: false,
    user_approval_required: true,
  },
  groups_propagation_enabled: true,
  ipv6_enabled_groups: [everyoneId],
  jwt_allow_groups: [],
  jwt_groups_claim_name: '',
  jwt_groups_enabled: false,
  lazy_connection_enabled: true,
  local_auth_disabled: false,
  local_mfa_enabled: false,
  metrics_push_enabled: false,
  network_range: `100.${randomInt(64, 128)}.0.0/16`,
  network_range_v6: `fd${randomBytes(7).toString('hex')}`.replace(
    /^(.{4})(.{4})(.{4})(.{4})$/,
    '$1:$2:$3:$4::/64',
  ),
  peer_expose_enabled: false,
  peer_expose_groups: null,
  peer_inactivity_expiration: hourSeconds / 6,
  peer_inactivity_expiration_enabled: false,
  peer_login_expiration: 24 * hourSeconds,
  peer_login_expiration_enabled: true,
  regular_users_view_blocked: true,
  routing_peer_dns_resolution_enabled: true,
});

const allToAllText = 'This is a default rule that allows connections between all the resources';

const allToAll = (id: string, everyoneId: string): PolicyRecord => ({
  id,
  name: 'Default',
  description: allToAllText,
  enabled: true,
  sourcePostureChecks: null,
  rules: [
    {
      id,
      name: 'Default',
      description: allToAllText,
      enabled: true,
      action: 'accept',
      bidirectional: true,
      protocol: 'all',
      ports: [],
      portRanges: [],
      sources: [everyoneId],
      destinations: [everyoneId],
      sourceResource: null,
      destinationResource: null,
    },
  ],
});
