import { isIP } from 'node:net';
import { networkInterfaces } from 'node:os';
import { kindOfAddress } from '../shared/addresses.ts';
import { errnoOf, isAbort } from '../shared/errors.ts';
import { readText } from '../shared/files.ts';
import type { Http } from '../shared/http.ts';

/** An address of an interface of this host. */
export interface OwnAddress {
  /** Such as eth0. */
  readonly via: string;
  readonly address: string;
  /** With the bits of its network, such as 192.168.1.5/24. */
  readonly cidr: string;
}

/** How packets leave this host for the internet. */
export interface DefaultRoute {
  /** The router. */
  readonly gateway: string;
  readonly via: string;
}

/** Interfaces that containers and meshes make; no device at home reaches this host through them. */
const isMadeHere = (via: string): boolean =>
  /^(docker|br-|veth|wt|tailscale|tun|tap|virbr|cni|podman)/.test(via);

/** Addresses of this host in its own network. `interfaces`: what Node shows. */
export const lanAddresses = (
  interfaces: ReturnType<typeof networkInterfaces> = networkInterfaces(),
): readonly OwnAddress[] =>
  Object.entries(interfaces).flatMap(([via, all]) =>
    isMadeHere(via)
      ? []
      : (all ?? []).flatMap(({ address, cidr, internal }) =>
          internal || cidr === null || kindOfAddress(address) === 'local' ? [] : [{ via, address, cidr }],
        ),
  );

/** The default route of lowest metric in the text of /proc/net/route; undefined where there is none. */
export const parseDefaultRoute = (text: string): DefaultRoute | undefined =>
  text
    .split('\n')
    .slice(1)
    .flatMap((line) => {
      const [via = '', destination = '', gateway = '', , , , metric = ''] = line.trim().split(/\s+/);
      if (destination !== '00000000' || !/^[0-9A-F]{8}$/i.test(gateway) || gateway === '00000000') return [];
      // Little endian, as the kernel keeps it.
      const bytes = [6, 4, 2, 0].map((at) => Number.parseInt(gateway.slice(at, at + 2), 16));
      return [{ gateway: bytes.join('.'), via, metric: Number(metric) }];
    })
    .toSorted((a, b) => a.metric - b.metric)
    .map(({ gateway, via }) => ({ gateway, via }))[0];

export const defaultRoute = async (): Promise<DefaultRoute | undefined> =>
  parseDefaultRoute((await readText('/proc/net/route')) ?? '');

/** A page of Cloudflare's that says from which address it is called; by address, so that it is asked over IPv4. */
const traceUrl = 'https://1.1.1.1/cdn-cgi/trace';

/** The address from which a call reaches the internet, or why it is not known. */
export const findPublicAddress = async (
  http: Pick<Http, 'call'>,
  signal: AbortSignal,
  url: string = traceUrl,
): Promise<{ readonly address: string } | { readonly unknown: string }> => {
  try {
    const { text } = await http.call('GET', url, { timeoutMs: 5000, signal });
    const address = /^ip=(\S+)$/m.exec(text)?.[1];
    if (address !== undefined && isIP(address) !== 0) return { address };
    return { unknown: `${new URL(url).host} names no address` };
  } catch (error) {
    signal.throwIfAborted();
    const seen = isAbort(error) ? 'not in time' : (errnoOf(error) ?? String(error));
    return { unknown: `no answer from ${new URL(url).host} (${seen})` };
  }
};

/** What lies between this host and the internet. */
export interface Translation {
  /**
   * `none`: this host has the public address itself. `router`: the router has it, a port can be forwarded. `carrier`:
   * the provider has it, nobody can forward a port. `unknown`: only the router's own page tells router from carrier.
   */
  readonly kind: 'none' | 'router' | 'carrier' | 'unknown';
  /** For people: what was seen, and for `unknown` the test. */
  readonly text: string;
}

interface Seen {
  /** As the outside sees it. */
  readonly publicAddress: string;
  readonly own: readonly OwnAddress[];
  readonly route: DefaultRoute | undefined;
  /** The address that the router's page shows for its side to the internet, where a person read it there. */
  readonly routerAddress?: string;
}

/**
 * Tells a router's address translation from a provider's (carrier-grade NAT). From here the two look alike, unless this
 * host itself has an address of the carrier's range; else the router's address has to be read on its page. Pure.
 */
export const translationOf = ({ publicAddress, own, route, routerAddress }: Seen): Translation => {
  if (own.some((one) => one.address === publicAddress))
    return { kind: 'none', text: `this host has the public address ${publicAddress} itself` };
  const outward = own.filter((one) => one.via === route?.via);
  const carriers = outward.find((one) => kindOfAddress(one.address) === 'carrier');
  if (carriers !== undefined)
    return {
      kind: 'carrier',
      text: `this host has ${carriers.address}, of the range that providers share (100.64.0.0/10)`,
    };
  if (routerAddress === undefined) {
    const where = route === undefined ? 'your router' : `your router (http://${route.gateway})`;
    return {
      kind: 'unknown',
      text:
        `compare: the outside sees ${publicAddress}; ${where} shows its own internet (WAN) address. The same: a port ` +
        'can be forwarded. Another one, or one that begins with 100.64 to 100.127, 10., 172.16 to 172.31 or 192.168.: ' +
        'your provider shares one address among customers (carrier-grade NAT), and no port can be forwarded',
    };
  }
  if (routerAddress === publicAddress)
    return { kind: 'router', text: `the router has the public address ${publicAddress}` };
  const kind = kindOfAddress(routerAddress);
  const why = kind === 'public' ? 'is another one' : 'cannot be dialled from the internet';
  return {
    kind: 'carrier',
    text: `the router's address ${routerAddress} ${why}, the outside sees ${publicAddress}: your provider translates addresses (carrier-grade NAT), or there is a second router`,
  };
};
