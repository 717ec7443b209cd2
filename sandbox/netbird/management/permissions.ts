import { permissionDenied, refusal } from './answers.ts';
import type { Role, UserRecord } from './model.ts';

const modules = [
  'accounts',
  'agent_network',
  'agent_network.budgets',
  'agent_network.guardrails',
  'agent_network.logs',
  'agent_network.policies',
  'agent_network.providers',
  'agent_network.settings',
  'agent_network.usage',
  'dns',
  'events',
  'groups',
  'identity_providers',
  'nameservers',
  'networks',
  'pats',
  'peers',
  'policies',
  'remote_jobs',
  'routes',
  'services',
  'settings',
  'setup_keys',
  'users',
] as const;

export type Module = (typeof modules)[number];
export type Operation = 'create' | 'read' | 'update' | 'delete';
export type Grant = Readonly<Record<Operation, boolean>>;

const all: Grant = { create: true, delete: true, read: true, update: true };
const readOnly: Grant = { create: false, delete: false, read: true, update: false };
const none: Grant = { create: false, delete: false, read: false, update: false };

const networkAdminWrites: readonly Module[] = [
  'dns',
  'groups',
  'nameservers',
  'networks',
  'pats',
  'policies',
  'routes',
];
const networkAdminReads: readonly Module[] = [
  'accounts',
  'events',
  'identity_providers',
  'peers',
  'settings',
  'setup_keys',
  'users',
];

function grantOf(role: Role, module: Module): Grant {
  switch (role) {
    case 'owner':
      return all;
    case 'admin':
      return module === 'accounts' ? readOnly : all;
    case 'auditor':
      return readOnly;
    case 'network_admin':
      return networkAdminWrites.includes(module) ? all : networkAdminReads.includes(module) ? readOnly : none;
    case 'user':
    case 'billing_admin':
      return none;
  }
}

/** The `modules` document of `GET /api/users/current`; a billing administrator's is empty. */
export const grantsOf = (role: Role): Readonly<Partial<Record<Module, Grant>>> =>
  role === 'billing_admin'
    ? {}
    : Object.fromEntries(modules.map((module) => [module, grantOf(role, module)]));

export const mayDo = (user: UserRecord, module: Module, operation: Operation): boolean =>
  grantOf(user.role, module)[operation];

/** Refuses (403) a caller who is blocked. The real server adds `prefix` at most of its doors. */
export function refuseBlocked(user: UserRecord, prefix: string): void {
  if (!user.isBlocked) return;
  throw refusal(403, `${prefix}user is ${user.isPendingApproval ? 'pending approval' : 'blocked'}`);
}

/** Refuses (403) a caller who is blocked or whose role does not allow the operation. */
export function authorize(user: UserRecord, module: Module, operation: Operation): void {
  refuseBlocked(user, 'failed to validate user permissions: ');
  if (!mayDo(user, module, operation)) throw permissionDenied();
}
