import { execFile } from 'node:child_process';
import { chmod, copyFile, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { bind, type ServiceFile } from '../../src/orchestrator/area.ts';
import { converge, lookAround, type Outcome } from '../../src/orchestrator/converge.ts';
import type { Effects } from '../../src/orchestrator/effects.ts';
import type { Event } from '../../src/orchestrator/report/event.ts';
import { createContainersArea, createDocker, type Docker } from '../../src/containers/area.ts';
import { createImageSource } from '../../src/containers/docker/image-source.ts';
import { createSecretStore, type SecretStore } from '../../src/settings/secret-store.ts';
import type { Settings } from '../../src/settings/settings.ts';
import { createRedactor } from '../../src/shared/redact.ts';
import { freePort, ownNumber } from '../support/ports.ts';
import { testSettings } from '../support/settings.ts';
import { effectsFor } from '../support/steps.ts';

/*
 * A stack of two small services on the real Engine: enough to see what is created, recreated, awaited and removed,
 * without any of the real servers. Everything it makes carries the name of its project.
 */

const exec = promisify(execFile);
const image = 'skylab-test/busybox:1';
const command = async (file: string, ...args: readonly string[]): Promise<string> =>
  (await exec(file, [...args], { maxBuffer: 16 * 1024 * 1024 })).stdout.trim();

/** Runs docker; a failure is a fault of the test. */
export const docker = async (...args: readonly string[]): Promise<string> => command('docker', ...args);

/** An image of one static program from Debian, imported once. */
const busyboxImage = async (): Promise<string> => {
  if ((await docker('image', 'ls', '-q', image)) !== '') return image;
  const folder = await mkdtemp(join(tmpdir(), 'skylab-busybox-'));
  try {
    await chmod(folder, 0o755);
    await exec('apt-get', ['download', 'busybox-static'], { cwd: folder });
    await exec('sh', ['-c', 'dpkg-deb -x *.deb unpacked'], { cwd: folder });
    await mkdir(join(folder, 'root', 'bin'), { recursive: true });
    await copyFile(join(folder, 'unpacked', 'bin', 'busybox'), join(folder, 'root', 'bin', 'busybox'));
    await exec('tar', ['-C', join(folder, 'root'), '-cf', join(folder, 'root.tar'), '.']);
    await docker('import', join(folder, 'root.tar'), image);
    return image;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
};

const composeText = `
x-service: &service
  restart: unless-stopped
  labels: { stack.skylab.host: "\${SKYLAB_HOST:?}" }
  stop_grace_period: 1s
  init: true
x-health: &health { interval: 5s, timeout: 10s, retries: 3, start_period: 20s, start_interval: 200ms }

services:
  netbird-signal:
    <<: *service
    image: \${NETBIRD_SIGNAL_IMAGE:?}
    labels:
      stack.skylab.host: "\${SKYLAB_HOST:?}"
      stack.skylab.files: \${NETBIRD_SIGNAL_FILES:?}
    user: "1000:1000"
    command: [/bin/busybox, sh, /etc/skylab/current/run.sh]
    volumes:
      - { type: bind, source: "\${SKYLAB_STATE:?}/services/netbird-signal", target: /etc/skylab, read_only: true, bind: { create_host_path: false } }
    healthcheck: { <<: *health, test: [CMD, /bin/busybox, test, -e, /tmp/ready] }
    tmpfs: ["/tmp:uid=1000,gid=1000"]
  netbird-relay:
    <<: *service
    image: \${NETBIRD_RELAY_IMAGE:?}
    command: [/bin/busybox, sleep, "100000"]
    healthcheck: { <<: *health, test: [CMD, /bin/busybox, "true"] }
    ports:
      - { host_ip: 127.0.0.1, published: "\${HTTPS_PORT:?}", target: 80, protocol: tcp }
networks:
  default: { ipam: { config: [{ subnet: "\${SKYLAB_SUBNET:?}" }] } }
`;

/** What the first service runs: it becomes healthy by itself. */
export const goodScript = 'echo "starts"; : > /tmp/ready; exec /bin/busybox sleep 100000\n';

export interface Tiny {
  readonly settings: Settings;
  readonly docker: Docker;
  readonly secrets: SecretStore;
  readonly root: string;
  /** What the first service runs from the next run on. */
  readonly setScript: (script: string) => void;
  /** A further file of the first service, which it would reload by itself. */
  readonly setReloaded: (text: string) => void;
  readonly writeOverride: (yaml: string | undefined) => Promise<void>;
  readonly up: (options?: {
    readonly effects?: Effects;
    readonly signal?: AbortSignal;
    readonly settings?: Settings;
    readonly events?: Event[];
  }) => Promise<Outcome>;
  readonly down: () => Promise<Outcome>;
  /** Ids of the steps one look would take. */
  readonly planned: (settings?: Settings) => Promise<readonly string[]>;
  /** Id of a service's container. */
  readonly idOf: (service: string) => Promise<string>;
  /** Takes away all that was made. */
  readonly clear: () => Promise<void>;
}

let count = 0;

/** A fresh project of the two services; nothing runs yet. */
export const createTiny = async (): Promise<Tiny> => {
  count += 1;
  const name = await busyboxImage();
  const root = await mkdtemp(join(tmpdir(), 'skylab-tiny-'));
  const host = `test-${process.pid}-${count}`;
  const installation = join(root, 'installation');
  const folder = join(installation, 'compose', 'hosts', host);
  await mkdir(folder, { recursive: true });
  await mkdir(join(installation, 'compose', 'images', 'base'), { recursive: true });
  for (const one of ['netbird-signal', 'netbird-relay', 'dist/sandbox'])
    await mkdir(join(installation, one.includes('/') ? one : `compose/images/${one}`), { recursive: true });
  await writeFile(join(installation, 'dist', 'sandbox', 'netbird.mjs'), '');
  await writeFile(join(installation, 'compose', 'compose.yaml'), composeText);
  // 10.220.0.0 to 10.226.255.255, in /27s; to move it, the same from 10.230.0.0 on.
  const slot = await ownNumber();
  const subnet = `10.${220 + (slot >> 11)}.${(slot >> 3) & 255}.${(slot & 7) * 32}/27`;
  const yaml = `network: { subnet: ${subnet} }\nturn: { network: bridge }`;
  const plain = testSettings(root, yaml, host);
  const overrides = { 'netbird-signal': name, 'netbird-relay': name };
  const settings: Settings = {
    ...plain,
    installation,
    folder,
    addresses: { ...plain.addresses, port: await freePort() },
    images: { ...plain.images, overrides },
  };
  const redactor = createRedactor();
  const secrets = createSecretStore(settings.paths.secrets, redactor, {});
  const engineAndCompose = createDocker(process.env, homedir());
  const images = createImageSource({
    ...engineAndCompose,
    installation,
    cache: settings.paths.cache,
  });
  const user = { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 };
  let script = goodScript;
  let reloaded = 'one';
  const files = (): readonly ServiceFile[] => {
    const one = { service: 'netbird-signal', reader: { uid: 1000, gid: 1000 } };
    return [
      { ...one, path: 'run.sh', content: [script], reloads: false },
      { ...one, path: 'key', content: [{ secret: 'turn-secret' }], reloads: false },
      { ...one, path: 'reloaded', content: [reloaded], reloads: true },
    ];
  };
  const area = (down: boolean) =>
    createContainersArea({ ...engineAndCompose, images, secrets, files, user, down });
  const run = async (down: boolean, options: Parameters<Tiny['up']>[0] = {}) =>
    converge({
      areas: [bind(area(down), options.settings ?? settings)],
      effects: options.effects ?? effectsFor(),
      emit: (event) => void options.events?.push(event),
      signal: options.signal ?? AbortSignal.timeout(120_000),
    });
  return {
    settings,
    docker: engineAndCompose,
    secrets,
    root,
    setScript: (text) => {
      script = text;
    },
    setReloaded: (text) => {
      reloaded = text;
    },
    writeOverride: async (text) => {
      const path = join(folder, 'compose.yaml');
      if (text === undefined) await rm(path, { force: true });
      else await writeFile(path, text);
    },
    up: async (options) => run(false, options),
    down: async () => run(true),
    planned: async (other) => {
      const seen = await lookAround([bind(area(false), other ?? settings)], AbortSignal.timeout(60_000));
      return (seen.get('containers')?.steps ?? []).map((step) => step.id);
    },
    idOf: async (service) =>
      docker(
        'ps',
        '-aq',
        '--no-trunc',
        '--filter',
        `label=com.docker.compose.project=${settings.project}`,
        '--filter',
        `label=com.docker.compose.service=${service}`,
      ),
    clear: async () => {
      const label = `label=com.docker.compose.project=${settings.project}`;
      const left = await docker('ps', '-aq', '--filter', label);
      if (left !== '') await docker('rm', '-f', '-v', ...left.split('\n'));
      const networks = await docker('network', 'ls', '-q', '--filter', label);
      if (networks !== '') await docker('network', 'rm', ...networks.split('\n'));
      await rm(root, { recursive: true, force: true });
    },
  };
};
