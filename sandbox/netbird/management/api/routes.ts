import { json, refusal } from '../answers.ts';
import { authorize, refuseBlocked } from '../permissions.ts';
import { get, remove, type Route } from '../routing.ts';
import { accountRoutes } from './accounts.ts';
import { groupRoutes } from './groups.ts';
import { nameserverRoutes } from './nameservers.ts';
import { networkResourceRoutes } from './network-resources.ts';
import { networkRouterRoutes } from './network-routers.ts';
import { networkRoutes } from './networks.ts';
import { policyRoutes } from './policies.ts';
import { setupKeyRoutes } from './setup-keys.ts';
import { tokenRoutes } from './tokens.ts';
import { userRoutes } from './users.ts';
import { zoneRecordRoutes } from './zone-records.ts';
import { zoneRoutes } from './zones.ts';

/** The release whose answers these are. */
const netbirdVersion = '0.77.1';

/** Doors behind which there is never anything: no peer, route or posture check can come into being here. */
const emptyRoutes: readonly Route[] = [
  get('/api/peers', (call) => {
    refuseBlocked(call.caller, 'failed to validate user permissions: ');
    return json([]);
  }),
  get('/api/peers/:id', (call) => {
    throw refusal(404, `peer not found: ${call.params['id'] ?? ''}`);
  }),
  remove('/api/peers/:id', (call) => {
    throw refusal(404, `peer ${call.params['id'] ?? ''} account not found`);
  }),
  get('/api/routes', (call) => {
    authorize(call.caller, 'routes', 'read');
    return json([]);
  }),
  get('/api/posture-checks', (call) => {
    authorize(call.caller, 'policies', 'read');
    return json([]);
  }),
];

/** Every door that needs a caller. */
export const routes: readonly Route[] = [
  ...accountRoutes,
  ...userRoutes,
  ...tokenRoutes,
  ...groupRoutes,
  ...policyRoutes,
  ...setupKeyRoutes,
  ...networkRoutes,
  ...networkResourceRoutes,
  ...networkRouterRoutes,
  ...zoneRoutes,
  ...zoneRecordRoutes,
  ...nameserverRoutes,
  ...emptyRoutes,
  get('/api/instance/version', () =>
    json({ management_current_version: netbirdVersion, management_update_available: false }),
  ),
];

/** Doors that the real server has and the stand-in does not answer: 501 instead of a wrong answer. */
export const unanswered: readonly RegExp[] = [
  /^\/api\/(accounts|peers|routes|posture-checks)(\/|$)/,
  /^\/api\/(events|locations|identity-providers|ingress|integrations|agent-network|reverse-proxies)(\/|$)/,
  /^\/api\/users\/(invites|[^/]+\/(password|reset-mfa))(\/|$)/,
];
