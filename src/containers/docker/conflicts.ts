import { networkInterfaces } from 'node:os';
import { run } from '../../shared/exec.ts';
import { readText } from '../../shared/files.ts';
import type { Network, PublishedPort } from './answers.ts';

/** A port of this host that a service wants to publish. */
export interface WantedPort {
  readonly address: string;
  readonly port: number;
  readonly protocol: string;
}

/** Why a service cannot be started. */
export interface Conflict {
  readonly code: 'PORT_TAKEN' | 'SUBNET_TAKEN';
  /** The service, or undefined where it concerns all of them. */
  readonly service: string | undefined;
  readonly message: string;
  readonly hint: string;
}

/** Who listens for a container: a newer Engine takes the port itself, and gives it to its proxy a moment later. */
const engineListeners = new Set(['docker-proxy', 'dockerd']);

const anyAddress = new Set(['0.0.0.0', '::', '']);

/** True where one of both cannot listen while the other does. */
export const overlaps = (a: WantedPort, b: WantedPort): boolean =>
  a.port === b.port &&
  a.protocol === b.protocol &&
  (a.address === b.address || anyAddress.has(a.address) || anyAddress.has(b.address));

interface Listener extends WantedPort {
  /** Empty where this user may not see it. */
  readonly program: string;
  readonly pid: number | undefined;
  readonly holder: string;
}

/** Reads `ss -Hlntup`: who listens on which port. */
export const parseListeners = (text: string): readonly Listener[] =>
  text.split('\n').flatMap((line) => {
    const [protocol = '', , , , local = '', , users = ''] = line.trim().split(/\s+/);
    const at = local.lastIndexOf(':');
    const port = Number(local.slice(at + 1));
    if (at === -1 || !Number.isInteger(port)) return [];
    const address = local
      .slice(0, at)
      .replace(/%.*$/, '')
      .replace(/^\[|\]$/g, '')
      .replace('*', '0.0.0.0');
    const [, program = '', pid = ''] = /\(\("([^"]+)",pid=(\d+)/.exec(users) ?? [];
    const holder = `${program} (process ${pid})`;
    return { protocol, address, port, program, pid: pid === '' ? undefined : Number(pid), holder };
  });

interface Wanted {
  readonly service: string;
  readonly ports: readonly WantedPort[];
}

/** What helps against a holder of a port. An nginx that is here already can share its own. Pure. */
export const wayPast = (service: string, by: string): string => {
  const ways = 'stop that program, or choose another port in settings.yaml (who listens: sudo ss -lntup)';
  return service === 'nginx' && by.includes('nginx')
    ? `${ways}; or put this stack behind that nginx: ingress.mode: behind (docs/operations.md)`
    : ways;
};

/**
 * Ports of services about to start that a container of others or another program holds. It only looks: to try a port
 * would take it, for a moment, from a container that is just starting. So what cannot be told apart from the Engine's
 * own listener is no conflict here; Compose says it then.
 */
export const portConflicts = async (
  project: string,
  wanted: readonly Wanted[],
  publishedPorts: () => Promise<readonly PublishedPort[]>,
  signal: AbortSignal,
): Promise<readonly Conflict[]> => {
  if (wanted.every((one) => one.ports.length === 0)) return [];
  const ss = await run('ss', ['-Hlntup'], { timeoutMs: 5000, signal });
  const listeners = parseListeners(ss.stdout);
  const published = await publishedPorts();
  return wanted.flatMap(({ service, ports }) =>
    ports.flatMap((port) => {
      const container = published.find((one) => overlaps(port, one));
      const isOwn = container?.project === project && container.service === service;
      const listener = listeners.find((one) => overlaps(port, one));
      const isNamed =
        listener !== undefined && listener.program !== '' && !engineListeners.has(listener.program);
      const by =
        container === undefined ? isNamed && listener.holder : `the container ${container.container}`;
      if (isOwn || by === false) return [];
      return {
        code: 'PORT_TAKEN',
        service,
        message: `${service} needs port ${port.address}:${port.port}/${port.protocol}, which is held by ${by}`,
        hint: wayPast(service, by),
      };
    }),
  );
};

interface Range {
  readonly first: number;
  readonly last: number;
}

/** First and last address of an IPv4 subnet such as 172.30.77.0/24; undefined for anything else. */
export const rangeOf = (subnet: string): Range | undefined => {
  const match = /^(\d+)\.(\d+)\.(\d+)\.(\d+)\/(\d+)$/.exec(subnet);
  if (match === null) return undefined;
  const [a = 0, b = 0, c = 0, d = 0, bits = 0] = match.slice(1).map(Number);
  if ([a, b, c, d].some((part) => part > 255) || bits > 32) return undefined;
  const size = 2 ** (32 - bits);
  const address = ((a * 256 + b) * 256 + c) * 256 + d;
  const first = Math.floor(address / size) * size;
  return { first, last: first + size - 1 };
};

/** True where two IPv4 subnets share an address. */
export const subnetsOverlap = (a: string, b: string): boolean => {
  const [one, other] = [rangeOf(a), rangeOf(b)];
  return one !== undefined && other !== undefined && one.first <= other.last && other.first <= one.last;
};

/** Reads /proc/net/route: every subnet that has a route of its own, with its interface. */
export const parseRoutes = (text: string): readonly { readonly subnet: string; readonly via: string }[] =>
  text
    .split('\n')
    .slice(1)
    .flatMap((line) => {
      const [via = '', destination = '', , , , , , mask = ''] = line.trim().split(/\s+/);
      if (!/^[0-9A-F]{8}$/i.test(destination) || !/^[0-9A-F]{8}$/i.test(mask)) return [];
      // Little endian, as the kernel keeps it.
      const bytes = [6, 4, 2, 0].map((at) => Number.parseInt(destination.slice(at, at + 2), 16));
      const bits = Number.parseInt(mask, 16).toString(2).replaceAll('0', '').length;
      return bits === 0 ? [] : [{ subnet: `${bytes.join('.')}/${bits}`, via }];
    });

/** What this host reaches without a router. */
interface LocalNetworks {
  readonly routes: ReturnType<typeof parseRoutes>;
  readonly interfaces: ReturnType<typeof networkInterfaces>;
}

/**
 * Routes and addresses of this host. To be read before the Engine's networks: the other way round, a network that the
 * Engine makes in between, such as the stack's own, has a route and seems to be somebody else's.
 */
export const localNetworks = async (): Promise<LocalNetworks> => ({
  routes: parseRoutes((await readText('/proc/net/route')) ?? ''),
  interfaces: networkInterfaces(),
});

/** A network of another maker, a route or an address of this host in the subnet that is to be made. */
const subnetConflict = (
  subnet: string,
  networks: readonly Network[],
  { routes, interfaces }: LocalNetworks,
): Conflict | undefined => {
  const network = networks.find((one) => one.subnets.some((other) => subnetsOverlap(subnet, other)));
  const route = routes.find((one) => subnetsOverlap(subnet, one.subnet));
  const own = Object.entries(interfaces).find(([, addresses]) =>
    (addresses ?? []).some((one) => one.cidr !== null && subnetsOverlap(subnet, one.cidr)),
  );
  const by =
    network === undefined
      ? route === undefined
        ? own && `the network of ${own[0]}`
        : `the route to ${route.subnet} through ${route.via}`
      : `the Docker network "${network.name}" (${network.subnets.join(', ')})`;
  if (by === undefined) return undefined;
  return {
    code: 'SUBNET_TAKEN',
    service: undefined,
    message: `the subnet ${subnet} overlaps with ${by}`,
    hint: 'choose a free one: network.subnet in settings.yaml (what is taken: ip route; docker network ls)',
  };
};

/**
 * The same, looked at once more where only a route or an address is in the way: those of a network that the Engine has
 * just removed go a moment later.
 */
export const takenSubnet = async (
  subnet: string,
  networks: readonly Network[],
  local: LocalNetworks,
): Promise<Conflict | undefined> => {
  const network = subnetConflict(subnet, networks, { routes: [], interfaces: {} });
  if (network !== undefined || subnetConflict(subnet, [], local) === undefined) return network;
  return subnetConflict(subnet, [], await localNetworks());
};
