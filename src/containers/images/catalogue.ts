/** How an image is made on this machine. */
export interface Recipe {
  /** Name without a tag; the tag is a digest of everything that goes in. */
  readonly repository: string;
  /** Folder below compose/images/ with its Dockerfile. */
  readonly folder: string;
  /** `base`: Debian with the real servers. `node`: the official Node image, or `base` where that cannot be had. */
  readonly from: 'base' | 'node';
  /** Paths below dist/ that are copied into it; such a recipe is built with dist/ (or its sandbox/) at hand. */
  readonly bundles: readonly string[];
}

/**
 * What an image is: the published one, the same program built here from Debian's packages, or a small server that
 * answers in its place.
 */
export type ImageKind = 'upstream' | 'built' | 'stand-in';

export interface CatalogueEntry {
  /** The published image, its tag pinned; undefined where we are its only maker. */
  readonly upstream: string | undefined;
  /** What takes its place where it can be neither found nor pulled. */
  readonly fallback: { readonly kind: 'built' | 'stand-in'; readonly recipe: Recipe } | undefined;
}

export const baseRecipe: Pick<Recipe, 'repository' | 'folder'> = {
  repository: 'skylab-local/base',
  folder: 'base',
};
export const nodeImage = 'node:24.19.0-trixie-slim';

const built = (folder: string, from: Recipe['from'] = 'base', bundles: readonly string[] = []) =>
  ({ kind: 'built', recipe: { repository: `skylab-local/${folder}`, folder, from, bundles } }) as const;
const standIn = (folder: string, bundle: string) =>
  ({
    kind: 'stand-in',
    recipe: {
      repository: `skylab-sandbox/${folder}`,
      folder,
      from: 'base',
      bundles: [`sandbox/${bundle}.mjs`],
    },
  }) as const;

/** The images of all services that this program knows, by the service's name in Compose. */
export const catalogue: Readonly<Record<string, CatalogueEntry>> = {
  postgres: { upstream: 'postgres:17.11-trixie', fallback: built('postgres') },
  'pocket-id': { upstream: 'pocketid/pocket-id:v2.14.0', fallback: standIn('pocket-id', 'pocket-id') },
  'netbird-management': {
    upstream: 'netbirdio/management:0.77.1',
    fallback: standIn('netbird-management', 'netbird'),
  },
  'netbird-signal': { upstream: 'netbirdio/signal:0.77.1', fallback: standIn('netbird-signal', 'netbird') },
  'netbird-relay': { upstream: 'netbirdio/relay:0.77.1', fallback: standIn('netbird-relay', 'netbird') },
  'netbird-dashboard': {
    upstream: 'netbirdio/dashboard:v2.90.9',
    fallback: standIn('netbird-dashboard', 'netbird'),
  },
  'netbird-peer': { upstream: 'netbirdio/netbird:0.77.1', fallback: undefined },
  coturn: { upstream: 'coturn/coturn:4.17.0-r0', fallback: built('coturn') },
  nginx: { upstream: 'nginx:1.30.4-trixie', fallback: built('nginx') },
  certs: { upstream: undefined, fallback: built('certs', 'node', ['cli.js', 'chunks']) },
  pebble: { upstream: undefined, fallback: built('pebble') },
  cloudflare: { upstream: undefined, fallback: standIn('cloudflare', 'cloudflare') },
};

/** What is known of a service's image; a service may have any name, also that of something every object has. */
export const catalogueEntry = (service: string): CatalogueEntry | undefined =>
  Object.hasOwn(catalogue, service) ? catalogue[service] : undefined;
