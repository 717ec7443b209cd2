import { isIP } from 'node:net';
import type { PublishedPort } from '../containers/docker/answers.ts';
import { defaultRoute, findPublicAddress, lanAddresses, translationOf } from '../doctor/addresses.ts';
import { examineDelegation } from '../doctor/delegation.ts';
import { failed, passed, skipped, type Finding } from '../doctor/finding.ts';
import { holdersOf, holderText, systemListeners, type Holder } from '../doctor/ports.ts';
import { examineResolver } from '../doctor/rebind.ts';
import { examineToken } from '../doctor/token.ts';
import { createDnsView, type DnsView } from '../dns/wire/resolve.ts';
import { createTokenReader } from '../dns/wire/token-reader.ts';
import type { Check } from '../orchestrator/report/check.ts';
import type { SecretSource } from '../settings/schema.ts';
import { readSecretSource } from '../settings/secret-source.ts';
import { kindOfAddress } from '../shared/addresses.ts';
import { exists } from '../shared/files.ts';
import type { Http } from '../shared/http.ts';
import type { AnswerId, Answers } from './answers.ts';
import type { Look } from './interview.ts';
import { fileIn } from './token.ts';

/*
 * What is looked at after each answer. Everything only reads, and each look is one that doctor makes too.
 */

interface World {
  /** The folder of the host: relative paths of secrets count from here. */
  readonly folder: string;
  /** The Compose project of this host: what it holds already is no obstacle. */
  readonly project: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly http: Http;
  /** Address of Cloudflare's API. */
  readonly api: string;
  readonly resolvers: readonly string[];
  /** UDP port of STUN and TURN. */
  readonly stunPort: number;
  readonly sourceOf: (answers: Answers) => SecretSource | undefined;
  /** Makes a secret known, so that it is never printed. */
  readonly learn: (secret: string) => void;
  /** Ports that containers publish; empty where there is no Engine. */
  readonly published: (signal: AbortSignal) => Promise<readonly PublishedPort[]>;
  /** True where coturn of this host runs: in the host's own network it publishes nothing, and listens itself. */
  readonly turnRuns: (signal: AbortSignal) => Promise<boolean>;
}

const check = (id: string, title: string, finding: Finding): Check => ({
  id: `init.${id}`,
  title,
  required: false,
  ...finding,
});

const viewOf = async ({ resolvers, http }: World): Promise<DnsView> => createDnsView(resolvers, http.lookup);

const delegation = async (
  world: World,
  domain: string,
  assigned: readonly string[] | undefined,
  signal: AbortSignal,
) => (await examineDelegation(await viewOf(world), domain, assigned, signal)).finding;

const outside = async (world: World, signal: AbortSignal): Promise<Finding> => {
  const found = await findPublicAddress(world.http, signal, new URL('/cdn-cgi/trace', world.api).href);
  if ('unknown' in found) return skipped(`the public address is not known: ${found.unknown}`);
  const seen = { publicAddress: found.address, own: lanAddresses(), route: await defaultRoute() };
  const { kind, text } = translationOf(seen);
  const isPublic = kindOfAddress(found.address) === 'public';
  if (isPublic && kind === 'unknown') return skipped(text);
  if (isPublic && kind !== 'carrier') return passed(text);
  return failed(
    isPublic ? text : `the outside sees ${found.address}, which nobody on the internet can dial`,
    'choose lan, or ask the provider for a public IPv4 address of your own',
    "compare the router's internet address with the one the outside sees",
  );
};

const bindable = ({ bind = '', reach }: Answers): Finding => {
  if (isIP(bind) !== 0 && kindOfAddress(bind) === 'local') {
    const seen = `${bind} is reached from this machine alone`;
    return reach === 'lan' || reach === undefined
      ? passed(seen)
      : failed(seen, 'take the address at which the router finds this machine', 'ip -brief address');
  }
  if (bind === '0.0.0.0' || bind === '::') return passed('every address of this machine');
  const own = lanAddresses();
  const found = own.find((one) => one.address === bind);
  if (found !== undefined) return passed(`${found.via} has it`);
  return failed(
    `no network interface of this machine has ${bind}, found: ${own.map((one) => one.address).join(', ') || 'none'}`,
    'take one of those, or give this machine that address first',
    'ip -brief address',
  );
};

const frontDoorFix =
  'choose another port; or behind, where that is an nginx that passes on; or stop that program';
const stunFix = 'stop that program; or choose another port: --set reachability.stun_port=<a UDP port>';

const holding = (
  holder: Holder | undefined,
  what: string,
  door: string | undefined,
  isOwn: boolean,
  fix: string,
): Finding => {
  if (holder === undefined)
    return door === 'behind'
      ? failed(
          `nobody holds ${what}, and behind means that an nginx does`,
          'start that nginx, or choose own',
          'sudo ss -lntup',
        )
      : passed(`${what} is free`);
  if (isOwn) return passed(`${what} is held by this stack`);
  if (door === 'behind') return passed(`${what} is held by ${holderText(holder)}`);
  return failed(`${what} is held by ${holderText(holder)}`, fix, 'sudo ss -lntup');
};

const ports = async (world: World, answers: Answers, signal: AbortSignal): Promise<readonly Check[]> => {
  const address = answers.bind ?? '';
  const tcp = { address, port: Number(answers.reach === 'public' ? 443 : answers.port), protocol: 'tcp' };
  const udp = { address, port: world.stunPort, protocol: 'udp' };
  const view = { listeners: systemListeners, published: world.published };
  const [web, turn] = await holdersOf([tcp, udp], view, signal);
  const ofStack = (holder: Holder | undefined) =>
    holder?.kind === 'container' && holder.project === world.project;
  // Another user's programs have no name here.
  const mayBeTurn = turn?.kind === 'unknown' || (turn?.kind === 'program' && turn.name === 'turnserver');
  const isOwnTurn = ofStack(turn) || (mayBeTurn && (await world.turnRuns(signal)));
  return [
    check(
      'port',
      'the port is there for the front door',
      holding(web, `TCP ${tcp.port}`, answers.door, ofStack(web), frontDoorFix),
    ),
    check(
      'stun-port',
      'the port of STUN is there for coturn',
      holding(turn, `UDP ${udp.port}`, 'own', isOwnTurn, stunFix),
    ),
  ];
};

/** Why there is no token to be tried yet; undefined where there is one. */
const notYet = async (source: SecretSource, { folder, env }: World): Promise<string | undefined> => {
  if ('env' in source)
    return env[source.env] === undefined ? `the environment has no ${source.env} yet` : undefined;
  const file = 'sops' in source ? source.sops : 'file' in source ? source.file : undefined;
  if (file === undefined) return undefined;
  const absolute = fileIn(folder, file);
  return (await exists(absolute)) ? undefined : `there is no ${absolute} yet`;
};

const token = async (world: World, answers: Answers, signal: AbortSignal): Promise<readonly Check[]> => {
  const source = world.sourceOf(answers);
  const { domain = '' } = answers;
  const title = `the token may edit the DNS of ${domain}`;
  if (source === undefined) return [];
  const missing = await notYet(source, world);
  if (missing !== undefined) return [check('token', title, skipped(missing))];
  const reader = createTokenReader({
    api: world.api,
    http: world.http,
    async token() {
      const value = await readSecretSource(source, { folder: world.folder, env: world.env, signal });
      world.learn(value);
      return value;
    },
  });
  const { finding, zone } = await examineToken(reader, domain, signal);
  const found = check('token', title, finding);
  if (zone === undefined || zone.nameServers.length === 0) return [found];
  const whole = await delegation(world, zone.name, zone.nameServers, signal);
  return [found, check('zone', `${zone.name} is delegated to the name servers of its zone`, whole)];
};

/** All looks at once. A zone that is delegated as Cloudflare wants it is right, whatever its name servers are called. */
export const lookAll = async (
  looks: readonly Look[],
  answers: Answers,
  signal: AbortSignal,
): Promise<readonly Check[]> => {
  const checks = (await Promise.all(looks.map(async (look) => look.run(answers, signal)))).flat();
  const isZoneRight = checks.some((one) => one.id === 'init.zone' && one.status === 'passed');
  return checks.filter((one) => one.id !== 'init.delegation' || !isZoneRight);
};

/** Every look, with the answer after which it can be made. */
export const createLooks = (world: World): readonly Look[] => {
  const ofToken = (kind: string, after: AnswerId): Look => ({
    after,
    againFrom: () => 'token',
    run: async (answers, signal) => (answers.token === kind ? token(world, answers, signal) : []),
  });
  return [
    {
      after: 'domain',
      againFrom: () => 'domain',
      async run({ domain = '' }, signal) {
        const finding = await delegation(world, domain, undefined, signal);
        return [check('delegation', `${domain} is delegated to Cloudflare's name servers`, finding)];
      },
    },
    {
      after: 'reach',
      againFrom: () => 'reach',
      async run({ reach }, signal) {
        // At home only, nothing has to come in.
        if (reach === 'lan') return [];
        return [check('outside', 'a port can be forwarded to this machine', await outside(world, signal))];
      },
    },
    {
      after: 'bind',
      againFrom: () => 'bind',
      async run(answers, signal) {
        const address = check('bind', 'the address is one of this machine', bindable(answers));
        if (answers.reach !== 'lan') return [address];
        const finding = await examineResolver(await viewOf(world), answers.domain ?? '', signal);
        return [address, check('rebind', 'the router shows names that lead to addresses at home', finding)];
      },
    },
    {
      after: 'door',
      againFrom: ({ reach }) => (reach === 'public' ? 'reach' : 'port'),
      run: async (answers, signal) => ports(world, answers, signal),
    },
    ofToken('sops', 'token'),
    ofToken('file', 'tokenFile'),
    ofToken('env', 'tokenEnv'),
  ];
};
