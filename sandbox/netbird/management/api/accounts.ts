import * as z from 'zod';
import { invalid, json, refusal, type Answer } from '../answers.ts';
import { bodyOf, goBool, goInt, goString, goStrings } from '../go-body.ts';
import type { AccountRecord, AccountSettings } from '../model.ts';
import { authorize, mayDo, refuseBlocked } from '../permissions.ts';
import { get, put, type Route } from '../routing.ts';
import type { Call, World } from '../world.ts';
import { networkRange } from './network-range.ts';

const hourSeconds = 3600;
const longestLoginSeconds = 180 * 24 * hourSeconds;

const extra = z.object({
  network_traffic_logs_enabled: goBool,
  network_traffic_logs_groups: goStrings,
  network_traffic_packet_counter_enabled: goBool,
  peer_approval_enabled: goBool,
  user_approval_required: goBool,
});

const settings = z.object({
  agent_network_only: goBool,
  auto_update_always: goBool,
  auto_update_version: goString,
  dns_domain: goString,
  extra: extra.nullish(),
  groups_propagation_enabled: goBool,
  ipv6_enabled_groups: goStrings,
  jwt_allow_groups: goStrings,
  jwt_groups_claim_name: goString,
  jwt_groups_enabled: goBool,
  lazy_connection_enabled: goBool,
  local_auth_disabled: goBool,
  local_mfa_enabled: goBool,
  metrics_push_enabled: goBool,
  network_range: goString,
  network_range_v6: goString,
  peer_expose_enabled: goBool,
  peer_expose_groups: goStrings,
  peer_inactivity_expiration: goInt,
  peer_inactivity_expiration_enabled: goBool,
  peer_login_expiration: goInt,
  peer_login_expiration_enabled: goBool,
  regular_users_view_blocked: goBool,
  routing_peer_dns_resolution_enabled: goBool,
});

const update = z.object({
  settings: settings.nullish(),
  onboarding: z.object({ onboarding_flow_pending: goBool, signup_form_pending: goBool }).nullish(),
});

/** The account and its settings. `PUT` replaces: every setting left out is reset, but for ranges, `extra`, `onboarding`. */
export const accountRoutes: readonly Route[] = [
  get('/api/accounts', (call, world) => {
    authorize(call.caller, 'accounts', 'read');
    return json([wire(accountOf(world))]);
  }),
  put('/api/accounts/:id', updateAccount),
];

function updateAccount(call: Call, world: World): Answer {
  const wanted = bodyOf(update, call.body);
  const account = accountOf(world);
  // The real server counts peers before it asks for rights, and gives that failure as its own.
  if (call.params['id'] !== account.id) {
    throw refusal(
      500,
      'get peer count: failed to validate user permissions: user is not part of this account',
    );
  }
  try {
    refuseBlocked(call.caller, 'get peer count: failed to validate user permissions: ');
  } catch (error) {
    throw refusal(500, error instanceof Error ? error.message : String(error));
  }
  if (!mayDo(call.caller, 'settings', 'update')) throw refusal(403, 'permission denied');

  const given = wanted.settings ?? settings.parse({});
  refuseInvalid(given, world);
  account.settings = replaced(account.settings, given);
  account.onboarding = wanted.onboarding ?? account.onboarding;
  world.store.save();
  return json(wire(account, given));
}

type Given = z.output<typeof settings>;

function refuseInvalid(given: Given, world: World): void {
  if (given.peer_login_expiration < hourSeconds) {
    throw invalid("peer login expiration can't be smaller than one hour");
  }
  if (given.peer_login_expiration > longestLoginSeconds) {
    throw invalid("peer login expiration can't be larger than 180 days");
  }
  if (
    given.dns_domain !== '' &&
    !/^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$/i.test(given.dns_domain)
  ) {
    throw invalid(`invalid domain "${given.dns_domain}" provided for dns domain`);
  }
  if (!/^(|latest|disabled|v?\d+(\.\d+){0,2})$/.test(given.auto_update_version)) {
    throw refusal(500, 'internal server error');
  }
  if (given.agent_network_only) {
    throw invalid('agent network only mode requires dashboard_features.agent_network to be enabled');
  }
  if (given.peer_expose_enabled && (given.peer_expose_groups ?? []).length === 0) {
    throw invalid('peer expose requires at least one group');
  }
  const known = new Set(world.store.document.groups.map(({ id }) => id));
  const missing = given.ipv6_enabled_groups?.find((id) => !known.has(id));
  if (missing !== undefined) throw invalid(`ipv6 enabled group ${missing} does not exist`);
}

const replaced = (before: AccountSettings, given: Given): AccountSettings => ({
  ...given,
  embedded_idp_enabled: false,
  extra: given.extra ?? before.extra,
  jwt_allow_groups: given.jwt_allow_groups ?? [],
  network_range: networkRange(given.network_range) ?? before.network_range,
  network_range_v6: networkRange(given.network_range_v6) ?? before.network_range_v6,
});

/** The account as the API writes it. The answer to an update leaves out the ranges that the update left out. */
function wire(account: AccountRecord, given?: Given): unknown {
  const { network_range, network_range_v6, ...rest } = account.settings;
  return {
    created_at: account.createdAt,
    created_by: account.createdBy,
    domain: account.domain,
    domain_category: 'private',
    id: account.id,
    onboarding: account.onboarding,
    settings: {
      ...rest,
      ...(given?.network_range === '' ? {} : { network_range }),
      ...(given?.network_range_v6 === '' ? {} : { network_range_v6 }),
    },
  };
}

function accountOf(world: World): AccountRecord {
  const { account } = world.store.document;
  // Whoever is authenticated belongs to the account: the first sign-in made it.
  if (account === null) throw new Error('a caller without an account');
  return account;
}
