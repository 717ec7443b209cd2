import { lstat, readdir } from 'node:fs/promises';
import { secretsGivenIn } from '../settings/identity-env.ts';
import type { SecretStore } from '../settings/secret-store.ts';
import { digestOf, exists, readText } from '../shared/files.ts';
import { isMissingFile, isStackError } from '../shared/errors.ts';
import type { Compose } from './compose.ts';
import {
  composeVariables,
  filesWish,
  hostServices,
  netbirdFolder,
  renderEnv,
  servicesIn,
  type Desired,
  type Folder,
  type ServiceVariables,
} from './desired.ts';
import { observeFiles, wrongWithFolder } from './docker/service-files.ts';
import type { Container } from './docker/answers.ts';
import { localNetworks, portConflicts, takenSubnet } from './docker/conflicts.ts';
import type { ImageSource } from './docker/image-source.ts';
import type { Engine } from './engine.ts';
import { isToStart, type Problem, type World } from './facts.ts';
import type { ImageChoice } from './images/resolve.ts';

/** What this area needs to look and to act. */
export interface Ports {
  readonly engine: Engine;
  readonly compose: Compose;
  readonly images: ImageSource;
  readonly secrets: SecretStore;
}

const digestLength = 16;
const noImages: ImageChoice = { images: [], missing: [], actions: [] };

/** Runs a look; one of our errors is a value, anything else is thrown. */
const attempt = async <T>(look: () => Promise<T>): Promise<T | Problem> => {
  try {
    return await look();
  } catch (error) {
    if (!isStackError(error)) throw error;
    return { code: error.code, message: error.message, hint: error.hint };
  }
};
const isProblem = (value: unknown): value is Problem =>
  typeof value === 'object' && value !== null && 'code' in value && 'hint' in value;

interface Seen {
  readonly containers: readonly Container[];
  readonly present: ReadonlyMap<string, string>;
}

const lookAtEngine = async (engine: Engine, project: string, signal: AbortSignal): Promise<Seen | Problem> =>
  attempt(async () => {
    const [containers, present] = await Promise.all([
      engine.containers(project, signal),
      engine.images(signal),
      engine.check(signal),
    ]);
    return { containers: containers.filter((one) => !one.oneOff), present };
  });

const holdsSomething = async (folder: string): Promise<boolean> => {
  try {
    return (await readdir(folder)).length > 0;
  } catch (error) {
    if (isMissingFile(error)) return false;
    // Not to be seen by this user: then it is another one's, and holds data.
    return lstat(folder).then(
      () => true,
      () => false,
    );
  }
};

/** Those of the missing secrets that are taken from a file; what is wrong with the file is said by the step. */
const givenSecrets = async (path: string, missing: readonly string[]): Promise<readonly string[]> => {
  const given = await attempt(async () => secretsGivenIn(path, missing));
  return isProblem(given) ? [] : Object.keys(given);
};

/** Secrets that are gone while the data they seal is there. */
const lostSecrets = async (
  desired: Desired,
  missing: readonly string[],
  engine: Engine,
  signal: AbortSignal,
): Promise<readonly string[]> => {
  const { volume, folder } = desired.sealing;
  const ofVolume = missing.filter((name) => volume.includes(name));
  const ofFolder = missing.filter((name) => folder.includes(name));
  const [hasVolume, hasFolder] = await Promise.all([
    ofVolume.length > 0 && attempt(async () => engine.hasVolume(desired.postgresVolume, signal)),
    ofFolder.length > 0 && holdsSomething(desired.netbirdData.real.path),
  ]);
  return [...(hasVolume === true ? ofVolume : []), ...(hasFolder ? ofFolder : [])];
};

/** The variables of each service. A digest that is not known yet, and an image that is not wanted, stand as words. */
const variablesOf = (
  services: readonly string[],
  images: ImageChoice,
  files: World['files'],
): Readonly<Record<string, ServiceVariables>> =>
  Object.fromEntries(
    services.map((service) => {
      const chosen = images.images.find((one) => one.service === service);
      const missing = images.missing.find((one) => one.service === service);
      const state = files[service];
      return [
        service,
        {
          image: chosen?.ref ?? missing?.ref ?? 'none',
          kind: chosen?.kind ?? 'none',
          files: state === undefined ? 'none' : (state.label ?? 'unknown'),
        },
      ];
    }),
  );

interface Read {
  readonly images: ImageChoice;
  readonly env: string;
  readonly model: NonNullable<World['model']>;
}

/** Images and definition of every service; they need each other, so they are read together. */
const readServices = async (
  { compose, images }: Ports,
  desired: Desired,
  given: {
    readonly inFiles: readonly string[];
    readonly composeFiles: readonly string[];
    /** Digest of the host's own Compose file, with what its variables stand for. */
    readonly override: string | undefined;
    readonly present: ReadonlyMap<string, string>;
    readonly choice: ImageChoice;
    readonly files: World['files'];
  },
  signal: AbortSignal,
): Promise<Read> => {
  const services = variablesOf(given.inFiles, given.choice, given.files);
  const variables = composeVariables(desired, services, given.override);
  const env = renderEnv(variables);
  const project = { ...desired.compose, files: given.composeFiles };
  const model = await compose.model(project, variables, signal);
  // Services whose image the host's own file names itself.
  const others = hostServices(Object.keys(model)).filter((service) => !given.inFiles.includes(service));
  const overrides = Object.fromEntries(others.map((service) => [service, model[service]?.image ?? '']));
  const wishes = { overrides, standIns: false };
  const more = await images.choose(others, new Set(given.present.keys()), wishes, signal);
  return { images: joined(given.choice, more), env, model };
};

const joined = (a: ImageChoice, b: ImageChoice): ImageChoice => ({
  images: [...a.images, ...b.images],
  missing: [...a.missing, ...b.missing],
  actions: [...a.actions, ...b.actions.filter((one) => a.actions.every((other) => other.ref !== one.ref))],
});

const lookAtFolders = async (folders: readonly Folder[]): Promise<World['folders']> => {
  const all = await Promise.all(
    folders.map(async (folder) => ({ folder, why: await wrongWithFolder(folder) })),
  );
  return all.flatMap(({ folder, why }) => (why === undefined ? [] : [{ folder, why }]));
};

/** Looks at everything, reads only. @throws only the signal's reason, or for a bug */
export const observeContainers = async (
  ports: Ports,
  desired: Desired,
  signal: AbortSignal,
): Promise<World> => {
  const { engine, images, secrets } = ports;
  const override = (await exists(desired.override)) ? desired.override : undefined;
  const composeFiles = [...desired.compose.files, ...(override === undefined ? [] : [override])];
  const [seen, texts, names, written] = await Promise.all([
    lookAtEngine(engine, desired.compose.name, signal),
    Promise.all(composeFiles.map(async (file) => (await readText(file)) ?? '')),
    secrets.names(),
    readText(desired.compose.envFile),
  ]);
  const { containers, present } = isProblem(seen) ? { containers: [], present: new Map() } : seen;
  const missingSecrets = desired.secrets.map((one) => one.name).filter((name) => !names.includes(name));
  // Variables are part of what such a text says.
  const ownText = override === undefined ? undefined : JSON.stringify([texts.at(-1), desired.variables]);
  const digest = ownText === undefined ? undefined : digestOf(ownText).slice(0, digestLength);
  const inFiles = servicesIn(texts.join('\n'), images.known);
  const hasPeer = desired.compose.profiles.includes('peer');
  const wanted = inFiles.filter((service) => service !== 'netbird-peer' || hasPeer);
  const isAsked = (service: string) => desired.only?.includes(service) ?? true;
  const isBlind = desired.down || isProblem(seen);

  const choice = isBlind
    ? noImages
    : await attempt(async () => images.choose(wanted, new Set(present.keys()), desired.images, signal));
  const chosen = isProblem(choice) ? noImages : choice;
  const kindOf = (service: string) => chosen.images.find((one) => one.service === service)?.kind;
  const given = await givenSecrets(desired.identityEnv, missingSecrets);
  const [files, folders, lost] = await Promise.all([
    Promise.all(
      Object.keys(desired.files).map(async (service) => {
        const wish = filesWish(desired, service, kindOf(service));
        return [service, await observeFiles(wish, secrets.read)] as const;
      }),
    ).then((all): World['files'] => Object.fromEntries(all)),
    lookAtFolders([...desired.folders, netbirdFolder(desired, kindOf('netbird-management'))]),
    lostSecrets(
      desired,
      missingSecrets.filter((name) => !given.includes(name)),
      engine,
      signal,
    ),
  ]);
  const read =
    isBlind || isProblem(choice)
      ? undefined
      : await attempt(async () =>
          readServices(
            ports,
            desired,
            { inFiles, composeFiles, override: digest, present, choice, files },
            signal,
          ),
        );
  const whole = read === undefined || isProblem(read) ? undefined : read;
  const world: World = {
    engine: isProblem(seen) ? seen : true,
    containers,
    done: new Set(),
    folders,
    missingSecrets,
    lostSecrets: lost,
    givenSecrets: given,
    files,
    images: whole?.images ?? chosen,
    present,
    env: missingSecrets.length === 0 ? whole?.env : undefined,
    envIsWritten: whole !== undefined && written === whole.env,
    composeFiles,
    hasOverride: override !== undefined,
    services: desired.down ? [] : (whole === undefined ? wanted : Object.keys(whole.model)).filter(isAsked),
    model: whole?.model,
    problems: [choice, read].filter(isProblem),
    conflicts: [],
    network: undefined,
  };
  return isProblem(seen) ? world : lookCloser(engine, desired, world, signal);
};

/** What is looked at only when something is to be started, or has ended. */
const lookCloser = async (
  engine: Engine,
  desired: Desired,
  world: World,
  signal: AbortSignal,
): Promise<World> => {
  const { model = {} } = world;
  const ended = world.containers.filter(
    (one) => one.state === 'exited' && model[one.service]?.oneShot === true,
  );
  const done = new Set<string>();
  for (const one of ended) {
    const inspection = await attempt(async () => engine.inspect(one.id, signal));
    if (inspection !== undefined && !isProblem(inspection) && inspection.exitCode === 0) done.add(one.id);
  }
  const closer = { ...world, done };
  const toStart = Object.entries(model).filter(([service]) => isToStart(closer, service));
  if (!desired.down && toStart.length === 0) return closer;

  const local = await localNetworks();
  const networks = await attempt(async () => engine.networks(signal));
  if (isProblem(networks)) return { ...closer, engine: networks };
  const network = networks.find((one) => one.name === desired.network.name);
  if (desired.down) return { ...closer, network };
  const wanted = toStart.map(([service, { ports }]) => ({ service, ports }));
  const ports = await attempt(async () =>
    portConflicts(desired.compose.name, wanted, async () => engine.publishedPorts(signal), signal),
  );
  if (isProblem(ports)) return { ...closer, engine: ports };
  const subnet =
    network === undefined ? await takenSubnet(desired.network.subnet, networks, local) : undefined;
  return { ...closer, network, conflicts: [...ports, ...(subnet === undefined ? [] : [subnet])] };
};
