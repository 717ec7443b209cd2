import {
  certificateNames,
  dialAddress,
  privateNames,
  type PrivateName,
  type Settings,
} from '../settings/settings.ts';

/** The nginx that holds the port, where it is not ours: it reads `folder`, and passes on to a socket in it. */
export interface Front {
  /** On this host. Its group is the other nginx's. */
  readonly folder: string;
  /** The virtual hosts for that nginx. */
  readonly file: string;
  /** Values of nginx's `listen`. */
  readonly listen: readonly string[];
  /** Letters, digits and _: what its variables are named after. */
  readonly prefix: string;
}

/** A server in the stack's network, by the name of its service. */
export interface Upstream {
  readonly host: string;
  readonly port: number;
}

/** Places inside nginx's container. */
export interface Places {
  /** Where the rendered files are mounted; `current` in it is one version of them. */
  readonly files: string;
  /** Where the certificate store is mounted. */
  readonly certificates: string;
  /** A writable folder: process id and temporary files. */
  readonly scratch: string;
  /** Where it listens for the nginx that holds the port, if there is one. */
  readonly socket: string;
}

/** What nginx should serve. */
export interface DesiredIngress {
  /** The zone: its certificate is at `<certificates>/<domain>/current/{fullchain,key}.pem`. */
  readonly domain: string;
  readonly mesh: string;
  readonly identity: string;
  /** Every public name: each has a virtual host. */
  readonly names: readonly string[];
  /** Names at home: each has a virtual host that redirects. Their certificate is at `<certificates>/local/current/…`. */
  readonly privateNames: readonly PrivateName[];
  /** TCP port inside and outside alike: the issuer carries it. */
  readonly port: number;
  /** The address at which our own clients reach that port. */
  readonly dialAddress: string;
  /** The certificates that should be served, as files of this host. */
  readonly certificateFile: string;
  readonly privateCertificateFile: string;
  /** True: browsers are told to use nothing but https for these names. */
  readonly strictTransport: boolean;
  readonly places: Places;
  /** Undefined where our nginx holds the port itself. */
  readonly front: Front | undefined;
  /** Loopback port inside the container for its health check. */
  readonly healthPort: number;
  /** The DNS server that knows where the upstreams are. */
  readonly resolver: string;
  readonly upstreams: {
    readonly identity: Upstream;
    readonly management: Upstream;
    readonly signal: Upstream;
    readonly relay: Upstream;
    readonly dashboard: Upstream;
  };
}

const frontOf = ({ ingress, project, paths, addresses }: Settings): Front | undefined =>
  ingress.mode === 'own'
    ? undefined
    : {
        folder: paths.front,
        file: `${paths.front}/${project}.conf`,
        listen: ingress.listen.length > 0 ? ingress.listen : [String(addresses.port)],
        prefix: project.replaceAll('-', '_'),
      };

/** The front door of a host, as its settings want it. */
export const desiredIngress = (settings: Settings): DesiredIngress => ({
  domain: settings.domain,
  mesh: settings.addresses.mesh,
  identity: settings.addresses.identity,
  names: certificateNames(settings),
  privateNames: privateNames(settings),
  port: settings.addresses.port,
  dialAddress: dialAddress(settings),
  certificateFile: `${settings.paths.certificates}/${settings.domain}/current/fullchain.pem`,
  privateCertificateFile: `${settings.paths.certificates}/local/current/fullchain.pem`,
  // Browsers hold on to it for a year, and then let nobody past a certificate that they do not trust: with a private
  // authority, whose root may change, people would be locked out of their own names.
  strictTransport: settings.certificates.trust === 'system',
  places: {
    files: '/etc/skylab',
    certificates: '/etc/skylab-certificates',
    scratch: '/tmp',
    socket: '/run/skylab/nginx.sock',
  },
  front: frontOf(settings),
  healthPort: 8081,
  // Docker's own, the same address in every container.
  resolver: '127.0.0.11',
  upstreams: {
    identity: { host: 'pocket-id', port: 1411 },
    management: { host: 'netbird-management', port: 80 },
    signal: { host: 'netbird-signal', port: 80 },
    relay: { host: 'netbird-relay', port: 33_080 },
    dashboard: { host: 'netbird-dashboard', port: 80 },
  },
});
