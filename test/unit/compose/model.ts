import { execFileSync } from 'node:child_process';
import { readFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const folder = fileURLToPath(new URL('../../../compose/', import.meta.url));

export const baseFile = join(folder, 'compose.yaml');
export const turnHostFile = join(folder, 'turn-host.yaml');
export const behindFile = join(folder, 'behind.yaml');
export const sandboxFile = join(folder, 'hosts', 'sandbox', 'compose.yaml');

export const textOf = (file: string): string => readFileSync(file, 'utf8');

/** Services of the base file and of the sandbox's override. */
export const baseServices = [
  'postgres',
  'pocket-id',
  'netbird-management',
  'netbird-signal',
  'netbird-relay',
  'netbird-dashboard',
  'coturn',
  'nginx',
  'certs',
  'netbird-peer',
] as const;
export const sandboxServices = ['cloudflare', 'pebble'] as const;

/** What `docker compose config` says of a service, as far as the tests look at it. */
export interface Service {
  readonly image: string;
  readonly user?: string;
  readonly read_only?: boolean;
  readonly init?: boolean;
  readonly privileged?: boolean;
  readonly restart?: string;
  readonly pull_policy?: string;
  readonly entrypoint: readonly string[] | null;
  readonly command: readonly string[] | null;
  readonly cap_add?: readonly string[];
  readonly cap_drop?: readonly string[];
  readonly security_opt?: readonly string[];
  readonly tmpfs?: readonly string[];
  readonly devices?: unknown;
  readonly environment?: Readonly<Record<string, string>>;
  readonly env_file?: unknown;
  readonly labels?: Readonly<Record<string, string>>;
  readonly logging?: { readonly driver: string; readonly options: Readonly<Record<string, string>> };
  readonly mem_limit?: string;
  readonly shm_size?: string;
  readonly healthcheck?: {
    readonly test: readonly string[];
    readonly interval: string;
    readonly timeout: string;
    readonly retries: number;
    readonly start_period: string;
    readonly start_interval: string;
  };
  readonly stop_signal?: string;
  readonly stop_grace_period?: string;
  readonly network_mode?: string;
  readonly networks?: Readonly<
    Record<string, { readonly aliases?: readonly string[]; readonly ipv4_address?: string } | null>
  >;
  readonly ports?: readonly {
    readonly host_ip?: string;
    readonly target: number;
    readonly published: string;
    readonly protocol: string;
  }[];
  readonly volumes?: readonly {
    readonly type: string;
    readonly source: string;
    readonly target: string;
    readonly read_only?: boolean;
  }[];
  readonly depends_on?: Readonly<Record<string, { readonly condition: string }>>;
  readonly post_start?: unknown;
  readonly pre_stop?: unknown;
}

export interface Model {
  readonly name: string;
  readonly services: Readonly<Record<string, Service>>;
  readonly volumes: Readonly<Record<string, { readonly name: string; readonly external?: boolean }>>;
  readonly networks: Readonly<
    Record<string, { readonly ipam: { readonly config: readonly Readonly<Record<string, string>>[] } }>
  >;
}

const perService = (name: string): Readonly<Record<string, string>> => {
  const prefix = name.toUpperCase().replaceAll('-', '_');
  return {
    [`${prefix}_IMAGE`]: `example/${name}:1`,
    [`${prefix}_IMAGE_KIND`]: 'upstream',
    [`${prefix}_FILES`]: `files-of-${name}`,
  };
};

/** Every variable of a host, as `up` would write them. */
export const sampleVariables: Readonly<Record<string, string>> = {
  COMPOSE_PROJECT_NAME: 'skylab-sample',
  SKYLAB_HOST: 'Sample',
  SKYLAB_DOMAIN: 'example.org',
  SKYLAB_OVERRIDE: 'override-digest',
  SKYLAB_STATE: '/srv/skylab-sample',
  SKYLAB_SUBNET: '172.31.240.0/24',
  SKYLAB_ADDRESS_RANGE: '172.31.240.0/25',
  NGINX_ADDRESS: '172.31.240.254',
  BIND_ADDRESS: '192.0.2.10',
  DIAL_ADDRESS: '192.0.2.11',
  HTTPS_PORT: '8443',
  STUN_PORT: '3479',
  TURN_MIN_PORT: '49152',
  TURN_MAX_PORT: '49155',
  IDENTITY_LOOPBACK_PORT: '1412',
  MESH_NAME: 'netbird.example.org',
  IDENTITY_NAME: 'pocketid.example.org',
  TURN_NAME: 'turn.example.org',
  MESH_URL: 'https://netbird.example.org:8443',
  IDENTITY_URL: 'https://pocketid.example.org:8443',
  TRUST_FILE: '',
  POSTGRES_VOLUME: 'skylab-sample_postgres',
  NETBIRD_DATA: '/srv/netbird',
  NETBIRD_MANAGEMENT_USER: '1001:1001',
  NGINX_USER: '1002:1002',
  CERTS_USER: '1002:1002',
  ...Object.assign({}, ...[...baseServices, ...sandboxServices].map(perService)),
};

const compose = (args: readonly string[]): string =>
  execFileSync('docker', ['compose', ...args], {
    encoding: 'utf8',
    // Nothing of the caller's own environment may reach the files.
    env: { PATH: process.env['PATH'], HOME: process.env['HOME'] },
    stdio: ['ignore', 'pipe', 'pipe'],
  });

/** Why nothing can be asked of Compose here, or undefined. */
export const whyNoCompose = (): string | undefined => {
  try {
    compose(['version']);
    return undefined;
  } catch {
    return 'docker compose is not installed';
  }
};

/** The merged files with all profiles on, as Compose understands them; needs no Engine. @throws what Compose refuses */
export const modelOf = (
  files: readonly string[],
  variables: Readonly<Record<string, string>> = sampleVariables,
): Model => {
  const place = mkdtempSync(join(tmpdir(), 'compose-model-'));
  try {
    const envFile = join(place, 'compose.env');
    const lines = Object.entries(variables).map(([name, value]) => `${name}=${value}\n`);
    writeFileSync(envFile, lines.join(''));
    const chosen = files.flatMap((file) => ['--file', file]);
    const shown = compose(['--env-file', envFile, ...chosen, '--profile', '*', 'config', '--format', 'json']);
    return JSON.parse(shown) as Model;
  } finally {
    rmSync(place, { recursive: true });
  }
};
