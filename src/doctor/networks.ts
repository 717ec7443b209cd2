import type { PublishedPort } from '../containers/docker/answers.ts';
import { overlaps, parseRoutes, subnetsOverlap, type WantedPort } from '../containers/docker/conflicts.ts';
import type { Settings } from '../settings/settings.ts';
import { isStackError } from '../shared/errors.ts';
import { ofStack, type Examination } from './examine.ts';
import { failed, passed, unknown, type Finding } from './finding.ts';
import { holdersOf, holderText, type Holder } from './ports.ts';
import type { DoctorView } from './view.ts';

/** The range out of which NetBird gives every mesh a /16 (RFC 6598). */
const meshRange = '100.64.0.0/10';
/** Names of NetBird's own interface. */
const isMesh = (via: string): boolean => /^(wt|nb|utun)\d*/.test(via);

interface Reach {
  readonly subnet: string;
  readonly via: string;
}

/** Judges whether anything else on this host uses addresses of the mesh. Pure. */
export const judgeMeshRange = (reaches: readonly Reach[]): Finding => {
  const others = reaches.filter((one) => !isMesh(one.via) && subnetsOverlap(one.subnet, meshRange));
  const [first] = others;
  if (first === undefined) return passed(`nothing else here uses ${meshRange}`);
  const seen = [...new Set(others.map((one) => `${one.subnet} on ${one.via}`))].join(', ');
  const isTailscale = others.some((one) => one.via.startsWith('tailscale'));
  return failed(
    `${seen} lies in ${meshRange}, from which the mesh takes its addresses`,
    isTailscale
      ? 'Tailscale drops what comes from these addresses by another way: stop it on this host (tailscale down), or run it with --netfilter-mode=off'
      : 'give the network at home another range (192.168.x.0/24) in the router; where the provider gives these addresses, choose another range for the mesh in the dashboard: Settings, Networks',
    `ip route get 100.64.0.1`,
  );
};

/** Every port of this host that the stack publishes, and for whom. */
export const wantedPorts = (settings: Settings): readonly (WantedPort & { readonly service: string })[] => {
  const { reachability, addresses, identity, ingress, turn } = settings;
  const { bind: address } = reachability;
  const { min, max } = turn.relay_ports;
  return [
    // Behind another nginx it is that one which holds the port.
    ...(ingress.mode === 'own' ? [{ service: 'nginx', address, port: addresses.port, protocol: 'tcp' }] : []),
    { service: 'pocket-id', address: '127.0.0.1', port: identity.loopback_port, protocol: 'tcp' },
    { service: 'coturn', address, port: reachability.stun_port, protocol: 'udp' },
    ...Array.from({ length: max - min + 1 }, (_, index) => ({
      service: 'coturn',
      address,
      port: min + index,
      protocol: 'udp',
    })),
  ];
};

/** On the host's own network coturn is no container's port, and listens itself. */
const isOwn = (holder: Holder, settings: Settings, running: boolean): boolean =>
  holder.kind === 'container'
    ? holder.project === settings.project
    : running && holder.kind === 'program' && ['turnserver', 'docker-proxy'].includes(holder.name);

type Taken = WantedPort & { readonly service: string; readonly holder: Holder };

/** Judges ports that others hold. Pure. */
const judgePorts = (taken: readonly Taken[]): Finding => {
  const [first] = taken;
  if (first === undefined) return passed('every port is free, or held by the stack itself');
  const text = taken
    .map(
      (one) =>
        `${one.service} needs ${one.address}:${one.port}/${one.protocol}, held by ${holderText(one.holder)}`,
    )
    .join('; ');
  const isNginx = taken.some((one) => one.service === 'nginx' && /nginx/.test(holderText(one.holder)));
  return failed(
    text,
    `stop that program, or choose another port in settings.yaml${isNginx ? '; or put this stack behind that nginx: ingress.mode: behind' : ''}`,
    `sudo ss -lntup | grep :${first.port}`,
  );
};

const isLoopback = (address: string): boolean => address.startsWith('127.') || address === '::1';

/**
 * Judges ports that Docker publishes: they pass by the host's firewall, so only those that the settings ask for may be
 * bound to more than loopback. Ports of other containers are named, and are not ours to judge. Pure.
 */
const judgePublished = (published: readonly PublishedPort[], settings: Settings): Finding => {
  const wanted = wantedPorts(settings);
  const open = published.filter((one) => !isLoopback(one.address));
  const text = (one: PublishedPort) => `${one.container} on ${one.address}:${one.port}/${one.protocol}`;
  const odd = open.filter(
    (one) =>
      one.project === settings.project &&
      !wanted.some((port) => port.address === one.address && overlaps(port, one)),
  );
  const foreign = open.filter((one) => one.project !== settings.project);
  const [first] = odd;
  if (first !== undefined)
    return failed(
      `published past the firewall, and not asked for: ${odd.map(text).join(', ')}`,
      "take the port out of the host's own compose.yaml or put 127.0.0.1: before it; then npm run up",
      `docker port ${first.container}`,
    );
  const more =
    foreign.length === 0 ? '' : `; others publish past the firewall: ${foreign.map(text).join(', ')}`;
  return passed(`only what reachability asks for${more}`);
};

/** Ports and who holds them. */
export const portsExamination = (view: DoctorView): Examination =>
  ofStack(
    view,
    { id: 'ports', title: 'nobody else holds a port that the stack needs', needs: [], timeoutMs: 15_000 },
    async ({ settings }, known, signal) => {
      const wanted = wantedPorts(settings);
      const published = async () =>
        view.engine.publishedPorts(signal).catch((error: unknown) => {
          signal.throwIfAborted();
          if (isStackError(error)) return [];
          throw error;
        });
      if ((await view.machine.listeners(signal)) === undefined)
        return unknown('there is no program ss here that lists who listens');
      const [holders, running] = await Promise.all([
        holdersOf(wanted, { listeners: view.machine.listeners, published }, signal),
        known.running(),
      ]);
      return judgePorts(
        wanted.flatMap((port, index) => {
          const holder = holders[index];
          return holder === undefined || isOwn(holder, settings, running) ? [] : [{ ...port, holder }];
        }),
      );
    },
  );

/** Mesh range, published ports, images. */
export const networkExaminations = (view: DoctorView): readonly Examination[] => [
  {
    id: 'mesh-range',
    title: 'the network at home and the mesh do not share addresses',
    needs: [],
    timeoutMs: 5000,
    async look() {
      const routes = parseRoutes((await view.machine.readText('/proc/net/route')) ?? '');
      const own = Object.entries(view.machine.interfaces()).flatMap(([via, all]) =>
        (all ?? []).flatMap(({ cidr, internal }) =>
          cidr === null || internal ? [] : [{ via, subnet: cidr }],
        ),
      );
      return judgeMeshRange([...routes, ...own]);
    },
  },
  ofStack(
    view,
    {
      id: 'published-ports',
      title: 'Docker publishes nothing past the firewall that the settings do not ask for',
      needs: ['engine'],
      timeoutMs: 20_000,
    },
    async ({ settings }, _known, signal) =>
      judgePublished(await view.engine.publishedPorts(signal), settings),
  ),
];
