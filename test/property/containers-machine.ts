import fc from 'fast-check';
import {
  composeVariables,
  desiredContainers,
  renderEnv,
  type Desired,
} from '../../src/containers/desired.ts';
import type { Container } from '../../src/containers/docker/answers.ts';
import type { ComposeModel } from '../../src/containers/docker/model.ts';
import type { ContainerStep } from '../../src/containers/docker/steps.ts';
import { containerFacts, type World } from '../../src/containers/facts.ts';
import type { ServiceFile } from '../../src/orchestrator/area.ts';
import type { Fact } from '../../src/orchestrator/facts.ts';
import { hostSettings } from '../../src/settings/schema.ts';
import { addressesOf, pathsOf, type Settings } from '../../src/settings/settings.ts';

/*
 * Settings as somebody may write them, and a small machine in memory: what each step does to the world. The real one
 * is in test/e2e; here every settings file and every order of events can be tried.
 */

const label = fc.stringMatching(/^[a-z][a-z0-9]{0,8}$/);
const port = fc.integer({ min: 1, max: 65_535 });

const zone = label.map((name) => `${name}.localhost`);

/** Mostly what is right, now and then what breaks a rule. */
const mostly = <T>(right: fc.Arbitrary<T>, ...wrong: readonly T[]): fc.Arbitrary<T> =>
  fc.oneof({ weight: 14, arbitrary: right }, { weight: 1, arbitrary: fc.constantFrom(...wrong) });

export const settingsFiles = fc.record({
  domain: mostly(zone, 'no_host', ''),
  reachability: fc.record(
    {
      mode: fc.constantFrom('lan', 'port'),
      port: mostly(port, 0, 70_000),
      stun_port: port,
      bind: mostly(fc.constantFrom('127.0.0.1', '0.0.0.0', '::1'), 'nowhere'),
    },
    { requiredKeys: ['mode'] },
  ),
  certificates: fc.constant({}),
  cloudflare: fc.constant({ token: { env: 'TOKEN' } }),
  identity: fc.record(
    {
      admin: fc.constant({ username: 'alice', email: 'alice@example.org', first_name: 'Alice' }),
      loopback_port: port,
    },
    { requiredKeys: ['admin'] },
  ),
  mesh: fc.record({ store: mostly(fc.constantFrom('sqlite', 'postgres'), 'mysql') }, { requiredKeys: [] }),
  turn: fc.record({ network: fc.constantFrom('host', 'bridge') }, { requiredKeys: [] }),
  postgres: fc.record(
    {
      image: fc.constantFrom('postgres:17.11-trixie', 'other/postgres:17'),
      databases: fc.uniqueArray(
        fc.record({
          name: mostly(label, 'pocketid', 'postgres', 'pg_x', 'Upper'),
          extensions: fc.array(mostly(fc.constantFrom('cube', 'vchord'), 'bad"name'), { maxLength: 2 }),
        }),
        { maxLength: 3, selector: (one) => one.name },
      ),
    },
    { requiredKeys: [] },
  ),
  network: fc.record(
    {
      subnet: mostly(
        fc.constantFrom('172.30.77.0/24', '172.30.77.9/24', '10.0.0.0/16'),
        '999.1.1.1/24',
        '172.30.77.0/28',
      ),
    },
    { requiredKeys: [] },
  ),
  images: fc.record(
    {
      stand_ins: fc.boolean(),
      overrides: fc.dictionary(fc.constantFrom('nginx', 'coturn'), fc.constantFrom('a:1', 'b/c:2')),
    },
    { requiredKeys: [] },
  ),
});

export const roots = fc.oneof(
  fc.constantFrom('/srv', "/home/o'brien/state", '/with space', '/a\nb'),
  fc.constant('/x$y'),
);

/** A host's own Compose file: services with ports, order and labels. */
export const overrides = fc.dictionary(
  label.map((name) => `host-${name}`),
  fc.record({
    image: fc.constantFrom('example/a:1', 'example/b:1', ''),
    oneShot: fc.boolean(),
    after: fc.subarray(['postgres', 'host-a', 'nowhere']),
    ports: fc.array(
      fc.record({ address: fc.constant('127.0.0.1'), port, protocol: fc.constantFrom('tcp', 'udp') }),
      {
        maxLength: 2,
      },
    ),
  }),
  { maxKeys: 3 },
);

const ownServices = [
  'postgres',
  'pocket-id',
  'netbird-management',
  'netbird-signal',
  'coturn',
  'nginx',
  'certs',
];
export const files = (): readonly ServiceFile[] =>
  ['postgres', 'pocket-id', 'nginx'].map((service) => ({
    service,
    path: 'conf',
    content: [{ secret: 'turn-secret' }],
    reader: { uid: 1000, gid: 1000 },
    reloads: service === 'nginx',
  }));

export const settingsFrom = (file: unknown, root: string): Settings => {
  const parsed = hostSettings.safeParse(file);
  if (!parsed.success) throw parsed.error;
  const host = 'lab';
  return {
    ...parsed.data,
    host,
    project: `skylab-${host}`,
    folder: `${root}/hosts/lab`,
    installation: '/opt/skylab',
    addresses: addressesOf(parsed.data),
    paths: pathsOf(root, host),
  };
};

/** Any settings as what is wanted; undefined where a coded error says that they are not valid. */
export const wantedFrom = (
  file: unknown,
  root: string,
): { settings: Settings; desired: Desired } | undefined => {
  const parsed = hostSettings.safeParse(file);
  if (!parsed.success) return undefined;
  const settings = settingsFrom(file, root);
  return { settings, desired: desiredContainers(settings, { files, user: { uid: 0, gid: 0 }, down: false }) };
};

interface Machine {
  readonly folders: Set<string>;
  readonly secrets: Set<string>;
  readonly written: Set<string>;
  readonly images: Set<string>;
  env: string;
  containers: Container[];
}

export const bare = (): Machine => ({
  folders: new Set(),
  secrets: new Set(),
  written: new Set(),
  images: new Set(),
  env: '',
  containers: [],
});

export const modelFor = (desired: Desired, more: ComposeModel): ComposeModel => ({
  ...Object.fromEntries(
    ownServices.map((name) => [
      name,
      {
        hash: `${name} ${desired.variables['SKYLAB_HOST']}`,
        image: `example/${name}:1`,
        after: [],
        oneShot: false,
        ports: [],
      },
    ]),
  ),
  ...more,
});

/** What the area would see of the machine. */
export const look = (desired: Desired, machine: Machine, more: ComposeModel): World => {
  const model = modelFor(desired, more);
  const services = Object.keys(model);
  const hasSecrets = desired.secrets.every((one) => machine.secrets.has(one.name));
  const env = hasSecrets
    ? renderEnv(
        composeVariables(desired, { nginx: { image: 'example/nginx:1', kind: 'upstream', files: 'x' } }),
      )
    : undefined;
  const refs = new Map(services.map((name) => [name, model[name]?.image ?? '']));
  return {
    engine: true,
    containers: machine.containers,
    done: new Set(
      machine.containers
        .filter((one) => one.state === 'exited' && model[one.service]?.oneShot)
        .map((one) => one.id),
    ),
    folders: desired.folders
      .filter((folder) => !machine.folders.has(folder.path))
      .map((folder) => ({ folder, why: `${folder.path} is not there` })),
    missingSecrets: desired.secrets.map((one) => one.name).filter((name) => !machine.secrets.has(name)),
    lostSecrets: [],
    givenSecrets: [],
    files: Object.fromEntries(
      Object.keys(desired.files).map((service) => [
        service,
        {
          wanted: hasSecrets ? 'v' : undefined,
          label: hasSecrets ? 'l' : undefined,
          why: hasSecrets ? undefined : 'a secret is missing',
          current: hasSecrets && machine.written.has(service) ? 'v' : undefined,
          leftovers: [],
        },
      ]),
    ),
    images: {
      images: services.map((service) => ({
        service,
        ref: refs.get(service) ?? '',
        source: 'pulled',
        kind: 'upstream',
        present: machine.images.has(refs.get(service) ?? ''),
      })),
      missing: [],
      actions: [...new Set(refs.values())]
        .filter((ref) => !machine.images.has(ref))
        .map((ref) => ({ kind: 'pull', ref, needs: [] })),
    },
    present: new Map([...machine.images].map((ref) => [ref, `id of ${ref}`])),
    env,
    envIsWritten: env !== undefined && machine.env === env,
    composeFiles: desired.compose.files,
    hasOverride: Object.keys(more).length > 0,
    services,
    model,
    problems: [],
    conflicts: [],
    network: undefined,
  };
};

const started = (service: string, model: ComposeModel): Container => ({
  id: `container of ${service}`,
  name: `skylab-lab-${service}-1`,
  service,
  state: model[service]?.oneShot === true ? 'exited' : 'running',
  healthy: false,
  imageId: `id of ${model[service]?.image}`,
  hash: model[service]?.hash ?? '',
  ours: true,
  imageKind: 'upstream',
  oneOff: false,
});

/** Does to the machine what the step does to the real one. */
export const apply = (machine: Machine, step: ContainerStep, model: ComposeModel): void => {
  switch (step.kind) {
    case 'folders':
      for (const folder of step.folders) machine.folders.add(folder.path);
      return;
    case 'secrets':
      for (const { name } of step.secrets) machine.secrets.add(name);
      return;
    case 'files':
      machine.written.add(step.wish.service);
      return;
    case 'env':
      machine.env = step.text;
      return;
    case 'image':
      machine.images.add(step.action.ref);
      return;
    case 'start':
      machine.containers = [
        ...machine.containers.filter((one) => !step.services.includes(one.service)),
        ...step.services.map((service) => started(service, model)),
      ];
      return;
    case 'await':
      machine.containers = machine.containers.map((one) =>
        one.service === step.service ? { ...one, healthy: true } : one,
      );
      return;
    case 'remove':
      machine.containers = machine.containers.filter((one) => one.service !== step.service);
      return;
    case 'down':
      machine.containers = [];
      return;
    case 'obstacle':
      throw new Error(`an obstacle on a machine without any: ${step.why}`);
  }
};

export const facts = (desired: Desired, world: World, given: ReadonlySet<Fact>) => {
  const all = containerFacts(desired, world);
  return (fact: Fact) => given.has(fact) || all[fact] === true;
};

/** Services that wait for one that does not exist wait for ever; Compose itself refuses such files. */
export const sound = (more: ComposeModel): ComposeModel => {
  const known = new Set([...ownServices, ...Object.keys(more)]);
  return Object.fromEntries(
    Object.entries(more).map(([name, one], index, all) => [
      name,
      {
        ...one,
        image: one.image === '' ? 'example/c:1' : one.image,
        after: one.after.filter(
          (other) =>
            known.has(other) && (ownServices.includes(other) || all.findIndex(([o]) => o === other) < index),
        ),
      },
    ]),
  );
};
export const withHashes = (
  more: Readonly<Record<string, Omit<ComposeModel[string], 'hash'>>>,
): ComposeModel =>
  Object.fromEntries(Object.entries(more).map(([name, one]) => [name, { ...one, hash: `hash of ${name}` }]));
