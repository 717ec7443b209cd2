import type { ServiceFile } from '../../../src/orchestrator/area.ts';
import { desiredContainers, type Desired } from '../../../src/containers/desired.ts';
import type { Container } from '../../../src/containers/docker/answers.ts';
import type { ComposeService } from '../../../src/containers/docker/model.ts';
import type { FilesState } from '../../../src/containers/docker/service-files.ts';
import type { World } from '../../../src/containers/facts.ts';
import type { Settings } from '../../../src/settings/settings.ts';
import { testSettings } from '../../support/settings.ts';

/** Services with files of theirs, in the worlds below. */
const withFiles = ['postgres', 'nginx'];
const files = (): readonly ServiceFile[] =>
  withFiles.map((service) => ({
    service,
    path: 'settings.conf',
    content: ['text'],
    reader: { uid: 999, gid: 999 },
    reloads: service === 'nginx',
  }));

export const settingsOf = (yaml = ''): Settings => testSettings('/srv', yaml);

export const desiredOf = (settings: Settings = settingsOf(), down = false): Desired =>
  desiredContainers(settings, { files, user: { uid: 0, gid: 0 }, down });

const imageOf = (service: string): string => `example/${service}:1`;

/** A service as the merged Compose files describe it. */
export const service = (name: string, more: Partial<ComposeService> = {}): ComposeService => ({
  hash: `hash of ${name}`,
  image: imageOf(name),
  after: [],
  oneShot: false,
  ports: [],
  ...more,
});

/** A container that runs as wanted and is healthy. */
export const container = (name: string, more: Partial<Container> = {}): Container => ({
  id: `container of ${name}`,
  name: `skylab-lab-${name}-1`,
  service: name,
  state: 'running',
  healthy: true,
  imageId: `id of ${imageOf(name)}`,
  hash: `hash of ${name}`,
  ours: true,
  imageKind: 'upstream',
  oneOff: false,
  ...more,
});

const writtenFiles: FilesState = {
  wanted: 'version',
  label: 'digest',
  why: undefined,
  current: 'version',
  leftovers: [],
};

const names = ['postgres', 'pocket-id', 'netbird-signal', 'nginx'];

/** Everything is written and here, and nothing runs yet. */
export const readyWorld = (more: Partial<World> = {}, services: readonly string[] = names): World => ({
  engine: true,
  containers: [],
  done: new Set(),
  folders: [],
  missingSecrets: [],
  lostSecrets: [],
  givenSecrets: [],
  files: Object.fromEntries(
    withFiles.filter((one) => services.includes(one)).map((one) => [one, writtenFiles]),
  ),
  images: {
    images: services.map((one) => ({
      service: one,
      ref: imageOf(one),
      source: 'local',
      kind: 'upstream',
      present: true,
    })),
    missing: [],
    actions: [],
  },
  present: new Map(services.map((one) => [imageOf(one), `id of ${imageOf(one)}`])),
  env: 'text of compose.env',
  envIsWritten: true,
  composeFiles: ['/installation/compose/compose.yaml'],
  hasOverride: false,
  services,
  model: Object.fromEntries(services.map((one) => [one, service(one)])),
  problems: [],
  conflicts: [],
  network: undefined,
  ...more,
});

/** Everything runs and is healthy. */
export const goodWorld = (more: Partial<World> = {}): World =>
  readyWorld({ containers: names.map((one) => container(one)), ...more });

/** A machine on which nothing was done yet. */
export const bareWorld = (desired: Desired, more: Partial<World> = {}): World => ({
  ...readyWorld({
    folders: desired.folders.map((folder) => ({ folder, why: `${folder.path} is not there` })),
    missingSecrets: desired.secrets.map((one) => one.name),
    files: Object.fromEntries(
      withFiles.map((one) => [
        one,
        { wanted: undefined, label: undefined, why: 'needs a secret', current: undefined, leftovers: [] },
      ]),
    ),
    env: undefined,
    envIsWritten: false,
    present: new Map(),
    images: {
      images: names.map((one) => ({
        service: one,
        ref: imageOf(one),
        source: 'pulled',
        kind: 'upstream',
        present: false,
      })),
      missing: [],
      actions: names.map((one) => ({ kind: 'pull', ref: imageOf(one), needs: [] })),
    },
  }),
  ...more,
});
