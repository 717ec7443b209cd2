import type { Fact } from '../orchestrator/facts.ts';
import { digestOf } from '../shared/files.ts';
import { filesWish, hostServices, type Desired } from './desired.ts';
import type {
  Await,
  ContainerStep,
  GetImage,
  MakeFolders,
  MakeSecrets,
  Obstacle,
  Remove,
  Start,
  TakeDown,
  WriteEnv,
  WriteFiles,
} from './docker/steps.ts';
import {
  conditionOf,
  imageHint,
  isToStart,
  prepared,
  reasonToStart,
  type Problem,
  type World,
} from './facts.ts';

/** Milliseconds; building and pulling take long on a small machine and a slow line. */
const imageDeadlineMs = { pull: 900_000, 'make-base': 600_000, build: 300_000 } as const;
const none = { uses: [], impact: 'none' } as const;

const obstacle = (id: string, problem: Problem): Obstacle => ({
  ...none,
  kind: 'obstacle',
  id,
  why: problem.message,
  needs: [],
  deadlineMs: 10_000,
  problem,
});

/**
 * One for each service, since its ports are mostly held by one program. A start under way holds ports and makes the
 * network before the Engine lists them: so this is judged only after it has ended.
 */
const conflictObstacles = ({ conflicts }: World): readonly Obstacle[] =>
  [...new Set(conflicts.map((one) => one.service))].flatMap((service) => {
    const [first, ...others] = conflicts.filter((one) => one.service === service);
    if (first === undefined) return [];
    const more = others.length === 0 ? '' : ` (and ${others.length} more)`;
    const problem = { ...first, message: `${first.message}${more}` };
    return [{ ...obstacle(`clear the way for ${service ?? 'the network'}`, problem), uses: ['compose'] }];
  });

/** What stands in the way and what no step of ours clears: each is said once, with its own code. */
const obstacles = (world: World): readonly Obstacle[] => [
  ...(world.engine === true ? [] : [obstacle('reach the Docker Engine', world.engine)]),
  ...world.problems.map((problem) => obstacle(`settle ${problem.code}`, problem)),
  ...conflictObstacles(world),
  ...world.images.missing.map((one) =>
    obstacle(`find an image for ${one.service}`, {
      code: 'IMAGE_UNAVAILABLE',
      message: `the image ${one.ref} of ${one.service} cannot be had: ${one.why}`,
      hint: imageHint,
    }),
  ),
  ...world.lostSecrets.map((name) =>
    obstacle(`bring back the secret ${name}`, {
      code: 'ENCRYPTION_KEY_CHANGED',
      message: `the secret ${name} is gone, and what it sealed is still there: a new one could not open it`,
      hint: 'put the file back from a backup of the secrets; only if that data may be lost: remove it by name first',
    }),
  ),
];

const folderSteps = (world: World): readonly MakeFolders[] => {
  const [first, ...others] = world.folders;
  if (first === undefined) return [];
  const more = others.length === 0 ? '' : ` (and ${others.length} more)`;
  return [
    {
      ...none,
      kind: 'folders',
      id: 'prepare folders',
      why: `${first.why}${more}`,
      needs: [],
      deadlineMs: 10_000,
      folders: world.folders.map((one) => one.folder),
    },
  ];
};

const secretSteps = (desired: Desired, world: World): readonly MakeSecrets[] => {
  const missing = new Set(world.missingSecrets.filter((name) => !world.lostSecrets.includes(name)));
  if (missing.size === 0) return [];
  const { givenSecrets } = world;
  const given = givenSecrets.length === 0 ? '' : `; ${desired.identityEnv} has ${givenSecrets.join(', ')}`;
  return [
    {
      ...none,
      kind: 'secrets',
      id: 'make secrets',
      why: `not there yet: ${[...missing].join(', ')}${given}`,
      needs: ['folders.ready'],
      deadlineMs: 30_000,
      secrets: desired.secrets.filter((one) => missing.has(one.name)),
      identityEnv: desired.identityEnv,
    },
  ];
};

const fileSteps = (desired: Desired, world: World): readonly WriteFiles[] =>
  Object.entries(world.files).flatMap(([service, state]) => {
    const isWritten = state.wanted !== undefined && state.current === state.wanted;
    if (!world.services.includes(service) || (isWritten && state.leftovers.length === 0)) return [];
    const isOurs = world.missingSecrets.length > 0;
    const changed = state.leftovers.length > 0 ? 'they have changed' : 'they are not there yet';
    // A secret that another area makes is there when the service's own needs hold.
    const others = state.wanted === undefined && !isOurs ? (desired.needs[service] ?? []) : [];
    const kind = world.images.images.find((one) => one.service === service)?.kind;
    return [
      {
        ...none,
        kind: 'files' as const,
        id: `write files of ${service}`,
        why: isWritten ? 'older versions are left' : (state.why ?? changed),
        needs: ['folders.ready', 'secrets.ready', ...others],
        deadlineMs: 30_000,
        ...(state.wanted === undefined ? { assumed: true } : {}),
        wish: filesWish(desired, service, kind),
      } satisfies WriteFiles,
    ];
  });

const envSteps = (desired: Desired, world: World): readonly WriteEnv[] => {
  if (world.envIsWritten && world.env !== undefined) return [];
  // What cannot be read now is no reason to write; the obstacle has been named.
  if (world.env === undefined && world.missingSecrets.length === 0) return [];
  const text = world.env ?? '';
  const name = world.env === undefined ? '' : ` (${digestOf(text).slice(0, 8)})`;
  return [
    {
      ...none,
      kind: 'env',
      id: `write compose.env${name}`,
      why: 'it does not say what is wanted now',
      needs: ['folders.ready', 'secrets.ready'],
      deadlineMs: 10_000,
      ...(world.env === undefined ? { assumed: true } : {}),
      path: desired.compose.envFile,
      text,
    },
  ];
};

const imageSteps = (world: World): readonly GetImage[] =>
  world.images.actions.map((action) => ({
    ...none,
    kind: 'image',
    id: `get image ${action.ref}`,
    why: action.kind === 'pull' ? 'it is not on this machine' : 'no registry gives it, so it is built here',
    needs: ['engine.ready', 'folders.ready', ...action.needs.map((ref): Fact => `image:${ref}`)],
    deadlineMs: imageDeadlineMs[action.kind],
    action,
  }));

const unhealthy = (world: World, services: readonly string[]): readonly Fact[] =>
  [...new Set(services)]
    .filter((service) => conditionOf(world, service) !== 'healthy')
    .map((service): Fact => `healthy:${service}`);

/**
 * What has to be healthy before this service can be: to wait for it earlier would be to see it end, since it finds no
 * database. Not all of its needs: nginx becomes healthy with the certificate it has, although the authority is away.
 */
const dependenciesOf = (desired: Desired, world: World, service: string): readonly string[] => [
  ...(world.model?.[service]?.after ?? []),
  ...(desired.needs[service]?.includes('postgres.ready') === true ? ['postgres'] : []),
];

const startSteps = (desired: Desired, world: World): readonly (Start | Await)[] => {
  const toStart = world.services.filter((service) => isToStart(world, service));
  const groups = new Map<string, { readonly services: string[]; readonly needs: readonly Fact[] }>();
  for (const service of toStart) {
    const needs: readonly Fact[] = [
      ...(desired.needs[service] ?? []),
      ...unhealthy(world, world.model?.[service]?.after ?? []),
    ];
    const key = `${prepared(world, service) === true} ${[...needs].sort().join(' ')}`;
    const group = groups.get(key) ?? { services: [], needs };
    group.services.push(service);
    groups.set(key, group);
  }
  const starts = [...groups.values()].map(({ services, needs }): Start => {
    const unprepared = services.filter((service) => prepared(world, service) !== true);
    const reasons = services.map((service) => [service, reasonToStart(conditionOf(world, service))] as const);
    const texts = [...new Set(reasons.map(([, reason]) => reason))].map(
      (reason) =>
        `${reason}: ${reasons
          .filter(([, other]) => other === reason)
          .map(([service]) => service)
          .join(', ')}`,
    );
    const isRestart = services.some(
      (service) => !['absent', 'stopped'].includes(conditionOf(world, service)),
    );
    return {
      kind: 'start',
      id: `start ${services.join(', ')}`,
      why: texts.join('; '),
      needs: ['engine.ready', ...unprepared.map((service): Fact => `prepared:${service}`), ...needs],
      uses: ['compose'],
      impact: isRestart ? 'restart' : 'none',
      deadlineMs: 180_000 + 20_000 * services.length,
      ...(unprepared.length > 0 ? { assumed: true } : {}),
      services,
      project: { ...desired.compose, files: world.composeFiles },
    };
  });
  const awaits = world.services
    .filter((service) => conditionOf(world, service) !== 'healthy')
    .map((service): Await => ({
      ...none,
      kind: 'await',
      id: `await ${service}`,
      why: `${service} ${isToStart(world, service) ? 'is about to start' : 'is not healthy yet'}`,
      needs: [
        'engine.ready',
        `started:${service}`,
        ...unhealthy(world, dependenciesOf(desired, world, service)),
      ],
      deadlineMs: 180_000,
      ...(isToStart(world, service) ? { assumed: true } : {}),
      service,
      project: desired.compose.name,
    }));
  return [...starts, ...awaits];
};

/** Containers of ours that nothing asks for any more. */
const removeSteps = (desired: Desired, world: World): readonly Remove[] => {
  if (world.model === undefined || desired.only !== undefined) return [];
  const old = world.containers.filter((one) => one.ours && !world.services.includes(one.service));
  return [...new Set(old.map((one) => one.service))].map((service) => ({
    kind: 'remove',
    id: `remove ${service}`,
    why: 'nothing asks for it any more; its data stays',
    needs: ['engine.ready'],
    uses: ['compose'],
    impact: 'remove',
    deadlineMs: 120_000,
    service,
    containers: old.filter((one) => one.service === service).map((one) => one.id),
  }));
};

/** Services that others use are stopped last: databases, then what the host itself adds. */
const stoppedFirst = (world: World): readonly string[] => [
  ...new Set(
    world.containers
      .filter((one) => one.ours && one.state === 'running')
      .map((one) => one.service)
      .filter((service) => service !== 'postgres' && !hostServices([service]).includes(service)),
  ),
];

const takeDown = (desired: Desired, world: World, id: string, why: string): TakeDown => ({
  kind: 'down',
  id,
  why,
  needs: ['engine.ready'],
  uses: ['compose'],
  impact: 'remove',
  deadlineMs: 300_000,
  project: desired.compose.name,
  first: stoppedFirst(world),
});

/** The whole difference between what is wanted and what was seen. */
export const planContainers = (desired: Desired, world: World): readonly ContainerStep[] => {
  const { network, containers } = world;
  if (desired.down) {
    const isLeft = containers.length > 0 || network !== undefined;
    const why = `${containers.length} containers and their network; volumes and files stay`;
    const blocked = world.engine === true ? [] : [obstacle('reach the Docker Engine', world.engine)];
    return [...blocked, ...(isLeft ? [takeDown(desired, world, 'take the stack down', why)] : [])];
  }
  const subnet = network?.subnets[0];
  const isElsewhere = subnet !== undefined && subnet !== desired.network.subnet;
  const why = `its network has ${subnet}, the settings say ${desired.network.subnet}; every container starts again`;
  return [
    ...obstacles(world),
    ...folderSteps(world),
    ...secretSteps(desired, world),
    ...fileSteps(desired, world),
    ...envSteps(desired, world),
    ...imageSteps(world),
    ...(isElsewhere
      ? [takeDown(desired, world, `move the stack to ${desired.network.subnet}`, why)]
      : [...startSteps(desired, world), ...removeSteps(desired, world)]),
  ];
};
