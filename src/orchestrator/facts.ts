/**
 * The only words that areas share. A fact is true, or there is a reason why not yet; each has one area that states it.
 *
 * - `engine.ready`: the Docker Engine answers (containers)
 * - `folders.ready`: the folders of this host exist, with the owners and modes they need (containers)
 * - `secrets.ready`: our own secrets exist (containers)
 * - `image:<image>`: an image that others are built from is on this machine (containers)
 * - `prepared:<service>`: its image is here, its files are written, nothing else holds its ports (containers)
 * - `started:<service>`: the container runs as wanted, healthy or not yet (containers)
 * - `healthy:<service>`: the container runs as wanted and its health check passes (containers)
 * - `host.services`: what this host's own Compose override adds is healthy (containers)
 * - `postgres.ready`: roles, databases and extensions are there (postgres)
 * - `identity.key`: Pocket ID's database was written with the encryption key we hold, or with none yet (postgres)
 * - `dns.records`: our names have their records (dns)
 * - `ca.api`: the certificate authority answers, and its roots can be read (acme)
 * - `challenge.records`: stated where a run met records of an ended one that the token cannot reach (acme)
 * - `certificate:<domain>`: a valid certificate for all names of the zone is in the store (acme)
 * - `certificate:local-ca`: the CA for private names is there (private)
 * - `certificate:local`: a valid certificate for all private names is in the store (private)
 * - `ingress.ready`: nginx serves our names with that certificate (ingress)
 * - `identity.api`: Pocket ID answers our key (oidc)
 * - `identity.owned`: the first administrator exists, so the set-up page is closed (oidc)
 * - `identity.client`: the NetBird client and its group are as wanted (oidc)
 * - `identity.settings`: people, further groups and clients of the settings are as wanted (oidc)
 * - `mesh.api`: NetBird's management answers through nginx (netbird)
 * - `mesh.owned`: the administrator owns the mesh and we hold a service token (netbird)
 * - `mesh.settings`: account settings, groups and policies are as wanted (netbird)
 */
export type Fact =
  | 'engine.ready'
  | 'folders.ready'
  | 'secrets.ready'
  | 'host.services'
  | 'postgres.ready'
  | 'dns.records'
  | 'ca.api'
  | 'challenge.records'
  | 'ingress.ready'
  | 'identity.key'
  | 'identity.api'
  | 'identity.owned'
  | 'identity.client'
  | 'identity.settings'
  | 'mesh.api'
  | 'mesh.owned'
  | 'mesh.settings'
  | `image:${string}`
  | `prepared:${string}`
  | `started:${string}`
  | `healthy:${string}`
  | `certificate:${string}`;

/**
 * Why a fact is not true: the text people read while they wait.
 * absent: a step of the plan makes it so · unreachable: an outside system does not answer · conflict: something of
 * another maker is in the way, a person decides.
 */
export interface Why {
  readonly because: 'absent' | 'unreachable' | 'conflict';
  readonly text: string;
  /** What to do about it, where a person can. */
  readonly hint?: string;
}

export type Facts = Partial<Record<Fact, true | Why>>;

export const absent = (text: string): Why => ({ because: 'absent', text });
export const unreachable = (text: string, hint?: string): Why => ({
  because: 'unreachable',
  text,
  ...(hint === undefined ? {} : { hint }),
});
export const conflict = (text: string, hint: string): Why => ({ because: 'conflict', text, hint });
