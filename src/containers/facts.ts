import { absent, conflict, unreachable, type Fact, type Facts, type Why } from '../orchestrator/facts.ts';
import type { ErrorCode } from '../shared/error-codes.ts';
import { hostServices, type Desired, type Folder } from './desired.ts';
import type { FilesState } from './docker/service-files.ts';
import type { Container, Network } from './docker/answers.ts';
import type { Conflict } from './docker/conflicts.ts';
import type { ComposeModel } from './docker/model.ts';
import { familiarName, type ImageChoice } from './images/resolve.ts';

/** An error as a value: why something could not be looked at, or cannot be done. */
export interface Problem {
  readonly code: ErrorCode;
  readonly message: string;
  readonly hint: string;
}

/** What was seen of one host's containers and of all they need. */
export interface World {
  readonly engine: true | Problem;
  readonly containers: readonly Container[];
  /** Containers of one-shot services that ended well, by id. */
  readonly done: ReadonlySet<string>;
  /** Folders that are not as they should be, and why. */
  readonly folders: readonly { readonly folder: Folder; readonly why: string }[];
  readonly missingSecrets: readonly string[];
  /** Of those, the ones without which data that is there cannot be read any more. */
  readonly lostSecrets: readonly string[];
  /** Of those that are missing, the ones that are taken from a file instead of being made. */
  readonly givenSecrets: readonly string[];
  readonly files: Readonly<Record<string, FilesState>>;
  readonly images: ImageChoice;
  /** Names of images on this machine, and the image each stands for. */
  readonly present: ReadonlyMap<string, string>;
  /** The text that compose.env should have; undefined while a digest in it is not known. */
  readonly env: string | undefined;
  readonly envIsWritten: boolean;
  /** Those of the stack, and the host's own where there is one. */
  readonly composeFiles: readonly string[];
  readonly hasOverride: boolean;
  /** Services that are wanted: those of the model, or where it could not be read those this program knows of. */
  readonly services: readonly string[];
  readonly model: ComposeModel | undefined;
  /** Why images or Compose files could not be read. */
  readonly problems: readonly Problem[];
  readonly conflicts: readonly Conflict[];
  /** The stack's own network, where it exists. */
  readonly network: Network | undefined;
}

/** How a service is found. `as-wanted`: it runs with the wanted definition and image, and is not healthy yet. */
export type Condition = 'absent' | 'stopped' | 'doubled' | 'changed' | 'new-image' | 'as-wanted' | 'healthy';

/** How one service is found. */
export const conditionOf = (world: World, service: string): Condition => {
  const all = world.containers.filter((one) => one.service === service);
  const [first] = all;
  if (first === undefined) return 'absent';
  if (all.length > 1) return 'doubled';
  const wanted = world.model?.[service];
  if (wanted !== undefined) {
    if (first.hash !== wanted.hash) return 'changed';
    const image = world.present.get(familiarName(wanted.image));
    if (image !== undefined && image !== first.imageId) return 'new-image';
  }
  if (world.done.has(first.id)) return 'healthy';
  if (first.state !== 'running' && first.state !== 'restarting') return 'stopped';
  return first.healthy ? 'healthy' : 'as-wanted';
};

/** True where Compose has to create, recreate or start the container. */
export const isToStart = (world: World, service: string): boolean => {
  const condition = conditionOf(world, service);
  return condition !== 'as-wanted' && condition !== 'healthy';
};

/** Why a service is started, as a line for people. */
export const reasonToStart = (condition: Condition): string => {
  switch (condition) {
    case 'absent':
      return 'not there yet';
    case 'stopped':
      return 'not running';
    case 'doubled':
      return 'there twice';
    case 'changed':
      return 'its definition or a file it reads has changed';
    case 'new-image':
      return 'its image is a newer one';
    case 'as-wanted':
    case 'healthy':
      return 'runs';
  }
};

/** True once its image is here, its files are written, and nothing is in the way of its ports. */
export const prepared = (world: World, service: string): true | Why => {
  const inTheWay = world.conflicts.find((one) => one.service === undefined || one.service === service);
  if (inTheWay !== undefined) return conflict(inTheWay.message, inTheWay.hint);
  const [problem] = world.problems;
  if (problem !== undefined) return conflict(problem.message, problem.hint);
  const missing = world.images.missing.find((one) => one.service === service);
  if (missing !== undefined)
    return conflict(`the image ${missing.ref} of ${service} cannot be had: ${missing.why}`, imageHint);
  const image = world.images.images.find((one) => one.service === service);
  if (image?.present !== true) return absent(`the image of ${service} is not here yet`);
  const files = world.files[service];
  if (files !== undefined && files.wanted === undefined) return absent(files.why ?? '');
  const [folder] = world.folders;
  if (folder !== undefined) return absent(folder.why);
  const other = unwritten(world);
  return other === undefined ? true : absent(`${other} not written yet`);
};

/**
 * What is still to be written, for any service. Files take milliseconds and a call of Compose takes a second: so all
 * wait for all files, and start together.
 */
const unwritten = (world: World): string | undefined => {
  const late = world.services.find((service) => {
    const state = world.files[service];
    return state?.wanted !== undefined && state.current === undefined;
  });
  if (late !== undefined) return `the files of ${late} are`;
  return world.envIsWritten && world.env !== undefined ? undefined : 'compose.env is';
};

/** What helps where an image can be neither found, pulled nor built. */
export const imageHint =
  'make its registry reachable, load it with docker load, or name another one under images.overrides in settings.yaml';

const healthText: Readonly<Record<Condition, string>> = {
  absent: 'does not run yet',
  stopped: 'is stopped',
  doubled: 'is there twice',
  changed: 'runs with an older definition',
  'new-image': 'runs on an older image',
  'as-wanted': 'has started and is not healthy yet',
  healthy: 'is healthy',
};

/** What this area states. */
export const containerFacts = (_desired: Desired, world: World): Facts => {
  const engine: true | Why =
    world.engine === true ? true : unreachable(world.engine.message, world.engine.hint);
  const stated: [Fact, true | Why][] = [
    ['engine.ready', engine],
    ['folders.ready', world.folders[0] === undefined ? true : absent(world.folders[0].why)],
    [
      'secrets.ready',
      world.missingSecrets.length === 0
        ? true
        : absent(`${world.missingSecrets.length} of our own secrets are not made yet`),
    ],
  ];
  const refs = new Set(world.images.actions.flatMap((action) => [action.ref, ...action.needs]));
  for (const ref of refs)
    stated.push([`image:${ref}`, world.present.has(ref) ? true : absent(`${ref} is not here yet`)]);

  const health = (service: string): true | Why => {
    if (engine !== true) return engine;
    const condition = conditionOf(world, service);
    return condition === 'healthy' ? true : absent(`${service} ${healthText[condition]}`);
  };
  for (const service of world.services) {
    stated.push([`healthy:${service}`, health(service)]);
    if (isToStart(world, service)) stated.push([`prepared:${service}`, prepared(world, service)]);
    if (health(service) !== true)
      stated.push([
        `started:${service}`,
        isToStart(world, service) ? absent(`${service} has not been started yet`) : true,
      ]);
  }
  stated.push(['host.services', hostServicesFact(world, health)]);
  return Object.fromEntries(stated);
};

const hostServicesFact = (world: World, health: (service: string) => true | Why): true | Why => {
  if (world.model === undefined) {
    if (world.engine !== true) return unreachable(world.engine.message, world.engine.hint);
    if (world.hasOverride) return absent("the host's own Compose file could not be read yet");
  }
  const waiting = hostServices(world.services)
    .map(health)
    .find((one) => one !== true);
  return waiting ?? true;
};
