import type { Cloudflare } from '../../../../sandbox/cloudflare/server.ts';
import type { Container, PublishedPort } from '../../../../src/containers/docker/answers.ts';
import { askWithin, type AskDns, type DnsQuestion, type DnsReply } from '../../../../src/dns/wire/ask.ts';
import type { DnsView } from '../../../../src/dns/wire/resolve.ts';
import { createTokenReader } from '../../../../src/dns/wire/token-reader.ts';
import { knownOf } from '../../../../src/doctor/known.ts';
import { createStun } from '../../../../src/doctor/stun.ts';
import type { DoctorView, Room, StackView, WantedImage } from '../../../../src/doctor/view.ts';
import { desiredIdentity } from '../../../../src/oidc/desired.ts';
import type { Check } from '../../../../src/orchestrator/report/check.ts';
import { parseSettings } from '../../../../src/settings/load.ts';
import { addressesOf, pathsOf, type Settings } from '../../../../src/settings/settings.ts';
import type { StackError } from '../../../../src/shared/errors.ts';
import { createHttp, type Http } from '../../../../src/shared/http.ts';
import { startProvider, tokens, zoneName } from '../../../support/cloudflare.ts';
import { startStun, type StunAnswers } from './stun.ts';

/*
 * A host on which all is well: a DNS provider and its name server, a resolver and a registry above them, a STUN server,
 * and a machine. Every part can be broken by itself.
 */

const homeAddress = '192.168.7.5';
const nameServer = 'ada.ns.cloudflare.com';

const settingsText = (api: string, stunPort: number) => `
domain: ${zoneName}
reachability: { mode: port, port: 8443, stun_port: ${stunPort}, address: ${homeAddress}, bind: 127.0.0.1 }
certificates: { contact: admin@${zoneName} }
cloudflare: { token: { env: TOKEN }, api: "${api}" }
identity: { admin: { username: alice, email: alice@${zoneName}, first_name: Alice } }
turn: { network: bridge, relay_ports: { min: 49152, max: 49153 } }
`;

const settingsOf = (api: string, stunPort: number): Settings => {
  const settings = parseSettings(settingsText(api, stunPort), 'test settings');
  return {
    ...settings,
    host: 'lab',
    project: 'skylab-lab',
    folder: '/nowhere',
    installation: process.cwd(),
    addresses: addressesOf(settings),
    paths: pathsOf('/nowhere', 'lab'),
  };
};

const services = [
  'postgres',
  'pocket-id',
  'netbird-management',
  'netbird-signal',
  'netbird-relay',
  'netbird-dashboard',
  'coturn',
  'nginx',
  'certs',
];

const container = (service: string): Container => ({
  id: service,
  name: `skylab-lab-${service}-1`,
  service,
  state: 'running',
  healthy: true,
  imageId: `sha256:${service}`,
  hash: '',
  ours: true,
  oneOff: false,
  imageKind: 'upstream',
});

const proofs = [
  'tls.chain',
  'tls.serial',
  'route.grpc.management',
  'route.grpc.signal',
  'route.websocket.relay',
  'route.websocket.management',
  'route.websocket.signal',
  'closed.setup',
  'closed.api-key',
];

type DsRecord = Extract<DnsReply['answers'][number], { type: 'DS' }>['data'];

/** Everything that can be broken. */
export interface World {
  settings: Settings;
  brokenSettings: StackError | undefined;
  engineError: StackError | undefined;
  room: Room;
  availableKibibytes: number;
  containers: readonly Container[];
  published: readonly PublishedPort[];
  listeners: string;
  interfaces: Record<string, readonly string[]>;
  /** The servers of the outside do not answer, with this code. */
  unreachable: string | undefined;
  clockOffsetMs: number;
  token: string;
  resolverIsSilent: boolean;
  nameServers: readonly string[];
  /** What the resolver at home says of names of ours. */
  resolved: readonly string[];
  ds: readonly DsRecord[];
  /** The resolver validates and finds a broken zone. */
  isBogus: boolean;
  proofs: Check[];
  proofError: StackError | undefined;
  daysLeft: number;
  /** How often nginx answers 502 at the name of Pocket ID before it knows its new address. */
  badGateways: number;
  issuer: string;
  managementIssuer: string;
  redirects: { callbacks: readonly string[]; logouts: readonly string[] } | undefined;
  /** What differs from the images that the containers run on. */
  wantedImages: Record<string, WantedImage>;
  readonly stun: StunAnswers;
  readonly provider: Cloudflare;
  readonly view: (signal: AbortSignal) => DoctorView;
  readonly close: () => Promise<void>;
}

const dayMs = 86_400_000;

/** The authority and the API, as far as their clocks matter. */
const outside = (world: World): Pick<Http, 'call'> => ({
  async call() {
    if (world.unreachable !== undefined)
      throw Object.assign(new Error(world.unreachable), { code: world.unreachable });
    const date = new Date(Date.now() + world.clockOffsetMs).toUTCString();
    return { status: 200, headers: { date }, text: '', json: () => undefined };
  },
});

const text = (name: string, type: 'A' | 'NS', data: readonly string[]): DnsReply['answers'] =>
  data.map((one) => ({ name, type, ttl: 300, data: one }));

const resolver = (world: World, { name, type, unchecked }: DnsQuestion): Partial<DnsReply> => {
  if (world.isBogus && unchecked !== true && name === zoneName) return { rcode: 'SERVFAIL' };
  switch (`${name} ${type}`) {
    case 'test NS':
      return { answers: text(name, 'NS', ['ns.registry.example']) };
    case 'ns.registry.example A':
      return { answers: text(name, 'A', ['registry']) };
    case `${nameServer} A`:
      return { answers: text(name, 'A', ['127.0.0.1']) };
    case `${zoneName} NS`:
      return { answers: text(name, 'NS', world.nameServers) };
    case `${zoneName} DS`:
      return { answers: world.ds.map((data) => ({ name, type: 'DS', data })) };
    case `pocketid.${zoneName} A`:
      return { answers: text(name, 'A', world.resolved) };
    default:
      return { rcode: 'NXDOMAIN' };
  }
};

/** Servers that answer get all the time they need; those that are silent are so by their fault alone. */
const patienceMs = 20_000;

const dnsOf = (world: World): DnsView => {
  const wire = askWithin(() => patienceMs);
  const ask: AskDns = async (server, question, signal) => {
    const whole = (part: Partial<DnsReply>): DnsReply => ({
      rcode: 'NOERROR',
      authoritative: false,
      answers: [],
      authorities: [],
      ...part,
    });
    switch (server.address) {
      case 'resolver':
        if (world.resolverIsSilent) throw new Error('no answer');
        return whole(resolver(world, question));
      case 'registry':
        return whole({ authorities: text(zoneName, 'NS', world.nameServers) });
      default:
        return wire(server, question, signal);
    }
  };
  return { ask, resolvers: [{ address: 'resolver', port: 53 }], port: world.provider.dnsPort };
};

const viewOf = (world: World, http: Http, signal: AbortSignal): DoctorView => {
  const throwIfBroken = () => {
    if (world.engineError !== undefined) throw world.engineError;
  };
  const { settings } = world;
  const stack: StackView = {
    settings,
    async containers() {
      throwIfBroken();
      return world.containers;
    },
    memoryLimitBytes: async () => 3 * 1024 ** 3,
    wantedImages: async (names) =>
      Object.fromEntries(
        names.map((name) => [
          name,
          world.wantedImages[name] ?? { ref: name, kind: 'upstream', id: `sha256:${name}` },
        ]),
      ),
    token: createTokenReader({ api: world.provider.apiUrl, http, token: async () => world.token }),
    dns: async () => dnsOf(world),
    authoritative: async () => [],
    wantedAddress: async () => ({ address: homeAddress }),
    directory: 'https://acme-v02.api.letsencrypt.org/directory',
    account: async () => undefined,
    publicHttp: {
      async call() {
        const status = world.badGateways > 0 ? 502 : 200;
        world.badGateways -= 1;
        return { status, headers: {}, text: '', json: () => ({ issuer: status === 200 && world.issuer }) };
      },
    },
    served: {
      async report() {
        if (world.proofError !== undefined) throw world.proofError;
        return { subject: 'verify-tls', checks: world.proofs };
      },
      dates: async () => ({
        fromMs: Date.now() - (90 - world.daysLeft) * dayMs,
        // Whole days count, and the clock goes on until they are counted.
        toMs: Date.now() + (world.daysLeft + 0.5) * dayMs,
      }),
    },
    redirects: async () => world.redirects,
    stun: createStun(
      '127.0.0.1',
      settings.reachability.stun_port,
      world.stun.answer === 'nothing' ? 1000 : patienceMs,
    ),
  };
  const interfaces = () =>
    Object.fromEntries(
      Object.entries(world.interfaces).map(([via, cidrs]) => [
        via,
        cidrs.map((cidr) => ({
          address: cidr.split('/')[0] ?? '',
          cidr,
          internal: false,
          family: 'IPv4' as const,
          netmask: '',
          mac: '',
        })),
      ]),
    );
  return {
    machine: {
      room: async () => world.room,
      async readText(path) {
        if (path === '/proc/meminfo') return `MemAvailable:  ${world.availableKibibytes} kB\n`;
        if (path.endsWith('management.json'))
          return JSON.stringify({ HttpConfig: { AuthIssuer: world.managementIssuer } });
        return undefined;
      },
      interfaces,
      listeners: async () => world.listeners,
      nowMs: () => Date.now(),
    },
    engine: {
      check: async () => {
        throwIfBroken();
      },
      async dataRoot() {
        throwIfBroken();
        return '/var/lib/docker';
      },
      async publishedPorts() {
        throwIfBroken();
        return world.published;
      },
    },
    http: outside(world),
    systemDns: dnsOf(world),
    stack:
      world.brokenSettings === undefined
        ? { ...stack, known: knownOf(stack, signal) }
        : { broken: world.brokenSettings },
  };
};

/** A host on which all is well. */
export const startWorld = async (): Promise<World> => {
  const provider = await startProvider({ nameServers: [{ name: nameServer }] });
  const said = { answer: 'well', isOpen: false } as StunAnswers;
  const stun = await startStun(said);
  const settings = settingsOf(provider.apiUrl, stun.address().port);
  for (const name of ['netbird', 'pocketid', 'turn'])
    await provider.add({ name: `${name}.${zoneName}`, type: 'A', content: homeAddress });
  const http = createHttp();
  const mesh = desiredIdentity(settings).clients[0];
  const world: World = {
    settings,
    brokenSettings: undefined,
    engineError: undefined,
    room: { freeBytes: 50 * 1024 ** 3, freeFiles: 1_000_000, files: 2_000_000 },
    availableKibibytes: 4 * 1024 ** 2,
    containers: services.map(container),
    published: [],
    listeners: '',
    interfaces: { eth0: [`${homeAddress}/24`], wt0: ['100.90.1.1/16'] },
    unreachable: undefined,
    clockOffsetMs: 0,
    token: tokens.edit.value,
    resolverIsSilent: false,
    nameServers: [nameServer],
    resolved: [homeAddress],
    ds: [],
    isBogus: false,
    proofs: proofs.map((id) => ({ id, title: id, status: 'passed', detail: 'well', required: true })),
    proofError: undefined,
    daysLeft: 60,
    badGateways: 0,
    issuer: settings.addresses.issuer,
    managementIssuer: settings.addresses.issuer,
    redirects: { callbacks: mesh?.callbacks ?? [], logouts: mesh?.logoutCallbacks ?? [] },
    wantedImages: {},
    stun: said,
    provider,
    view: (signal) => viewOf(world, http, signal),
    async close() {
      stun.close();
      http.close();
      await provider.close();
    },
  };
  return world;
};
