import { spawn } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parse, stringify } from 'yaml';
import { freePort, freePorts, ownNumber } from './ports.ts';

/*
 * A sandbox of a test's own: the same settings and Compose override as compose/hosts/sandbox, with a name, ports, a
 * subnet and a storage root that no other one has, so that it runs beside a person's sandbox and beside other tests.
 */

interface Ended {
  /** Exit code, or undefined where a signal ended it. */
  readonly code: number | undefined;
  readonly signal: NodeJS.Signals | undefined;
  readonly stdout: string;
  readonly stderr: string;
}

export interface TestHost {
  readonly name: string;
  readonly project: string;
  /** Everything of it lies below: hosts/, state/. */
  readonly folder: string;
  readonly settingsFile: string;
  /** `<storage root>/skylab-<name>` */
  readonly state: string;
  readonly ports: Readonly<Record<PortName, number>>;
  readonly env: Readonly<Record<string, string>>;
  /** Runs `node dist/cli.js <args>` for this host. */
  readonly run: (args: readonly string[], more?: Readonly<Record<string, string>>) => Promise<Ended>;
  /** Starts it and leaves it running. */
  readonly start: (
    args: readonly string[],
    more?: Readonly<Record<string, string>>,
  ) => ReturnType<typeof spawn>;
  /** Changes the settings file. */
  readonly change: (edit: (settings: Record<string, unknown>) => void) => Promise<void>;
  /** Takes away what runs and what was made: containers, volumes, network, state. The settings stay. */
  readonly wipe: () => Promise<void>;
  /** Takes everything of it away. */
  readonly remove: () => Promise<void>;
}

const portNames = ['https', 'stun', 'identity', 'api', 'dns', 'ca', 'caManagement'] as const;
type PortName = (typeof portNames)[number];

const output = async (child: ReturnType<typeof spawn>): Promise<Ended> => {
  let stdout = '';
  let stderr = '';
  child.stdout?.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
  child.stderr?.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
  return new Promise((done, failed) => {
    child.once('error', failed);
    child.once('close', (code, signal) => {
      done({ code: code ?? undefined, signal: signal ?? undefined, stdout, stderr });
    });
  });
};

/** Runs a program to its end. */
export const runProgram = async (
  file: string,
  args: readonly string[],
  env: Readonly<Record<string, string | undefined>> = process.env,
) => output(spawn(file, [...args], { env, stdio: ['ignore', 'pipe', 'pipe'] }));

let made = 0;

/** Where a host runs, if not beside the test: an Engine and a network of its own. */
interface Place {
  /** Put before the program and its arguments. */
  readonly enter: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

/** Makes a host; nothing runs yet. `more` is merged over the sandbox's settings, section by section. */
export const createTestHost = async (
  purpose: string,
  more: Readonly<Record<string, object>> = {},
  place: Place = { enter: [], env: {} },
): Promise<TestHost> => {
  made += 1;
  const name = `t-${purpose}-${process.pid}-${made}`;
  const folder = await mkdtemp(join(tmpdir(), `skylab-${purpose}-`));
  const hosts = join(folder, 'hosts');
  const own = join(hosts, name);
  await mkdir(own, { recursive: true });
  const ports = Object.fromEntries(
    await Promise.all(portNames.map(async (port) => [port, await freePort()] as const)),
  ) as Record<PortName, number>;
  // 10.210.0.0 to 10.216.255.255, in /27s.
  const slot = await ownNumber();
  const subnet = `10.${210 + (slot >> 11)}.${(slot >> 3) & 255}.${(slot & 7) * 32}/27`;
  const relayMin = await freePorts(4);

  const settingsFile = join(own, 'settings.yaml');
  const base = parse(await readFile('compose/hosts/sandbox/settings.yaml', 'utf8')) as Record<
    string,
    Record<string, unknown>
  >;
  const settings: Record<string, unknown> = {
    ...base,
    reachability: { ...base['reachability'], port: ports.https, stun_port: ports.stun },
    certificates: {
      ...base['certificates'],
      directory: `https://pebble.localhost:${ports.ca}/dir`,
      directory_ca: { url: `http://cloudflare.localhost:${ports.api}/sandbox/pebble-ca.pem` },
      trust: { url: `https://pebble.localhost:${ports.caManagement}/roots/0` },
    },
    cloudflare: { ...base['cloudflare'], api: `http://cloudflare.localhost:${ports.api}/client/v4` },
    dns: { authoritative: [`dns.localhost:${ports.dns}`] },
    identity: { ...base['identity'], loopback_port: ports.identity },
    turn: { network: 'bridge', relay_ports: { min: relayMin, max: relayMin + 3 } },
    storage: { root: join(folder, 'state') },
    network: { subnet },
  };
  for (const [section, values] of Object.entries(more)) {
    const there = settings[section];
    settings[section] =
      typeof there === 'object' && there !== null && !Array.isArray(there) ? { ...there, ...values } : values;
  }
  await writeFile(settingsFile, stringify(settings));
  const overrideText = await readFile('compose/hosts/sandbox/compose.yaml', 'utf8');
  const inner = { API: ports.api, DNS: ports.dns, CA: ports.ca, CA_MANAGEMENT: ports.caManagement };
  await writeFile(
    join(own, 'compose.yaml'),
    Object.entries(inner).reduce(
      (text, [which, port]) =>
        text.replaceAll(new RegExp(`\\$\\{SANDBOX_${which}_PORT:-\\d+\\}`, 'g'), String(port)),
      overrideText,
    ),
  );

  const env = {
    ...(process.env as Record<string, string>),
    SKYLAB_HOSTS: hosts,
    STACK_HOST: name,
    NO_COLOR: '1',
    ...place.env,
  };
  const project = `skylab-${name}`;
  const start: TestHost['start'] = (args, extra = {}) => {
    const [file = '', ...words] = [...place.enter, process.execPath, resolve('dist/cli.js'), ...args];
    return spawn(file, words, { env: { ...env, ...extra }, stdio: ['ignore', 'pipe', 'pipe'] });
  };
  const wipe = async () => {
    const filter = ['--filter', `label=com.docker.compose.project=${project}`];
    const ids = async (what: string, args: readonly string[]) =>
      (await runProgram('docker', [what, 'ls', '-q', ...args, ...filter], env)).stdout
        .split('\n')
        .filter((id) => id !== '');
    const containers = await ids('container', ['-a']);
    if (containers.length > 0) await runProgram('docker', ['rm', '-f', ...containers], env);
    const [volumes, networks] = await Promise.all([ids('volume', []), ids('network', [])]);
    if (volumes.length > 0) await runProgram('docker', ['volume', 'rm', '-f', ...volumes], env);
    if (networks.length > 0) await runProgram('docker', ['network', 'rm', ...networks], env);
    await rm(join(folder, 'state'), { recursive: true, force: true });
  };
  return {
    name,
    project,
    folder,
    settingsFile,
    state: join(folder, 'state', project),
    ports,
    env,
    start,
    run: async (args, extra) => output(start(args, extra)),
    async change(edit) {
      const current = parse(await readFile(settingsFile, 'utf8')) as Record<string, unknown>;
      edit(current);
      await writeFile(settingsFile, stringify(current));
    },
    wipe,
    async remove() {
      await wipe();
      await rm(folder, { recursive: true, force: true });
    },
  };
};
