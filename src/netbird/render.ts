import type { SecretRef, ServiceFile } from '../orchestrator/area.ts';
import { databasePassword } from '../settings/own-secrets.ts';
import type { Settings } from '../settings/settings.ts';
import { StackError } from '../shared/errors.ts';
import { turnFiles } from './turn.ts';

/*
 * The files of management and relay, and those of coturn beside them. Management reads its file as a Go template and fails late, or not at all,
 * on several gaps (a host without Proto, a lifetime of zero panic at the first peer; an empty engine silently means
 * SQLite); the shapes below leave none of them open.
 */

interface Host {
  readonly Proto: 'udp' | 'https';
  readonly URI: string;
  readonly Username: '';
  readonly Password: '';
}

const clientId = 'netbird';
const scope = 'openid profile email groups';
const credentialsLifetime = '12h';
/** The ports at which NetBird's clients wait for the answer of the sign-in. */
const clientRedirects = ['http://localhost:53000', 'http://localhost:54000'] as const;

const marker = (name: string): string => `\u0001${name}\u0001`;

/** Cuts a text at its markers into parts with references. */
const withSecrets = (text: string): readonly (string | SecretRef)[] =>
  text
    .split('\u0001')
    .map((part, index) => (index % 2 === 1 ? { secret: part } : part))
    .filter((part) => part !== '');

const managementConfig = (settings: Settings) => {
  const { addresses, reachability, mesh } = settings;
  const host = (Proto: Host['Proto'], URI: string): Host => ({ Proto, URI, Username: '', Password: '' });
  const turn = `${addresses.turn}:${reachability.stun_port}`;
  const tokenEndpoint = `${addresses.issuer}/api/oidc/token`;
  const nginxOnly = [`${addresses.nginx}/32`];
  const flow = {
    ClientID: clientId,
    Audience: clientId,
    TokenEndpoint: tokenEndpoint,
    Scope: scope,
    UseIDToken: true,
  };
  return {
    Stuns: [host('udp', `stun:${turn}`)],
    TURNConfig: {
      TimeBasedCredentials: true,
      CredentialsTTL: credentialsLifetime,
      Secret: marker('turn-secret'),
      Turns: [host('udp', `turn:${turn}?transport=udp`)],
    },
    Relay: {
      Addresses: [`rels://${addresses.mesh}:${addresses.port}`],
      CredentialsTTL: credentialsLifetime,
      Secret: marker('netbird-relay-secret'),
    },
    Signal: host('https', `${addresses.mesh}:${addresses.port}`),
    Datadir: '/var/lib/netbird/',
    DataStoreEncryptionKey: marker('netbird-datastore-key'),
    HttpConfig: {
      AuthIssuer: addresses.issuer,
      AuthAudience: clientId,
      AuthUserIDClaim: 'sub',
      // The issuer is compared as text; the keys come straight from the container, without TLS, nginx or DNS between.
      AuthKeysLocation: 'http://pocket-id:1411/.well-known/jwks.json',
      // Otherwise keys that could not be had at the start stay away until a restart.
      IdpSignKeyRefreshEnabled: true,
      // Left empty: set, management ends when the issuer does not answer at its start.
      OIDCConfigEndpoint: '',
    },
    IdpManagerConfig: { ManagerType: 'none' },
    DeviceAuthorizationFlow: {
      Provider: 'hosted',
      ProviderConfig: { ...flow, DeviceAuthEndpoint: `${addresses.issuer}/api/oidc/device/authorize` },
    },
    PKCEAuthorizationFlow: {
      ProviderConfig: {
        ...flow,
        ClientSecret: '',
        AuthorizationEndpoint: `${addresses.issuer}/authorize`,
        RedirectURLs: clientRedirects,
      },
    },
    StoreConfig: { Engine: mesh.store },
    DisableDefaultPolicy: true,
    ReverseProxy: { TrustedHTTPProxies: nginxOnly, TrustedPeers: nginxOnly },
  };
};

/** @throws {StackError} SETTINGS_INVALID where a value would open a template in management's file */
const managementJson = (settings: Settings): ServiceFile['content'] => {
  const text = JSON.stringify(managementConfig(settings), undefined, 2).replaceAll('\\u0001', '\u0001');
  if (text.includes('{{')) {
    throw new StackError('SETTINGS_INVALID', 'a setting holds "{{", which NetBird would read as a template', {
      hint: 'take the braces out of the names in settings.yaml',
    });
  }
  return [...withSecrets(text), '\n'];
};

const databaseRole = 'netbird';

/** Where management keeps its data, if that is PostgreSQL; a stand-in never meets the data of the real server. */
const databaseUrl = (settings: Settings): readonly ServiceFile[] =>
  settings.mesh.store === 'postgres'
    ? [
        {
          service: 'netbird-management',
          path: 'database-url',
          content: [
            `postgres://${databaseRole}:`,
            { secret: databasePassword(databaseRole) },
            '@postgres:5432/',
            { real: databaseRole, standIn: `${databaseRole}_standin` },
            '?sslmode=disable',
          ],
          reader: { uid: 1000, gid: 1000 },
          reloads: false,
        },
      ]
    : [];

/** Every file that management, relay and coturn read. */
export const meshFiles = (settings: Settings): readonly ServiceFile[] => [
  ...databaseUrl(settings),
  {
    service: 'netbird-management',
    path: 'management.json',
    content: managementJson(settings),
    reader: { uid: 1000, gid: 1000 },
    reloads: false,
  },
  {
    service: 'netbird-relay',
    path: 'auth-secret',
    content: [{ secret: 'netbird-relay-secret' }],
    reader: { uid: 65_532, gid: 65_532 },
    reloads: false,
  },
  ...turnFiles(settings),
];
