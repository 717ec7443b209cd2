/** What `<datadir>/store.json` holds. Times are RFC 3339 strings; ids of users are those of the issuer (`sub`). */
export interface StoreDocument {
  readonly format: 'skylab-sandbox netbird management';
  readonly version: 1;
  account: AccountRecord | null;
  users: UserRecord[];
  tokens: TokenRecord[];
  groups: GroupRecord[];
  policies: PolicyRecord[];
  setupKeys: SetupKeyRecord[];
  networks: NetworkRecord[];
  zones: ZoneRecord[];
  nameserverGroups: NameserverGroupRecord[];
  disabledManagementGroups: string[];
}

export interface AccountRecord {
  readonly id: string;
  readonly createdAt: string;
  readonly createdBy: string;
  readonly domain: string;
  onboarding: Onboarding;
  settings: AccountSettings;
}

interface Onboarding {
  readonly onboarding_flow_pending: boolean;
  readonly signup_form_pending: boolean;
}

/** As the API writes them: field names are the wire's. Expirations are seconds. */
export interface AccountSettings {
  readonly agent_network_only: boolean;
  readonly auto_update_always: boolean;
  readonly auto_update_version: string;
  readonly dns_domain: string;
  readonly embedded_idp_enabled: boolean;
  readonly extra: ExtraSettings;
  readonly groups_propagation_enabled: boolean;
  readonly ipv6_enabled_groups: readonly string[] | null;
  readonly jwt_allow_groups: readonly string[];
  readonly jwt_groups_claim_name: string;
  readonly jwt_groups_enabled: boolean;
  readonly lazy_connection_enabled: boolean;
  readonly local_auth_disabled: boolean;
  readonly local_mfa_enabled: boolean;
  readonly metrics_push_enabled: boolean;
  readonly network_range: string;
  readonly network_range_v6: string;
  readonly peer_expose_enabled: boolean;
  readonly peer_expose_groups: readonly string[] | null;
  readonly peer_inactivity_expiration: number;
  readonly peer_inactivity_expiration_enabled: boolean;
  readonly peer_login_expiration: number;
  readonly peer_login_expiration_enabled: boolean;
  readonly regular_users_view_blocked: boolean;
  readonly routing_peer_dns_resolution_enabled: boolean;
}

interface ExtraSettings {
  readonly network_traffic_logs_enabled: boolean;
  readonly network_traffic_logs_groups: readonly string[] | null;
  readonly network_traffic_packet_counter_enabled: boolean;
  readonly peer_approval_enabled: boolean;
  readonly user_approval_required: boolean;
}

export const roles = ['owner', 'admin', 'user', 'auditor', 'network_admin', 'billing_admin'] as const;
export type Role = (typeof roles)[number];

export interface UserRecord {
  readonly id: string;
  readonly isServiceUser: boolean;
  readonly sealedName: string;
  readonly sealedEmail: string;
  role: Role;
  autoGroups: readonly string[];
  isBlocked: boolean;
  isPendingApproval: boolean;
}

/** A personal access token; the token itself is not kept, only its hash. */
export interface TokenRecord {
  readonly id: string;
  readonly userId: string;
  readonly name: string;
  readonly hash: string;
  readonly createdAt: string;
  readonly createdBy: string;
  readonly expiresAt: string;
  lastUsedAt: string | null;
}

interface ResourceReference {
  readonly id: string;
  readonly type: string;
}

export interface GroupRecord {
  readonly id: string;
  readonly issued: 'api' | 'jwt';
  name: string;
  resources: readonly ResourceReference[];
}

export interface PolicyRecord {
  readonly id: string;
  readonly name: string;
  readonly description: string;
  readonly enabled: boolean;
  readonly rules: readonly RuleRecord[];
  readonly sourcePostureChecks: readonly string[] | null;
}

export interface RuleRecord {
  readonly id: string;
  readonly name: string;
  readonly description: string;
  readonly enabled: boolean;
  readonly action: string;
  readonly bidirectional: boolean;
  readonly protocol: string;
  readonly ports: readonly string[];
  readonly portRanges: readonly { readonly start: number; readonly end: number }[];
  readonly sources: readonly string[];
  readonly destinations: readonly string[];
  readonly sourceResource: ResourceReference | null;
  readonly destinationResource: ResourceReference | null;
}

export interface SetupKeyRecord {
  readonly id: string;
  readonly key: string;
  readonly name: string;
  readonly type: string;
  readonly expiresAt: string;
  readonly usageLimit: number;
  readonly isEphemeral: boolean;
  readonly allowsExtraDnsLabels: boolean;
  autoGroups: readonly string[];
  isRevoked: boolean;
  updatedAt: string;
}

export interface NetworkRecord {
  readonly id: string;
  name: string;
  description: string;
  resources: NetworkResourceRecord[];
  routers: NetworkRouterRecord[];
}

export interface NetworkResourceRecord {
  readonly id: string;
  readonly name: string;
  readonly description: string;
  readonly address: string;
  readonly type: 'host' | 'subnet' | 'domain';
  readonly enabled: boolean;
}

export interface NetworkRouterRecord {
  readonly id: string;
  readonly enabled: boolean;
  readonly masquerade: boolean;
  readonly metric: number;
  readonly peer: string;
  readonly peer_groups: readonly string[] | null;
}

export interface ZoneRecord {
  readonly id: string;
  readonly name: string;
  readonly domain: string;
  readonly enabled: boolean;
  readonly enable_search_domain: boolean;
  readonly distribution_groups: readonly string[];
  records: ZoneEntryRecord[];
}

export interface ZoneEntryRecord {
  readonly id: string;
  readonly name: string;
  readonly type: string;
  readonly content: string;
  readonly ttl: number;
}

export interface NameserverGroupRecord {
  readonly id: string;
  readonly name: string;
  readonly description: string;
  readonly enabled: boolean;
  readonly primary: boolean;
  readonly domains: readonly string[];
  readonly groups: readonly string[];
  readonly nameservers: readonly { readonly ip: string; readonly ns_type: string; readonly port: number }[];
  readonly search_domains_enabled: boolean;
}
