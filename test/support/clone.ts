import { cp, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join, resolve } from 'node:path';
import { startCloudflare, type Cloudflare } from '../../sandbox/cloudflare/server.ts';
import { runProgram } from './host.ts';
import { startPebble, type Pebble } from './pebble.ts';

/*
 * What somebody with a server of their own has: a copy of this repository in a folder of its own, and an outside world
 * that is not part of any stack - a provider with their domains, a token for them, an authority.
 */

const token = 'edit-token_of-a-clone';

export interface Clone {
  readonly folder: string;
  /** Holds the storage roots, the home of the user and the token. */
  readonly outside: string;
  /**
   * Flags of init that lead a host to this outside world: a provider, an authority, stand-ins where no registry answers,
   * and a storage root of its own, for two hosts may not share one.
   */
  readonly world: (host: string) => readonly string[];
  readonly tokenFile: string;
  readonly provider: Cloudflare;
  /** Types `npm run -s <verb> -- <args>` in the clone. */
  readonly types: (verb: string, ...args: readonly string[]) => ReturnType<typeof runProgram>;
  /** Takes everything away, with all that hosts of these names left at the Engine. */
  readonly remove: (...hosts: readonly string[]) => Promise<void>;
}

/** What npm and Git bring, and what is made from the sources: the packages are linked, the rest is of no use there. */
const notCopied = new Set(['.git', 'node_modules', 'coverage']);

const copyHere = async (folder: string): Promise<void> => {
  await cp('.', folder, { recursive: true, filter: (path) => !notCopied.has(basename(path)) });
  await symlink(resolve('node_modules'), join(folder, 'node_modules'));
};

const idsOf = async (
  what: string,
  project: string,
  ...more: readonly string[]
): Promise<readonly string[]> => {
  const filter = ['--filter', `label=com.docker.compose.project=${project}`];
  const { stdout } = await runProgram('docker', [what, 'ls', '-q', ...more, ...filter]);
  return stdout.split('\n').filter((id) => id !== '');
};

/** Removes containers, volumes and networks of a project. */
const removeProject = async (project: string): Promise<void> => {
  const containers = await idsOf('container', project, '-a');
  if (containers.length > 0) await runProgram('docker', ['rm', '-f', ...containers]);
  for (const what of ['volume', 'network']) {
    const ids = await idsOf(what, project);
    if (ids.length > 0) await runProgram('docker', [what, 'rm', ...ids]);
  }
};

/** Makes a clone and its outside world, in which `domains` (all under .localhost) are at the provider. */
export const createClone = async (domains: readonly [string, ...string[]]): Promise<Clone> => {
  const root = await mkdtemp(join(tmpdir(), 'skylab-clone-'));
  const folder = join(root, 'skylab-stack');
  const outside = join(root, 'outside');
  await Promise.all([copyHere(folder), mkdir(join(outside, 'home'), { recursive: true })]);
  const provider = await startCloudflare({ zones: domains, tokens: [{ value: token }] });
  const dns = `127.0.0.1:${provider.dnsPort}`;
  const pebble: Pebble = await startPebble({
    dnsServer: dns,
    certificateValidityPeriod: 7_776_000,
    retryAfter: { authz: 1, order: 1 },
  });
  const caFile = join(outside, 'directory-ca.pem');
  const tokenFile = join(outside, 'token');
  await writeFile(caFile, pebble.caPem);
  await writeFile(tokenFile, `${token}\n`, { mode: 0o600 });
  const settings = {
    // As a name, not as an address: init and all other verbs know that it is this machine.
    'cloudflare.api': provider.apiUrl.replace('127.0.0.1', 'cloudflare.localhost'),
    'dns.resolvers': JSON.stringify([dns]),
    'dns.authoritative': JSON.stringify([dns]),
    'certificates.directory': pebble.directoryUrl,
    'certificates.directory_ca': JSON.stringify({ file: caFile }),
    'certificates.trust': JSON.stringify({ url: `${pebble.managementUrl}/roots/0` }),
    'images.stand_ins': 'true',
  };
  const env = {
    ...process.env,
    HOME: join(outside, 'home'),
    NO_COLOR: '1',
    STACK_HOST: undefined,
    SKYLAB_HOSTS: undefined,
  };
  return {
    folder,
    outside,
    world: (host) =>
      Object.entries({ ...settings, 'storage.root': join(outside, host) }).flatMap(([path, value]) => [
        '--set',
        `${path}=${value}`,
      ]),
    tokenFile,
    provider,
    types: async (verb, ...args) =>
      runProgram('npm', ['--prefix', folder, 'run', '-s', verb, '--', ...args], env),
    async remove(...hosts) {
      for (const host of hosts) await removeProject(`skylab-${host.toLowerCase()}`);
      await pebble.stop();
      await provider.close();
      await rm(root, { recursive: true, force: true });
    },
  };
};
