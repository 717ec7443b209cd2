import { join } from 'node:path';
import { rootCertificates } from 'node:tls';
import { createAcmeArea } from '../acme/area.ts';
import { createLocalArea } from '../acme/local/area.ts';
import type { AcmePorts } from '../acme/renewal/records.ts';
import { rootCopies } from '../acme/render.ts';
import { readPair, storeOwner } from '../acme/store.ts';
import { createContainersArea, createDocker } from '../containers/area.ts';
import { createImageSource } from '../containers/docker/image-source.ts';
import { createContainerExec } from '../containers/engine.ts';
import { createDnsArea } from '../dns/apply.ts';
import { createCloudflare } from '../dns/cloudflare.ts';
import { createPropagation } from '../dns/propagation.ts';
import { createTxtPort } from '../dns/txt.ts';
import { createIngressArea } from '../ingress/apply.ts';
import { createNetBirdArea } from '../netbird/apply.ts';
import { createNetBird } from '../netbird/netbird.ts';
import { createMeshProbe } from '../netbird/probe.ts';
import { createOidcArea } from '../oidc/area.ts';
import { createPocketId } from '../oidc/pocket-id.ts';
import { createSessions } from '../oidc/session.ts';
import { localCaKey } from '../settings/own-secrets.ts';
import type { SecretStore } from '../settings/secret-store.ts';
import type { Settings } from '../settings/settings.ts';
import { readText, type Owner } from '../shared/files.ts';
import { createHttp, type Http } from '../shared/http.ts';
import type { Redactor } from '../shared/redact.ts';
import { createPostgresArea } from '../postgres/area.ts';
import { bind, type Area, type BoundArea, type Keep, type ServiceFile, type Step } from './area.ts';

/*
 * The list of areas, and what each gets of the others. A new outside system is a new folder and a line here.
 */

/** The address to dial for a host name; undefined asks the system. */
type AddressOf = (hostname: string) => string | undefined;

interface Given {
  readonly settings: Settings;
  readonly secrets: SecretStore;
  readonly redactor: Redactor;
  readonly addressOf: AddressOf;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Where the docker command keeps its configuration. */
  readonly home: string;
  /** Who runs this program. */
  readonly user: Owner;
}

/** What issuing needs, for the host and for the renewer's container, which resolves names by itself. */
export const createAcmePorts = (
  wanted: {
    readonly cloudflare: { readonly api: string };
    readonly dns: { readonly resolvers: readonly string[]; readonly authoritative: readonly string[] };
  },
  token: () => Promise<string | undefined>,
  addressOf: AddressOf | undefined,
  who: string,
): AcmePorts => {
  const lookups = addressOf === undefined ? {} : { addressOf };
  const http = createHttp(lookups);
  const provider = createCloudflare({ api: wanted.cloudflare.api, http, token });
  const txt = createTxtPort(provider, createPropagation({ ...wanted.dns, lookup: http.lookup }));
  return { http: (ca) => createHttp({ ...lookups, ca }), txt, who };
};

/** The adapters of one run: made once, shared by areas and proofs. */
export const createAdapters = ({ settings, secrets, redactor, addressOf, env, home }: Given) => {
  const docker = createDocker(env, home);
  const rootsFile = join(settings.paths.certificates, rootCopies.trust);
  /** PEM of the private roots that certificates chain to; the acme area keeps this file as the authority has it. */
  const privateRoots = async (): Promise<readonly string[]> => {
    const pem = settings.certificates.trust === 'system' ? undefined : await readText(rootsFile);
    return pem === undefined ? [] : [pem];
  };
  const http = createHttp({ addressOf });
  const publicHttp: Http = createHttp({ addressOf, ca: privateRoots });
  const token = async () => secrets.read('cloudflare-token');
  const provider = createCloudflare({ api: settings.cloudflare.api, http, token });
  const acmePorts = createAcmePorts(settings, token, addressOf, 'up');
  const pocketId = createPocketId({
    http,
    baseUrl: settings.addresses.identityLoopback,
    apiKey: async () => secrets.read('pocket-id-static-api-key'),
  });
  const sessions = createSessions({ pocketId, secrets, redactor, issuer: settings.addresses.issuer });
  const netbird = createNetBird(publicHttp, settings.addresses.meshUrl);
  return {
    docker,
    images: createImageSource({
      engine: docker.engine,
      endpoint: docker.endpoint,
      installation: settings.installation,
      cache: settings.paths.cache,
    }),
    exec: createContainerExec(docker.engine, settings.project),
    http,
    publicHttp,
    provider,
    acmePorts,
    pocketId,
    sessions,
    netbird,
    mesh: createMeshProbe(netbird, secrets),
    /** The only roots that certificates may chain to. */
    trustedRoots: async (): Promise<readonly string[]> =>
      settings.certificates.trust === 'system' ? rootCertificates : privateRoots(),
    close() {
      http.close();
      publicHttp.close();
    },
  };
};

export type Adapters = ReturnType<typeof createAdapters>;

/** What every area shows of itself before anything is looked at. */
interface Bound {
  readonly area: BoundArea;
  readonly files: readonly ServiceFile[];
  readonly keeps: readonly Keep[];
}

const bound = <D, W, S extends Step>(area: Area<D, W, S>, settings: Settings): Bound => {
  const desired = area.desired(settings);
  return { area: bind(area, settings), files: area.files(desired), keeps: area.keeps(desired) };
};

const containersOf = (
  given: Given,
  adapters: Adapters,
  files: readonly ServiceFile[],
  which: { readonly down?: boolean; readonly only?: readonly string[] } = {},
): Bound =>
  bound(
    createContainersArea({
      ...adapters.docker,
      images: adapters.images,
      secrets: given.secrets,
      files: () => files,
      user: given.user,
      ...which,
    }),
    given.settings,
  );

/** Who owns what another nginx reads: not root, so that the renewer can put a new certificate into its place. */
const frontOwner = ({ frontGid }: Settings): Owner | undefined => {
  const owner = storeOwner();
  return owner === undefined || frontGid === undefined ? undefined : { uid: owner.uid, gid: frontGid };
};

/** All areas of one host, in the order in which people read about them. */
export const createAreas = (
  given: Given,
  {
    adopt,
    only,
    replaceTrusted,
  }: {
    readonly adopt: boolean;
    readonly only?: readonly string[];
    readonly replaceTrusted?: string | undefined;
  },
) => {
  const { settings, secrets } = given;
  const adapters = createAdapters(given);
  const { exec, provider, http, acmePorts, pocketId, netbird, sessions } = adapters;
  const others = [
    bound(createPostgresArea({ exec, secrets }), settings),
    bound(createDnsArea({ provider, http }, { adopt }), settings),
    bound(createAcmeArea(acmePorts, { replaceTrusted }), settings),
    bound(createLocalArea({ key: async () => secrets.read(localCaKey), who: 'up' }), settings),
    bound(
      createIngressArea({
        readText,
        exec,
        readPair: async (of) => readPair(settings.paths.certificates, of),
        frontOwner: frontOwner(settings),
      }),
      settings,
    ),
    bound(createOidcArea({ pocketId, secrets, adopt }), settings),
    bound(
      createNetBirdArea({ netbird, secrets, settings, idTokenOf: sessions.idTokenOf, now: () => new Date() }),
      settings,
    ),
  ];
  const containers = containersOf(
    given,
    adapters,
    others.flatMap((one) => one.files),
    only === undefined ? {} : { only },
  );
  const all = [containers, ...others];
  return {
    adapters,
    areas: all.map((one) => one.area),
    keeps: all.flatMap((one) => one.keeps),
    files: others.flatMap((one) => one.files),
  };
};

export type Stack = ReturnType<typeof createAreas>;

/** The containers with nothing desired: for `down`. */
export const createContainersDown = (given: Given): readonly BoundArea[] => [
  containersOf(given, createAdapters(given), [], { down: true }).area,
];
