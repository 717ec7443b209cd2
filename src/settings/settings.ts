import { join } from 'node:path';
import type { HostSettings } from './schema.ts';

/** The full names and addresses that follow from the settings; the issuer carries the port. */
export interface Addresses {
  /** Host names, lower case. */
  readonly mesh: string;
  readonly identity: string;
  readonly turn: string;
  readonly port: number;
  /** `https://<identity>[:port]`, without a slash at the end: issuer and APP_URL. */
  readonly issuer: string;
  /** `https://<mesh>[:port]`, without a slash at the end. */
  readonly meshUrl: string;
  /** Where this program talks to Pocket ID: `http://127.0.0.1:<loopback port>`. */
  readonly identityLoopback: string;
  /** nginx's fixed IPv4 address in the stack's network: the last usable one. */
  readonly nginx: string;
  /** The part of the network that Docker hands out: its lower half, so that nobody else gets nginx's address. */
  readonly dynamicRange: string;
}

/** Every place on disk that belongs to one host's stack. */
export interface Paths {
  /** `<root>/skylab-<host>`, mode 0700. */
  readonly state: string;
  /** Mounted folders, one a service; inside each `current` points at a version. */
  readonly services: string;
  readonly certificates: string;
  /** Root certificate (PEM) of the CA that signs for private names; there once `up` has made it. */
  readonly localCaRoot: string;
  readonly secrets: string;
  /** What the renewer writes about a public address that it follows; coturn reads it. No secret in it. */
  readonly publicAddress: string;
  readonly cache: string;
  /** What another nginx reads where it holds the port: `<root>/skylab-<host>-front`; outside `state`, which is ours alone. */
  readonly front: string;
  /** Interpolation values for Compose; no secret in it. */
  readonly composeEnv: string;
  readonly runLock: string;
  /** What NetBird's management writes: `<root>/netbird`. */
  readonly netbirdData: string;
  /** What a Pocket ID that runs without this stack reads: `<root>/secrets/pocketid.env`. */
  readonly identityEnv: string;
}

/** Everything that was decided for one host, and what follows from it. Plain data; secrets are references. */
export interface Settings extends HostSettings {
  readonly host: string;
  /** The Compose project: `skylab-<host>`. */
  readonly project: string;
  /** `compose/hosts/<host>`, absolute. */
  readonly folder: string;
  /** The root of this program's files (compose/, dist/), absolute. */
  readonly installation: string;
  readonly addresses: Addresses;
  readonly paths: Paths;
  /** Id of the group whose members read `paths.front`; undefined where the stack's own nginx holds the port. */
  readonly frontGid?: number | undefined;
}

const originOf = (name: string, port: number): string =>
  port === 443 ? `https://${name}` : `https://${name}:${port}`;

/** nginx's address in a subnet, and the part that Docker hands out. */
const networkOf = (subnet: string): Pick<Addresses, 'nginx' | 'dynamicRange'> => {
  const [base = '', bits = ''] = subnet.split('/');
  const asNumber = base.split('.').reduce((sum, part) => sum * 256 + Number(part), 0);
  const size = 2 ** (32 - Number(bits));
  const start = Math.floor(asNumber / size) * size;
  const asText = (value: number) =>
    [24, 16, 8, 0].map((shift) => Math.floor(value / 2 ** shift) % 256).join('.');
  return { nginx: asText(start + size - 2), dynamicRange: `${asText(start)}/${Number(bits) + 1}` };
};

export const addressesOf = (settings: HostSettings): Addresses => {
  const { domain, names, reachability } = settings;
  const mesh = `${names.mesh}.${domain}`;
  const identity = `${names.identity}.${domain}`;
  return {
    mesh,
    identity,
    turn: `${names.turn}.${domain}`,
    port: reachability.port,
    issuer: originOf(identity, reachability.port),
    meshUrl: originOf(mesh, reachability.port),
    identityLoopback: `http://127.0.0.1:${settings.identity.loopback_port}`,
    ...networkOf(settings.network.subnet),
  };
};

/** Where things are kept. `root` is absolute. */
export const pathsOf = (root: string, host: string): Paths => {
  const state = join(root, `skylab-${host}`);
  return {
    state,
    services: join(state, 'services'),
    certificates: join(state, 'certificates'),
    localCaRoot: join(state, 'certificates', 'local', 'root.pem'),
    secrets: join(state, 'secrets'),
    publicAddress: join(state, 'public-address'),
    cache: join(state, 'cache'),
    front: join(root, `skylab-${host}-front`),
    composeEnv: join(state, 'compose.env'),
    runLock: join(state, 'run.lock'),
    netbirdData: join(root, 'netbird'),
    identityEnv: join(root, 'secrets', 'pocketid.env'),
  };
};

/** The zone's names that need a certificate. */
export const certificateNames = (settings: Settings): readonly string[] => [
  settings.addresses.identity,
  settings.addresses.mesh,
];

/** A name at home, and the address it leads to. */
export interface PrivateName {
  readonly name: string;
  /** `https://<real name>[:port]`, without a slash at the end. */
  readonly target: string;
}

/** The private names, sorted. They are served on the same port as the real ones. */
export const privateNames = ({
  private_names,
  addresses,
}: Pick<Settings, 'private_names' | 'addresses'>): readonly PrivateName[] =>
  Object.entries(private_names)
    .map(([name, of]) => ({ name, target: of === 'identity' ? addresses.issuer : addresses.meshUrl }))
    .sort((a, b) => (a.name < b.name ? -1 : 1));

/** The address our own clients dial for the stack's names: the one on which the ports are published. */
export const dialAddress = (settings: HostSettings): string => {
  const { bind } = settings.reachability;
  if (bind === '0.0.0.0') return '127.0.0.1';
  return bind === '::' ? '::1' : bind;
};
