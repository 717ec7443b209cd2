import { describe, expect, test } from 'vitest';
import { desiredMesh } from '../../../src/netbird/desired.ts';
import { meshFiles } from '../../../src/netbird/render.ts';
import { accountWith, meshFacts, planMesh, settingsDifference } from '../../../src/netbird/plan.ts';
import type { MeshWorld } from '../../../src/netbird/observe.ts';
import { testSettings } from '../../support/settings.ts';

const settings = testSettings('/state');
const desired = desiredMesh(settings);

const textOf = (path: string, from = settings): string =>
  (meshFiles(from).find((file) => file.path === path)?.content ?? [])
    .map((part) => (typeof part === 'string' ? part : 'secret' in part ? `<${part.secret}>` : part.real))
    .join('');

describe('management.json', () => {
  const config = JSON.parse(textOf('management.json')) as {
    Stuns: { Proto: string; URI: string }[];
    TURNConfig: { Secret: string; CredentialsTTL: string; Turns: { Proto: string }[] };
    Relay: { Addresses: string[]; Secret: string; CredentialsTTL: string };
    Signal: { Proto: string; URI: string };
    HttpConfig: { AuthIssuer: string; OIDCConfigEndpoint: string; IdpSignKeyRefreshEnabled: boolean };
    DataStoreEncryptionKey: string;
    PKCEAuthorizationFlow: { ProviderConfig: { RedirectURLs: string[]; AuthorizationEndpoint: string } };
  };

  test('names every address with the port the issuer carries', () => {
    expect(config).toMatchObject({
      Stuns: [{ URI: 'stun:turn.lab.localhost:3478' }],
      Relay: { Addresses: ['rels://netbird.lab.localhost:18443'] },
      Signal: { URI: 'netbird.lab.localhost:18443' },
      HttpConfig: { AuthIssuer: 'https://pocketid.lab.localhost:18443', OIDCConfigEndpoint: '' },
    });
  });

  test('leaves none of the gaps at which management panics when a peer comes', () => {
    const hosts = [...config.Stuns, ...config.TURNConfig.Turns, config.Signal];

    expect(hosts.map((host) => host.Proto)).toEqual(['udp', 'udp', 'https']);
    expect([config.TURNConfig.CredentialsTTL, config.Relay.CredentialsTTL]).toEqual(['12h', '12h']);
  });

  test('refers to secrets and holds none', () => {
    expect([config.DataStoreEncryptionKey, config.Relay.Secret, config.TURNConfig.Secret]).toEqual([
      '<netbird-datastore-key>',
      '<netbird-relay-secret>',
      '<turn-secret>',
    ]);
  });
});

test('turnserver.conf asks every client for time-limited credentials and keeps off the host', () => {
  expect(textOf('turnserver.conf').split('\n')).toEqual(
    expect.arrayContaining([
      'use-auth-secret',
      'static-auth-secret=<turn-secret>',
      'denied-peer-ip=127.0.0.0-127.255.255.255',
    ]),
  );
});

test('management gets the address of its database only where it is kept in PostgreSQL', () => {
  const onPostgres = testSettings('/state', 'mesh: { store: postgres }');

  expect([textOf('database-url'), textOf('database-url', onPostgres)]).toEqual([
    '',
    'postgres://netbird:<postgres-password-netbird>@postgres:5432/netbird?sslmode=disable',
  ]);
});

describe('account settings', () => {
  const account = {
    id: 'a',
    settings: {
      peer_login_expiration_enabled: true,
      peer_login_expiration: 86_400,
      jwt_groups_enabled: false,
      jwt_groups_claim_name: '',
      groups_propagation_enabled: true,
      lazy_connection_enabled: true,
      network_range: '100.86.0.0/16',
      extra: { user_approval_required: true, peer_approval_enabled: false },
    },
  };

  test('are changed where they differ and written whole, since NetBird replaces them', () => {
    const whole = accountWith(desired, account);

    expect(settingsDifference(desired, whole)).toEqual([]);
    expect(whole.settings).toMatchObject({
      network_range: '100.86.0.0/16',
      extra: { user_approval_required: false, peer_approval_enabled: false },
    });
  });
});

test('plans all of its steps on a host where nothing runs yet, each marked as expected', () => {
  const nothing: MeshWorld = { seen: 'not-up', text: 'NetBird does not answer' };

  expect(
    planMesh(desired, nothing).map((step) => `${step.id}${step.assumed === true ? ' (expected)' : ''}`),
  ).toEqual([
    'await the mesh API (expected)',
    'make the administrator owner of the mesh (expected)',
    'set the account settings of the mesh (expected)',
    'create mesh group skylab-home (expected)',
    'set mesh policy "skylab: people to home" (expected)',
  ]);
  // Nobody has to be warned of what the plan itself starts.
  expect(meshFacts(desired, nothing)['mesh.api']).toMatchObject({ because: 'absent' });
});
