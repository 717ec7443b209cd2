import type { Keep, ServiceFile } from '../orchestrator/area.ts';
import type { Fact } from '../orchestrator/facts.ts';
import { ownSecrets, type OwnSecret } from '../settings/own-secrets.ts';
import { dialAddress, type Settings } from '../settings/settings.ts';
import type { Owner } from '../shared/files.ts';
import { StackError } from '../shared/errors.ts';
import type { ComposeProject } from './compose.ts';
import { refuseUnknownImages } from './images/overrides.ts';
import type { ImageWishes } from './images/resolve.ts';

/** The services of compose/compose.yaml; whatever else runs was added by the host's own Compose file. */
export const ownServices = [
  'postgres',
  'pocket-id',
  'netbird-management',
  'netbird-signal',
  'netbird-relay',
  'netbird-dashboard',
  'coturn',
  'nginx',
  'certs',
  'netbird-peer',
] as const;

/** A folder that has to be there, with this mode and owner. */
export interface Folder {
  readonly path: string;
  readonly mode: number;
  readonly owner: Owner;
}

/** What containers, files, secrets and images of one host should be. */
export interface Desired {
  /** True: nothing should run. Data and files stay. */
  readonly down: boolean;
  /** Only these services are started, and none is removed; undefined: all. */
  readonly only: readonly string[] | undefined;
  /** Its `files` are those of the stack; `override` is the host's own, merged in where there is one. */
  readonly compose: ComposeProject;
  readonly override: string;
  readonly network: { readonly name: string; readonly subnet: string };
  /** Who runs this program: root can give a folder to the user of a container, others cannot. */
  readonly user: Owner;
  readonly folders: readonly Folder[];
  /** Where management keeps its data, by what runs as management. */
  readonly netbirdData: { readonly real: Folder; readonly standIn: Folder };
  readonly secrets: readonly OwnSecret[];
  /** Where key and password of Pocket ID are taken from, where that file is there before they are made. */
  readonly identityEnv: string;
  /** Secrets without which existing data cannot be read any more. */
  readonly sealing: { readonly volume: readonly string[]; readonly folder: readonly string[] };
  readonly postgresVolume: string;
  /** The folder with one folder for each service. */
  readonly services: string;
  readonly files: Readonly<Record<string, readonly ServiceFile[]>>;
  /** The variables of compose.yaml that follow from the settings alone. */
  readonly variables: Readonly<Record<string, string>>;
  readonly images: ImageWishes;
  /** What a service waits for besides its own image, files and ports. */
  readonly needs: Readonly<Record<string, readonly Fact[]>>;
}

/** How the files of one service are put on disk. */
export interface FilesWish {
  readonly service: string;
  readonly folder: string;
  readonly files: readonly ServiceFile[];
  /** True where a stand-in runs the service. */
  readonly standIn: boolean;
  readonly user: Owner;
}

interface Given {
  /** Every file that a service reads, from all areas. */
  readonly files: (settings: Settings) => readonly ServiceFile[];
  readonly user: Owner;
  readonly down: boolean;
  readonly only?: readonly string[] | undefined;
}

/** The user of the containers whose data or certificates this program shares with them. */
const sharedUser = (user: Owner): Owner => (user.uid === 0 ? { uid: 1000, gid: 1000 } : user);

const trustFile = (files: readonly ServiceFile[]): string => {
  const bundle = files.find((file) => file.service === 'netbird-relay' && file.path.endsWith('.pem'));
  return bundle === undefined ? '' : `/etc/skylab/current/${bundle.path}`;
};

const variablesOf = (
  settings: Settings,
  files: readonly ServiceFile[],
  user: Owner,
): Readonly<Record<string, string>> => {
  const { addresses, reachability, turn } = settings;
  const shared = sharedUser(user);
  const sharedText = `${shared.uid}:${shared.gid}`;
  return {
    COMPOSE_PROJECT_NAME: settings.project,
    SKYLAB_HOST: settings.host,
    SKYLAB_DOMAIN: settings.domain,
    SKYLAB_STATE: settings.paths.state,
    SKYLAB_SUBNET: settings.network.subnet,
    SKYLAB_ADDRESS_RANGE: addresses.dynamicRange,
    NGINX_ADDRESS: addresses.nginx,
    BIND_ADDRESS: reachability.bind,
    DIAL_ADDRESS: dialAddress(settings),
    HTTPS_PORT: String(addresses.port),
    STUN_PORT: String(reachability.stun_port),
    TURN_MIN_PORT: String(turn.relay_ports.min),
    TURN_MAX_PORT: String(turn.relay_ports.max),
    IDENTITY_LOOPBACK_PORT: String(settings.identity.loopback_port),
    MESH_NAME: addresses.mesh,
    IDENTITY_NAME: addresses.identity,
    TURN_NAME: addresses.turn,
    MESH_URL: addresses.meshUrl,
    IDENTITY_URL: addresses.issuer,
    TRUST_FILE: trustFile(files),
    POSTGRES_VOLUME: postgresVolume(settings),
    NETBIRD_MANAGEMENT_USER: sharedText,
    NGINX_USER: sharedText,
    CERTS_USER: sharedText,
  };
};

/**
 * What another nginx reads. New files in a folder with the set-group-ID bit belong to the folder's group, so the renewer
 * gives them to that nginx without any right of its own.
 */
const frontFolders = ({ paths, frontGid }: Settings, { uid }: Owner): readonly Folder[] =>
  frontGid === undefined
    ? []
    : [paths.front, `${paths.front}/run`].map((path) => ({
        path,
        mode: 0o2750,
        owner: { uid, gid: frontGid },
      }));

/** The subnet as Docker writes it: from its first address on. */
const subnetOf = ({ addresses, network }: Settings): string =>
  `${addresses.dynamicRange.split('/')[0]}/${network.subnet.split('/')[1]}`;

const postgresVolume = (settings: Settings): string => `${settings.project}_postgres`;
/** Where management keeps its data: a stand-in never meets that of the real server. */
export const meshDataFolder = ({ paths }: Settings, isStandIn: boolean): string =>
  isStandIn ? `${paths.netbirdData}-standin` : paths.netbirdData;

const byService = (files: readonly ServiceFile[]): Desired['files'] => {
  const services = [...new Set(files.map((file) => file.service))].sort();
  return Object.fromEntries(
    services.map((service) => [
      service,
      files.filter((file) => file.service === service).sort((a, b) => (a.path < b.path ? -1 : 1)),
    ]),
  );
};

/** What each service waits for: the order of the whole start is stated here, and nowhere else. */
const needsOf = (settings: Settings): Desired['needs'] => {
  const certificate: Fact = `certificate:${settings.domain}`;
  const ofPrivateNames: readonly Fact[] =
    Object.keys(settings.private_names).length > 0 ? ['certificate:local'] : [];
  return {
    'pocket-id': ['postgres.ready', 'identity.key'],
    'netbird-management': settings.mesh.store === 'postgres' ? ['postgres.ready'] : [],
    nginx: [certificate, ...ofPrivateNames],
    certs: [certificate],
    'netbird-peer': ['ingress.ready', 'mesh.settings'],
  };
};

/** What should be for these settings. @throws {StackError} SETTINGS_INVALID for an image of no service; INTERNAL where an area names a file outside its folder */
export const desiredContainers = (settings: Settings, { files, user, down, only }: Given): Desired => {
  const { paths } = settings;
  refuseUnknownImages(settings.images.overrides, ownServices);
  const all = files(settings);
  const odd = all.find((file) => !/^[\w.-]+(\/[\w.-]+)*$/.test(file.path) || file.path.includes('..'));
  if (odd !== undefined) {
    throw new StackError(
      'INTERNAL',
      `the file "${odd.path}" of ${odd.service} is not a plain relative path`,
      {
        hint: 'this is a bug: report it with your settings',
      },
    );
  }
  const folder = (path: string, owner: Owner): Folder => ({ path, mode: 0o700, owner });
  const shared = sharedUser(user);
  return {
    down,
    only,
    compose: {
      name: settings.project,
      folder: `${settings.installation}/compose`,
      files: [
        `${settings.installation}/compose/compose.yaml`,
        ...(settings.turn.network === 'host' ? [`${settings.installation}/compose/turn-host.yaml`] : []),
        ...(settings.ingress.mode === 'behind' ? [`${settings.installation}/compose/behind.yaml`] : []),
      ],
      profiles: settings.mesh.peer ? ['peer'] : [],
      envFile: paths.composeEnv,
      cache: paths.cache,
    },
    override: `${settings.folder}/compose.yaml`,
    network: { name: `${settings.project}_default`, subnet: subnetOf(settings) },
    user,
    folders: [
      folder(paths.state, user),
      folder(paths.services, user),
      folder(paths.secrets, user),
      folder(paths.cache, user),
      folder(paths.certificates, shared),
      { ...folder(paths.publicAddress, shared), mode: 0o755 }, // coturn, another user, reads it
      ...frontFolders(settings, shared),
    ],
    netbirdData: {
      real: folder(paths.netbirdData, shared),
      standIn: folder(meshDataFolder(settings, true), shared),
    },
    secrets: ownSecrets(settings),
    identityEnv: paths.identityEnv,
    sealing: { volume: ['pocket-id-encryption-key'], folder: ['netbird-datastore-key'] },
    postgresVolume: postgresVolume(settings),
    services: paths.services,
    files: byService(all),
    variables: variablesOf(settings, all, user),
    images: {
      overrides: { postgres: settings.postgres.image, ...settings.images.overrides },
      standIns: settings.images.stand_ins,
    },
    needs: needsOf(settings),
  };
};

const prefixOf = (service: string): string => service.toUpperCase().replaceAll('-', '_');

/** The image, its kind and the digest of the files of one service. */
export interface ServiceVariables {
  readonly image: string;
  readonly kind: string;
  readonly files: string;
}

/** Every variable that the Compose files use. `override`: digest of the host's own file, where it has one. */
export const composeVariables = (
  desired: Desired,
  services: Readonly<Record<string, ServiceVariables>>,
  override = 'none',
): Readonly<Record<string, string>> => ({
  ...desired.variables,
  SKYLAB_OVERRIDE: override,
  NETBIRD_DATA: netbirdFolder(desired, services['netbird-management']?.kind).path,
  ...Object.fromEntries(
    Object.entries(services).flatMap(([service, { image, kind, files }]) => [
      [`${prefixOf(service)}_IMAGE`, image],
      [`${prefixOf(service)}_IMAGE_KIND`, kind],
      [`${prefixOf(service)}_FILES`, files],
    ]),
  ),
});

/** How the files of a service are to be written, by what runs as that service. */
export const filesWish = (desired: Desired, service: string, kind: string | undefined): FilesWish => ({
  service,
  folder: `${desired.services}/${service}`,
  files: desired.files[service] ?? [],
  standIn: kind === 'stand-in',
  user: desired.user,
});

/** Where management keeps its data: a stand-in never meets that of the real server. */
export const netbirdFolder = (desired: Desired, kind: string | undefined): Folder =>
  kind === 'stand-in' ? desired.netbirdData.standIn : desired.netbirdData.real;

/** Those of the known services whose image the text of a Compose file leaves to a variable. */
export const servicesIn = (text: string, known: readonly string[]): readonly string[] =>
  known.filter((service) => text.includes(`\${${prefixOf(service)}_IMAGE:`));

/**
 * The variables as an env file for Compose; single quotes keep every character as it is.
 * @throws {StackError} SETTINGS_INVALID where a value cannot be written so
 */
export const renderEnv = (variables: Readonly<Record<string, string>>): string => {
  const lines = Object.entries(variables)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, value]) => {
      if (/['\\\r\n\0]/.test(value)) {
        throw new StackError(
          'SETTINGS_INVALID',
          `${name} would be ${JSON.stringify(value)}, and Compose cannot read a quote, backslash or line break there`,
          { hint: 'choose a value without these characters in settings.yaml', data: { name, value } },
        );
      }
      return `${name}='${value}'`;
    });
  return `# Written by skylab-stack at each run; what is changed here is lost.\n${lines.join('\n')}\n`;
};

/** Services that only this host's own Compose file has. */
export const hostServices = (services: readonly string[]): readonly string[] =>
  services.filter((service) => !(ownServices as readonly string[]).includes(service));

/** What must outlive the containers. */
export const containerKeeps = (desired: Desired): readonly Keep[] => [
  {
    what: 'volume',
    name: desired.postgresVolume,
    why: 'every database: identity, and those of other services',
  },
  { what: 'folder', name: desired.netbirdData.real.path, why: 'accounts, peers and policies of the mesh' },
  ...(desired.images.standIns
    ? [{ what: 'folder', name: desired.netbirdData.standIn.path, why: 'the same, of the stand-in' } as const]
    : []),
  ...(desired.compose.profiles.includes('peer')
    ? [
        {
          what: 'volume',
          name: `${desired.compose.name}_netbird-peer`,
          why: "the key of this host's own peer",
        } as const,
      ]
    : []),
  ...desired.secrets.map(({ name, purpose }) => ({ what: 'secret', name, why: purpose }) as const),
];
