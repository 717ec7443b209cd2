import type { DnsDesired } from '../../../src/dns/desired.ts';
import type { DnsWorld, Zone, ZoneRecord } from '../../../src/dns/observe.ts';
import { parseSettings } from '../../../src/settings/load.ts';
import { addressesOf, pathsOf, type Settings } from '../../../src/settings/settings.ts';

export const zone: Zone = { id: 'zone-1', name: 'skylab.test' };

/** Settings of a host `home`; `more` is YAML that is added at the top level. */
export const settingsWith = (more = 'reachability: { mode: public }'): Settings => {
  const parsed = parseSettings(
    `domain: skylab.test
certificates: {}
cloudflare: { token: { env: TOKEN } }
identity: { admin: { username: ada, email: ada@skylab.test, first_name: Ada } }
${more}
`,
    'settings.yaml',
  );
  return {
    ...parsed,
    host: 'home',
    project: 'skylab-home',
    folder: '/hosts/home',
    installation: '/stack',
    addresses: addressesOf(parsed),
    paths: pathsOf('/state', 'home'),
  };
};

export const desired = (changes: Partial<DnsDesired> = {}): DnsDesired => ({
  domain: zone.name,
  names: ['netbird.skylab.test', 'pocketid.skylab.test'],
  address: { from: 'settings', address: '192.0.2.10' },
  ttlSeconds: 300,
  comment: 'skylab-home address',
  api: 'https://api.example.org/client/v4',
  adopt: false,
  ...changes,
});

/** A record of ours that is right, unless told otherwise. */
export const record = (changes: Partial<ZoneRecord> = {}): ZoneRecord => {
  const fields = { name: 'netbird.skylab.test', type: 'A', content: '192.0.2.10', ...changes };
  return {
    id: `${fields.type} ${fields.name} ${fields.content}`,
    ttlSeconds: 300,
    proxied: false,
    comment: 'skylab-home address',
    ...fields,
  };
};

export const both = (changes: Partial<ZoneRecord> = {}): readonly ZoneRecord[] =>
  desired().names.map((name) => record({ name, ...changes }));

export const seen = (records: readonly ZoneRecord[], address = '192.0.2.10'): DnsWorld => ({
  seen: 'records',
  zone,
  address: { address },
  records,
});
