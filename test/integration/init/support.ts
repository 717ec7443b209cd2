import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join, resolve } from 'node:path';
import type { Cloudflare, CloudflareOptions } from '../../../sandbox/cloudflare/server.ts';
import { startProvider, tokens, zoneName } from '../../support/cloudflare.ts';
import { runProgram } from '../../support/host.ts';
import { freePort } from '../../support/ports.ts';
import { atTerminal, type AtTerminal } from '../../support/terminal.ts';

/** A machine on which init is run for the first time: a provider on loopback, an empty folder of hosts, a home. */
export interface FirstTime {
  /** Every answer as flags. */
  readonly answers: readonly string[];
  /** A port that nobody holds: the one in `answers`. */
  readonly port: number;
  readonly otherPort: number;
  /** The UDP port of STUN and TURN in every run. */
  readonly stunPort: number;
  readonly provider: Cloudflare;
  readonly folder: string;
  readonly hosts: string;
  /** Comes first in PATH. */
  readonly programs: string;
  readonly settingsFile: (host: string) => string;
  readonly settings: (host: string) => Promise<string>;
  /** Everything below the folder of hosts. */
  readonly written: () => Promise<readonly string[]>;
  readonly run: (
    args: readonly string[],
    more?: Readonly<Record<string, string>>,
  ) => ReturnType<typeof runProgram>;
  readonly sit: (args: readonly string[], more?: Readonly<Record<string, string>>) => AtTerminal;
  readonly remove: () => Promise<void>;
}

/** What makes init look at the provider of the test, and lets nothing that it plans leave this machine. */
const world = (provider: Cloudflare, stunPort: number): readonly string[] =>
  [
    `reachability.stun_port=${stunPort}`,
    `cloudflare.api=${provider.apiUrl}`,
    `dns.resolvers=["127.0.0.1:${provider.dnsPort}"]`,
    'certificates.directory=https://127.0.0.1:9/directory',
  ].flatMap((setting) => ['--set', setting]);

/** Every answer, at home only, so that no router is needed. */
const answersAt = (port: number): readonly string[] =>
  Object.entries({
    '--domain': zoneName,
    '--admin-username': 'anna',
    '--admin-email': 'anna@skylab.test',
    '--admin-first-name': 'Anna',
    '--reach': 'lan',
    '--port': String(port),
    '--bind': '127.0.0.1',
    '--front-door': 'own',
    '--token': 'env',
    '--token-env': 'CLOUDFLARE_TOKEN_OF_TEST',
  }).flat();

export const createFirstTime = async (options: Partial<CloudflareOptions> = {}): Promise<FirstTime> => {
  const provider = await startProvider(options);
  const folder = await mkdtemp(join(tmpdir(), 'skylab-init-'));
  const hosts = join(folder, 'hosts');
  const programs = join(folder, 'programs');
  await Promise.all([mkdir(hosts), mkdir(programs), mkdir(join(folder, 'home'))]);
  const env = {
    PATH: [programs, process.env['PATH']].join(delimiter),
    HOME: join(folder, 'home'),
    NO_COLOR: '1',
    SKYLAB_HOSTS: hosts,
    STACK_HOST: 'attic',
    CLOUDFLARE_TOKEN_OF_TEST: tokens.edit.value,
    // The plan at the end needs no Engine; without one it looks for no image.
    DOCKER_HOST: `unix://${folder}/no-engine.sock`,
  };
  const [port, otherPort, stunPort] = [await freePort(), await freePort(), await freePort()];
  const command = (args: readonly string[]) => [
    resolve('dist/cli.js'),
    'init',
    ...world(provider, stunPort),
    ...args,
  ];
  const settingsFile = (host: string) => join(hosts, host, 'settings.yaml');
  return {
    answers: answersAt(port),
    port,
    otherPort,
    stunPort,
    provider,
    folder,
    hosts,
    programs,
    settingsFile,
    settings: async (host) => readFile(settingsFile(host), 'utf8'),
    written: async () => (await readdir(hosts, { recursive: true })).sort(),
    run: async (args, more = {}) => runProgram(process.execPath, command(args), { ...env, ...more }),
    sit: (args, more = {}) => atTerminal([process.execPath, ...command(args)], { ...env, ...more }),
    async remove() {
      await provider.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
};

/** Puts a program first in PATH. */
export const addProgram = async ({ programs }: FirstTime, name: string, script: string): Promise<void> =>
  writeFile(join(programs, name), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
