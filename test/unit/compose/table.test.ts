import { describe, expect, test } from 'vitest';
import {
  baseFile,
  behindFile,
  modelOf,
  sampleVariables,
  sandboxFile,
  turnHostFile,
  whyNoCompose,
  type Service,
} from './model.ts';

/*
 * The rows of what the official images were seen to need: user, folders in memory, capabilities, health check, how they
 * stop, what is mounted. `own` marks what this stack adds, with the reason in compose.yaml.
 */

interface Row {
  readonly user: string | undefined;
  readonly tmpfs: readonly string[];
  readonly capAdd: readonly string[];
  readonly health: readonly string[] | undefined;
  readonly stopSignal?: string;
  readonly grace: string;
  readonly init?: true;
  /** `source -> target`, with :ro where it is read only. */
  readonly mounts: readonly string[];
}

const files = (name: string) => `/srv/skylab-sample/services/${name} -> /etc/skylab:ro`;
const certificates = '/srv/skylab-sample/certificates -> /etc/skylab-certificates';
// own: what the renewer finds out about a changing address, coturn reads.
const publicAddress = '/srv/skylab-sample/public-address -> /etc/skylab-public-address';

const rows: Readonly<Record<string, Row>> = {
  postgres: {
    user: '999:999',
    tmpfs: ['/run/postgresql', '/tmp', '/etc/postgresql:uid=999,gid=999,mode=0755'],
    capAdd: [],
    health: ['CMD', 'pg_isready', '-q', '-h', '127.0.0.1', '-U', 'postgres'],
    grace: '1m0s',
    mounts: [files('postgres'), 'postgres -> /var/lib/postgresql/data'],
  },
  'pocket-id': {
    user: '1000:1000',
    tmpfs: ['/tmp'],
    capAdd: [],
    health: ['CMD', '/app/pocket-id', 'healthcheck'],
    grace: '30s',
    mounts: [files('pocket-id')],
  },
  'netbird-management': {
    user: '1001:1001',
    tmpfs: ['/tmp'],
    capAdd: [],
    health: ['CMD', 'bash', '-c', 'exec 3<>/dev/tcp/127.0.0.1/80'],
    grace: '15s',
    mounts: [files('netbird-management'), '/srv/netbird -> /var/lib/netbird'],
  },
  'netbird-signal': {
    user: '65532:65532',
    tmpfs: [],
    capAdd: [],
    health: ['CMD', '/busybox/nc', '-w', '2', '127.0.0.1', '80'],
    stopSignal: 'SIGINT',
    grace: '10s',
    mounts: [],
  },
  'netbird-relay': {
    user: '65532:65532',
    tmpfs: [],
    capAdd: [],
    health: ['CMD', '/busybox/nc', '-w', '2', '127.0.0.1', '33080'],
    grace: '10s',
    mounts: [files('netbird-relay')],
  },
  'netbird-dashboard': {
    user: undefined,
    tmpfs: [],
    capAdd: ['CHOWN', 'SETGID', 'SETUID'],
    health: [
      'CMD-SHELL',
      'test -s /usr/share/nginx/html/OidcTrustedDomains.js && curl -fsS -o /dev/null http://127.0.0.1/',
    ],
    grace: '10s',
    mounts: [],
  },
  coturn: {
    user: '65534:65534',
    tmpfs: ['/var/lib/coturn:uid=65534,gid=65534', '/var/tmp'],
    capAdd: ['NET_BIND_SERVICE'],
    health: ['CMD', 'timeout', '3', 'turnutils_stunclient', '-p', '3479', '127.0.0.1'],
    grace: '10s',
    init: true,
    mounts: [files('coturn'), `${publicAddress}:ro`],
  },
  nginx: {
    user: '1002:1002',
    tmpfs: ['/tmp'],
    capAdd: [],
    health: ['CMD', 'curl', '-fsS', '-o', '/dev/null', 'http://127.0.0.1:8081/healthz'],
    grace: '15s',
    mounts: [files('nginx'), `${certificates}:ro`],
  },
  certs: {
    user: '1002:1002',
    tmpfs: ['/tmp'],
    capAdd: [],
    health: [
      'CMD',
      'node',
      '-e',
      "const { at, overdue } = JSON.parse(fs.readFileSync('/tmp/heartbeat', 'utf8')); process.exit(!overdue && Date.now() - Date.parse(at) < 180_000 ? 0 : 1)",
    ],
    grace: '30s',
    init: true,
    mounts: [files('certs'), certificates, publicAddress],
  },
  'netbird-peer': {
    user: undefined,
    tmpfs: ['/run', '/tmp'],
    capAdd: ['NET_ADMIN'],
    health: ['CMD', 'netbird', 'status', '--check', 'startup'],
    grace: '15s',
    mounts: [files('netbird-peer'), 'netbird-peer -> /var/lib/netbird'],
  },
  pebble: {
    user: '65534:65534',
    tmpfs: [],
    capAdd: [],
    health: undefined,
    grace: '2s',
    mounts: ['pebble-ca -> /var/lib/pebble-ca:ro'],
  },
};

const missing = whyNoCompose();
const model = missing === undefined ? modelOf([baseFile, sandboxFile]) : undefined;

const seen = (service: Service): Row => ({
  user: service.user,
  tmpfs: service.tmpfs ?? [],
  capAdd: service.cap_add ?? [],
  health: service.healthcheck?.test,
  ...(service.stop_signal === undefined ? {} : { stopSignal: service.stop_signal }),
  grace: service.stop_grace_period ?? '',
  ...(service.init === true ? { init: true } : {}),
  mounts: (service.volumes ?? []).map(
    (mount) => `${mount.source} -> ${mount.target}${mount.read_only === true ? ':ro' : ''}`,
  ),
});

describe.skipIf(missing !== undefined)(
  `what each image needs (needs docker compose; ${missing ?? 'found'})`,
  () => {
    test.each(Object.entries(rows))('%s gets it, and no more', (name, row) => {
      const service = model?.services[name];

      expect(service === undefined ? undefined : seen(service)).toEqual(row);
    });

    const of = (name: string): Service | undefined => model?.services[name];

    test("postgres keeps its own command, so that another vendor's image of it works, and has room in /dev/shm", () => {
      expect([of('postgres')?.command, of('postgres')?.entrypoint]).toEqual([null, null]);
      expect(of('postgres')?.shm_size).toBe(String(256 * 1024 * 1024));
      expect(of('postgres')?.environment?.['POSTGRES_INITDB_ARGS']).toBe(
        '--encoding=UTF8 --locale=C.UTF-8 --locale-provider=builtin --data-checksums',
      );
    });

    test('Pocket ID waits for PostgreSQL, believes nginx alone, and can have registration opened by nobody', () => {
      expect(of('pocket-id')?.depends_on).toMatchObject({ postgres: { condition: 'service_healthy' } });
      expect(of('pocket-id')?.environment).toMatchObject({
        APP_URL: 'https://pocketid.example.org:8443',
        FILE_BACKEND: 'database',
        TRUST_PROXY: '172.31.240.254',
        ALLOW_USER_SIGNUPS: 'disabled',
        UI_CONFIG_DISABLED: 'true',
      });
    });

    test('the dashboard sends ID tokens and comes back to the paths that are registered', () => {
      expect(of('netbird-dashboard')?.environment).toMatchObject({
        AUTH_AUTHORITY: 'https://pocketid.example.org:8443',
        AUTH_REDIRECT_URI: '/auth/callback',
        AUTH_SILENT_REDIRECT_URI: '/auth/silent-callback',
        NETBIRD_MGMT_API_ENDPOINT: 'https://netbird.example.org:8443',
        NETBIRD_TOKEN_SOURCE: 'idToken',
        LETSENCRYPT_DOMAIN: 'none',
      });
    });

    test('relay and management read their secret from a file, because their programs take it from the environment only', () => {
      expect(of('netbird-relay')?.entrypoint?.join(' ')).toContain(
        '/busybox/cat /etc/skylab/current/auth-secret',
      );
      expect(of('netbird-management')?.entrypoint?.join(' ')).toContain('</etc/skylab/current/database-url');
      expect(of('netbird-relay')?.environment).toMatchObject({
        NB_EXPOSED_ADDRESS: 'rels://netbird.example.org:8443',
        NB_TRUSTED_PROXIES: '172.31.240.254/32',
      });
    });

    test('nginx holds the public names inside the network at a fixed address, on the port the issuer carries', () => {
      expect(of('nginx')?.networks?.['default']).toEqual({
        aliases: ['netbird.example.org', 'pocketid.example.org'],
        ipv4_address: '172.31.240.254',
      });
      expect(of('nginx')?.ports).toMatchObject([{ target: 8443, published: '8443', protocol: 'tcp' }]);
      expect(model?.networks['default']?.ipam.config).toEqual([
        { subnet: '172.31.240.0/24', ip_range: '172.31.240.0/25' },
      ]);
    });

    test('coturn has a name of its own, and publishes STUN and exactly its relay range, UDP only', () => {
      expect(of('coturn')?.networks?.['default']?.aliases).toEqual(['turn.example.org']);
      // own: started by a script, which looks at the configuration first, since turnserver runs open without it.
      expect(of('coturn')?.command).toEqual(['sh', '/etc/skylab/current/run.sh']);
      expect(of('coturn')?.ports?.map((port) => `${port.published}:${port.target}/${port.protocol}`)).toEqual(
        ['3479:3479/udp', '49152:49152/udp', '49153:49153/udp', '49154:49154/udp', '49155:49155/udp'],
      );
    });

    test.each(['192.0.2.10', '2001:db8::10', '::'])('coturn and nginx are published on %s', (address) => {
      const { services } = modelOf([baseFile], { ...sampleVariables, BIND_ADDRESS: address });
      const bound = ['coturn', 'nginx'].flatMap((name) => services[name]?.ports?.map((port) => port.host_ip));

      expect([...new Set(bound)]).toEqual([address]);
      expect(bound).toHaveLength(6);
    });

    test("on the host's network coturn publishes nothing, and keeps everything else", () => {
      const alone = modelOf([baseFile, turnHostFile]);
      const { networks, ports, network_mode: mode, ...kept } = alone.services['coturn'] as Service;
      const { networks: _networks, ports: _ports, ...bridged } = of('coturn') as Service;

      expect([networks, ports, mode]).toEqual([undefined, undefined, 'host']);
      expect(kept).toEqual(bridged);
    });

    test('behind another nginx ours publishes nothing: a folder with a socket is all they share', () => {
      const alone = modelOf([baseFile, behindFile]);
      const { ports, volumes, ...kept } = alone.services['nginx'] as Service;
      const { ports: _ports, volumes: before = [], ...plain } = of('nginx') as Service;
      const front = '/srv/skylab-sample-front';

      expect([ports, kept]).toEqual([undefined, plain]);
      expect((volumes ?? []).slice(0, before.length)).toEqual(before);
      expect((volumes ?? []).slice(before.length)).toMatchObject([
        { type: 'bind', source: `${front}/run`, target: '/run/skylab' },
      ]);
      expect(alone.services['certs']?.volumes?.at(-1)).toMatchObject({
        type: 'bind',
        source: front,
        target: '/etc/skylab-front',
      });
    });

    test('Pocket ID is published on loopback, at the port that the host chose', () => {
      expect(of('pocket-id')?.ports).toMatchObject([
        { host_ip: '127.0.0.1', published: '1412', target: 1411, protocol: 'tcp' },
      ]);
    });

    test("PostgreSQL's volume has the name it was given and belongs to the project", () => {
      expect(model?.volumes['postgres']).toMatchObject({ name: 'skylab-sample_postgres' });
      expect(model?.volumes['postgres']?.external).toBeUndefined();
    });
  },
);
