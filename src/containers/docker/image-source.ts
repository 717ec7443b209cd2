import type { Effects } from '../../orchestrator/effects.ts';
import type { Engine } from '../engine.ts';
import { catalogue } from '../images/catalogue.ts';
import { provideImage } from '../images/provide.ts';
import { readRecipes } from '../images/recipes.ts';
import { createRegistries } from '../images/registries.ts';
import {
  chooseImages,
  refsToAskFor,
  registriesNeeded,
  registryOf,
  type ImageAction,
  type ImageChoice,
  type ImageWishes,
  type ImageWorld,
} from '../images/resolve.ts';
import { endpointEnv, type Endpoint } from './endpoint.ts';

/** Where images come from. */
export interface ImageSource {
  /** Services whose image this program can find, pull or build. */
  readonly known: readonly string[];
  /**
   * The image of each service, given the names that are on this machine. A registry is asked only where neither the
   * wanted image nor what takes its place is here. @throws {StackError} IMAGE_UNAVAILABLE, ENGINE_*
   */
  readonly choose: (
    services: readonly string[],
    present: ReadonlySet<string>,
    wishes: ImageWishes,
    signal: AbortSignal,
  ) => Promise<ImageChoice>;
  /** Brings one image to this machine. @throws {StackError} IMAGE_UNAVAILABLE */
  readonly provide: (action: ImageAction, effects: Effects, signal: AbortSignal) => Promise<void>;
}

interface Options {
  readonly engine: Engine;
  readonly endpoint: () => Promise<Endpoint>;
  /** The root of this program's files. */
  readonly installation: string;
  readonly cache: string;
}

/** What is here is kept: a stand-in does not give way in the middle of a life because a registry has come back. */
const chosenHere = (
  services: readonly string[],
  world: Omit<ImageWorld, 'registries'>,
  wishes: ImageWishes,
): ImageChoice => {
  const asked = refsToAskFor(services, world, wishes);
  const registries = new Map(asked.map((ref) => [registryOf(ref), 'not asked'] as const));
  return chooseImages(services, { ...world, registries }, wishes);
};

/** The images of the catalogue, on the Engine of an endpoint. */
export const createImageSource = ({ engine, endpoint, installation, cache }: Options): ImageSource => {
  // Recipes are part of this program: they do not change while it runs.
  const recipesOf = new Map<string, Promise<ImageWorld['recipes']>>();
  const recipes = async (services: readonly string[]) => {
    const key = services.join(' ');
    const found = recipesOf.get(key) ?? readRecipes(services, installation);
    recipesOf.set(key, found);
    return found;
  };
  const askRegistries = createRegistries({ ask: engine.askRegistry, cache });
  return {
    known: Object.keys(catalogue),
    async choose(services, present, wishes, signal) {
      const world = { present, recipes: await recipes(services) };
      const here = chosenHere(services, world, wishes);
      const ready = new Set(here.images.filter((one) => one.present).map((one) => one.service));
      const others = services.filter((service) => !ready.has(service));
      const needed = registriesNeeded(others, present, wishes);
      const registries = await askRegistries(refsToAskFor(others, world, wishes), needed, signal);
      const rest = chooseImages(others, { ...world, registries }, wishes);
      return { ...rest, images: [...here.images.filter((one) => ready.has(one.service)), ...rest.images] };
    },
    async provide(action, effects, signal) {
      const env = endpointEnv(await endpoint());
      await provideImage(action, { installation, cache, env }, effects, signal);
    },
  };
};
