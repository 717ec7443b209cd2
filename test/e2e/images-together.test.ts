import { chmod, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { freePort } from '../support/ports.ts';
import { baseFile, sampleVariables, sandboxFile } from '../unit/compose/model.ts';
import { buildImages, docker, fileFor, mustDocker, until } from './images-here.ts';

/*
 * The Compose files and the images fit together: every service that can run without being configured by the rest of
 * this program becomes healthy, keeps its secrets to itself, and stops in time.
 */

const project = `skylab-test-together-${process.pid}`;
const secrets = {
  postgres: { 'superuser-password': 'of-the-superuser-9f3a' },
  'pocket-id': {
    'encryption-key': 'an-encryption-key-of-32-bytes-xyz',
    'database-url': 'postgres://pocketid:of-pocket-id-77c1@postgres:5432/pocketid',
    'static-api-key': 'a-static-api-key-51d2',
  },
  'netbird-relay': { 'auth-secret': 'of-the-relay-c0de' },
} as const;
const readers: Readonly<Record<string, number>> = {
  postgres: 999,
  'pocket-id': 1000,
  'netbird-management': 1000,
  'netbird-relay': 65_532,
  coturn: 65_534,
  nginx: 1000,
};
const running = [
  'postgres',
  'pocket-id',
  'netbird-management',
  'netbird-signal',
  'netbird-relay',
  'netbird-dashboard',
  'coturn',
  'nginx',
  'cloudflare',
  'pebble',
] as const;

let place = '';
let compose: readonly string[] = [];
const asked = async (...args: readonly string[]) => docker(...compose, ...args);
const must = async (...args: readonly string[]) => mustDocker(...compose, ...args);

const management = (issuer: string, turn: string) => ({
  Stuns: [{ Proto: 'udp', URI: `stun:${turn}`, Username: '', Password: '' }],
  TURNConfig: { TimeBasedCredentials: true, CredentialsTTL: '12h', Secret: 'of-turn', Turns: [] },
  Relay: {
    Addresses: ['rels://netbird.example.org:443'],
    CredentialsTTL: '12h',
    Secret: 'of-the-relay-c0de',
  },
  Signal: { Proto: 'https', URI: 'netbird.example.org:443', Username: '', Password: '' },
  Datadir: '/var/lib/netbird/',
  DataStoreEncryptionKey: Buffer.alloc(32, 7).toString('base64'),
  HttpConfig: {
    AuthIssuer: issuer,
    AuthAudience: 'netbird',
    AuthUserIDClaim: 'sub',
    AuthKeysLocation: 'http://pocket-id:1411/.well-known/jwks.json',
    IdpSignKeyRefreshEnabled: true,
  },
  IdpManagerConfig: { ManagerType: 'none' },
  StoreConfig: { Engine: 'sqlite' },
  DisableDefaultPolicy: true,
});
const nginxConf = (port: number) => `pid /tmp/nginx.pid; events {}
http {
  access_log off;
  ${['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((kind) => `${kind}_temp_path /tmp/${kind};`).join(' ')}
  server { listen 127.0.0.1:8081; location = /healthz { return 200; } }
  server { listen ${port}; return 204; }
}
`;

/** A folder as `up` lays it out: one version, and `current` that points at it. */
const serviceFolder = async (service: string, files: Readonly<Record<string, string>>): Promise<void> => {
  const folder = join(place, 'services', service);
  await mkdir(join(folder, 'v1'), { recursive: true });
  const isRoot = process.getuid?.() === 0;
  for (const [name, text] of Object.entries(files))
    await fileFor(join(folder, 'v1'), name, text, isRoot ? 0o400 : 0o444, readers[service] ?? 0);
  await symlink('v1', join(folder, 'current'));
};

beforeAll(async () => {
  const refs = await buildImages(AbortSignal.timeout(900_000));
  place = await mkdtemp(join(tmpdir(), 'skylab-test-together-'));
  await chmod(place, 0o755);
  const [https, identity, api, dns, ca, caManagement] = await Promise.all(
    Array.from({ length: 6 }, freePort),
  );
  const [stun, relayed] = await Promise.all([freePort(), freePort()]);
  // 10.240 is of this file alone.
  const third = process.pid % 256;
  const variables = {
    ...sampleVariables,
    ...Object.fromEntries(
      Object.entries(refs).map(([name, ref]) => [`${name.toUpperCase().replaceAll('-', '_')}_IMAGE`, ref]),
    ),
    COMPOSE_PROJECT_NAME: project,
    SKYLAB_STATE: place,
    SKYLAB_SUBNET: `10.240.${third}.0/26`,
    SKYLAB_ADDRESS_RANGE: `10.240.${third}.0/27`,
    NGINX_ADDRESS: `10.240.${third}.62`,
    BIND_ADDRESS: '127.0.0.1',
    HTTPS_PORT: String(https),
    STUN_PORT: String(stun),
    TURN_MIN_PORT: String(relayed),
    TURN_MAX_PORT: String(relayed),
    IDENTITY_LOOPBACK_PORT: String(identity),
    POSTGRES_VOLUME: `${project}_postgres`,
    NETBIRD_DATA: join(place, 'netbird'),
    NETBIRD_MANAGEMENT_USER: '1000:1000',
    NGINX_USER: '1000:1000',
    CERTS_USER: '1000:1000',
    SANDBOX_API_PORT: String(api),
    SANDBOX_DNS_PORT: String(dns),
    SANDBOX_CA_PORT: String(ca),
    SANDBOX_CA_MANAGEMENT_PORT: String(caManagement),
  };
  const lines = Object.entries(variables).map(([name, value]) => `${name}=${value}\n`);
  await writeFile(join(place, 'compose.env'), lines.join(''));
  compose = ['compose', '--env-file', join(place, 'compose.env'), '-f', baseFile, '-f', sandboxFile];

  for (const name of ['certificates', 'public-address']) await mkdir(join(place, name));
  // Whoever runs this test: management's user writes there.
  await mkdir(join(place, 'netbird'));
  await chmod(join(place, 'netbird'), 0o777);
  for (const [service, files] of Object.entries(secrets)) await serviceFolder(service, files);
  const issuer = `https://pocketid.example.org:${https}`;
  await serviceFolder('netbird-management', {
    'management.json': JSON.stringify(management(issuer, `turn.example.org:${stun}`)),
  });
  await serviceFolder('coturn', {
    'turnserver.conf': `listening-port=${stun}\nuse-auth-secret\nstatic-auth-secret=of-turn\nrealm=turn\nno-cli\nlog-file=stdout\n`,
    'run.sh': 'exec turnserver -c /etc/skylab/current/turnserver.conf\n',
  });
  await serviceFolder('nginx', {
    'nginx.conf': nginxConf(https ?? 0),
    'run.sh': "exec nginx -c /etc/skylab/current/nginx.conf -g 'daemon off;'\n",
  });
});
afterAll(async () => {
  await asked('down', '--volumes', '--timeout', '10');
  await rm(place, { recursive: true, force: true });
});

describe('the services of the Compose files', () => {
  test('become healthy on the images that were built here', async () => {
    await must('up', '--detach', '--wait', 'postgres');
    await must(
      'exec',
      '-T',
      '-u',
      'postgres',
      'postgres',
      'psql',
      '-q',
      '-c',
      "CREATE ROLE pocketid LOGIN PASSWORD 'of-pocket-id-77c1'",
      '-c',
      'CREATE DATABASE pocketid OWNER pocketid',
    );
    const ended = await asked('up', '--detach', '--wait', ...running);

    expect(ended.text.split('\n').at(-1)).not.toContain('unhealthy');
    expect(ended.code).toBe(0);
  });

  test('show no secret to whoever may inspect them', async () => {
    const ids = (await must('ps', '--quiet')).split('\n');
    const shown = await mustDocker('inspect', ...ids);

    expect(ids.length).toBe(running.length);
    const values = Object.values(secrets).flatMap((files) => Object.values(files));
    expect(values.filter((value) => shown.includes(value))).toEqual([]);
  });

  test('are all left alone by a second start', async () => {
    const before = await must('ps', '--quiet');
    await must('up', '--detach', ...running);

    expect(await must('ps', '--quiet')).toBe(before);
  });

  test('find one another by their public names', async () => {
    const lookup = async (name: string) => must('exec', '-T', 'nginx', 'getent', 'hosts', name);
    const fixed = await mustDocker(
      'inspect',
      '-f',
      '{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}',
      `${project}-nginx-1`,
    );

    expect(await lookup('netbird.example.org')).toContain(fixed);
    expect(await lookup('pocketid.example.org')).toContain(fixed);
    expect(await lookup('turn.example.org')).not.toContain(fixed);
    expect(fixed.endsWith('.62')).toBe(true);
  });

  test('come back by themselves after a crash', async () => {
    const name = `${project}-netbird-signal-1`;
    await docker('exec', name, '/busybox/kill', '-TERM', '1');

    await until('a new start of signal', 120_000, async () => {
      const seen = await mustDocker('inspect', '-f', '{{.RestartCount}} {{.State.Health.Status}}', name);
      return /^[1-9]\d* healthy$/.test(seen) || seen;
    });
    expect(await mustDocker('inspect', '-f', '{{.State.Running}}', name)).toBe('true');
  });

  test('stop within the time they are given, and none is killed', async () => {
    await must('stop');
    const ids = (await must('ps', '--all', '--quiet')).split('\n');
    const codes = await mustDocker('inspect', '-f', '{{.State.ExitCode}}', ...ids);

    expect(ids.length).toBe(running.length);
    expect(codes.split('\n')).not.toContain('137');
  });
});
