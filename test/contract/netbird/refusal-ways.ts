import { describe, expect, test } from 'vitest';
import type { Session } from './session.ts';

/*
 * Refusals that no recording holds: [method, path, body, status, message]. Seen on the real server.
 * `$All`, `$home` in a body stand for the ids of these groups.
 */
type Refused = readonly [method: string, path: string, body: unknown, status: number, message: string];

const rule = {
  name: 'r',
  enabled: true,
  action: 'accept',
  bidirectional: true,
  protocol: 'all',
  sources: ['$home'],
  destinations: ['$home'],
};
const policy = (change: object) => ({ name: 'p', enabled: true, rules: [{ ...rule, ...change }] });
const key = { name: 'k', type: 'reusable', expires_in: 86_400, auto_groups: [], usage_limit: 0 };
const zone = { name: 'z', domain: 'z.test', enable_search_domain: false, distribution_groups: ['$home'] };
const nameservers = {
  name: 'n',
  description: '',
  nameservers: [{ ip: '192.168.1.1', ns_type: 'udp', port: 53 }],
  enabled: true,
  groups: ['$home'],
  primary: false,
  domains: ['n.test'],
  search_domains_enabled: false,
};
const serviceUser = { name: 's', role: 'admin', is_service_user: true, auto_groups: [] };
const unreadable = "couldn't parse JSON request";
const bothEnds = 'specify either sources or source resources and destinations or destination resources';

const refused: readonly Refused[] = [
  ['POST', '/api/groups', '{', 400, unreadable],
  ['POST', '/api/groups', { name: 5 }, 400, unreadable],
  ['POST', '/api/groups', { name: 'All' }, 409, 'group with name all already exists'],
  ['GET', '/api/groups/nope', undefined, 404, 'group: nope not found'],
  ['PUT', '/api/groups/$All', { name: 'x' }, 422, 'updating group all is not allowed'],
  ['DELETE', '/api/groups/$All', undefined, 400, 'deleting group ALL is not allowed'],
  ['DELETE', '/api/groups/nope', undefined, 400, 'group: nope not found'],
  ['POST', '/api/policies', { name: 'p', enabled: true, rules: [] }, 422, "policy rules shouldn't be empty"],
  ['POST', '/api/policies', { enabled: true, rules: [rule] }, 422, "policy name shouldn't be empty"],
  ['POST', '/api/policies', policy({ action: 'x' }), 422, 'unknown action type'],
  ['POST', '/api/policies', policy({ sources: undefined }), 422, bothEnds],
  ['POST', '/api/policies', policy({ ports: ['80'] }), 422, 'for all or icmp protocol ports is not allowed'],
  [
    'POST',
    '/api/policies',
    policy({ protocol: 'tcp', ports: ['0'] }),
    422,
    'valid port value is in 1..65535 range',
  ],
  ['PUT', '/api/policies/nope', policy({}), 404, 'policy: nope not found'],
  ['DELETE', '/api/policies/nope', undefined, 404, 'policy: nope not found'],
  ['POST', '/api/setup-keys', { ...key, name: '' }, 422, "setup key name shouldn't be empty"],
  ['POST', '/api/setup-keys', { ...key, type: 'x' }, 422, 'unknown setup key type x'],
  ['POST', '/api/setup-keys', { ...key, expires_in: -1 }, 422, 'expiresin can not be in the past'],
  [
    'POST',
    '/api/setup-keys',
    { ...key, auto_groups: ['$All'] },
    422,
    "invalid auto groups: can't add 'all' group to the setup key",
  ],
  ['POST', '/api/setup-keys', { ...key, auto_groups: ['x'] }, 422, 'invalid auto groups: group not found: x'],
  ['GET', '/api/setup-keys/nope', undefined, 404, 'setup key: nope not found'],
  [
    'POST',
    '/api/users',
    { ...serviceUser, role: 'owner' },
    422,
    "can't create a service user with owner role",
  ],
  ['POST', '/api/users', { ...serviceUser, role: 'x' }, 422, 'unknown user role x'],
  [
    'POST',
    '/api/users',
    { ...serviceUser, is_service_user: false },
    412,
    'idp manager must be enabled to send user invites',
  ],
  ['DELETE', '/api/users/nope', undefined, 404, 'user: nope not found'],
  ['PUT', '/api/users/nope', { role: 'user', auto_groups: [] }, 404, 'user: nope not found'],
  ['POST', '/api/users/nope/approve', undefined, 404, 'user: nope not found'],
  ['POST', '/api/dns/zones', { ...zone, name: '' }, 422, 'zone name is required'],
  ['POST', '/api/dns/zones', { ...zone, domain: 'a b' }, 422, 'invalid zone domain format'],
  [
    'POST',
    '/api/dns/zones',
    { ...zone, domain: 'apps.lab.test' },
    409,
    'zone with domain apps.lab.test already exists',
  ],
  ['POST', '/api/dns/zones', { ...zone, distribution_groups: ['x'] }, 422, 'group: x not found'],
  ['GET', '/api/dns/zones/nope', undefined, 404, 'zone: nope not found'],
  [
    'POST',
    '/api/dns/nameservers',
    { ...nameservers, name: 'lan' },
    422,
    'nameserver group with name lan already exist',
  ],
  ['POST', '/api/dns/nameservers', { ...nameservers, groups: ['x'] }, 422, 'group id x not found'],
  [
    'POST',
    '/api/dns/nameservers',
    { ...nameservers, nameservers: [] },
    422,
    'the list of nameservers should be 1 or 3, got 0',
  ],
  ['GET', '/api/networks/nope', undefined, 404, 'network: nope not found'],
  [
    'POST',
    '/api/networks/nope/routers',
    { peer_groups: ['$home'], metric: 1, masquerade: true, enabled: true },
    404,
    'failed to get network: network: nope not found',
  ],
  ['GET', '/api/peers/nope', undefined, 404, 'peer not found: nope'],
];

const refusedSettings: readonly (readonly [change: object, message: string])[] = [
  [{ peer_login_expiration: 3599 }, "peer login expiration can't be smaller than one hour"],
  [{ peer_login_expiration: 15_552_001 }, "peer login expiration can't be larger than 180 days"],
  [{ dns_domain: '-bad-' }, 'invalid domain "-bad-" provided for dns domain'],
  [{ network_range: '100.64.0.0/30' }, 'network range too small: minimum size is /28 for ipv4'],
  [{ peer_expose_enabled: true }, 'peer expose requires at least one group'],
  [{ ipv6_enabled_groups: ['x'] }, 'ipv6 enabled group x does not exist'],
];

/** Registers tests of what the API refuses, on what the recordings have made. Leaves everything as it was. */
export const refusalWays = (session: () => Session): void => {
  const withGroups = async (text: string): Promise<string> => {
    const groups = (await session().call('GET', '/api/groups')).json as readonly {
      id: string;
      name: string;
    }[];
    return text.replaceAll(
      /\$(\w+)/g,
      (_, name: string) => groups.find((one) => one.name === name)?.id ?? '',
    );
  };

  describe('what the API refuses', () => {
    test.each(refused)('%s %s %j is %i', async (method, path, body, status, message) => {
      const text =
        body === undefined || typeof body === 'string' ? body : await withGroups(JSON.stringify(body));

      expect(await session().call(method, await withGroups(path), text)).toMatchObject({
        status,
        json: { message, code: status },
      });
    });

    test('a group is kept as long as a policy, a key, a user, a resource holds it', async () => {
      const { call } = session();
      const made = async (path: string, body: object): Promise<string> =>
        ((await call('POST', path, body)).json as { readonly id: string }).id;
      const group = await made('/api/groups', { name: 'held' });
      const remove = () => call('DELETE', `/api/groups/${group}`);
      const network = await made('/api/networks', { name: 'held' });
      const holders: readonly (readonly [path: string, body: object, kind: string])[] = [
        [
          '/api/policies',
          { name: 'p', enabled: true, rules: [{ ...rule, sources: [group], destinations: [group] }] },
          'policy: p',
        ],
        ['/api/setup-keys', { ...key, name: 'k', auto_groups: [group] }, 'setup key: k'],
        ['/api/users', { ...serviceUser, auto_groups: [group] }, 'user: $id'],
        ['/api/dns/nameservers', { ...nameservers, groups: [group] }, 'name server groups: n'],
        [
          `/api/networks/${network}/routers`,
          { peer_groups: [group], metric: 1, masquerade: true, enabled: true },
          'network router: $id',
        ],
        [
          `/api/networks/${network}/resources`,
          { name: 'held', address: '10.9.8.7', enabled: true, groups: [group] },
          'network resource: $id',
        ],
      ];
      for (const [path, body, kind] of holders) {
        const id = await made(path, body);
        const message = `group has been linked to ${kind.replace('$id', id)}`;

        expect(await remove()).toMatchObject({ status: 400, json: { message } });
        expect(await call('DELETE', `${path}/${id}`)).toMatchObject({ status: 200, json: {} });
      }

      expect(await call('DELETE', `/api/networks/${network}`)).toMatchObject({ status: 200 });
      expect(await remove()).toMatchObject({ status: 200, json: {} });
    });

    test.each(refusedSettings)('settings with %j are 422', async (change, message) => {
      const accounts = (await session().call('GET', '/api/accounts')).json;
      const [{ id, settings }] = accounts as readonly [{ id: string; settings: object }];
      const answer = await session().call('PUT', `/api/accounts/${id}`, {
        settings: { ...settings, ...change },
      });

      expect(answer).toMatchObject({ status: 422, json: { message, code: 422 } });
      expect((await session().call('GET', '/api/accounts')).json).toEqual(accounts);
    });
  });
};
