import { digestOf } from '../../shared/files.ts';
import {
  baseRecipe,
  catalogueEntry,
  nodeImage,
  type CatalogueEntry,
  type ImageKind,
  type Recipe,
} from './catalogue.ts';

/** What was seen of images: on this machine, at the registries, in our recipes. */
export interface ImageWorld {
  /** Every tag on this machine, such as `postgres:17.11-trixie`. */
  readonly present: ReadonlySet<string>;
  /** By registry host: true, or why it does not answer. A host that is left out counts as one that answers. */
  readonly registries: ReadonlyMap<string, true | string>;
  /** By folder of a recipe: hex digest of its files and bundles. */
  readonly recipes: ReadonlyMap<string, string>;
}

/** What the operator decided about images. */
export interface ImageWishes {
  /** Service: image. What is named here is never replaced by anything else. */
  readonly overrides: Readonly<Record<string, string>>;
  readonly standIns: boolean;
}

/** The image a service runs on. */
interface ChosenImage {
  readonly service: string;
  readonly ref: string;
  readonly source: 'local' | 'pulled' | 'built' | 'stand-in';
  /** For the label: unlike `source` it stays the same once the image was pulled. */
  readonly kind: ImageKind;
  /** False: one of the actions brings it. */
  readonly present: boolean;
}

/** A service whose image cannot be had. */
interface MissingImage {
  readonly service: string;
  readonly ref: string;
  readonly why: string;
}

/** One thing to do so that an image is here; `needs` are refs of other actions that come first. */
export type ImageAction =
  | { readonly kind: 'pull'; readonly ref: string; readonly needs: readonly string[] }
  | { readonly kind: 'make-base'; readonly ref: string; readonly needs: readonly string[] }
  | {
      readonly kind: 'build';
      readonly ref: string;
      readonly needs: readonly string[];
      readonly recipe: Recipe;
      readonly from: string;
    };

export interface ImageChoice {
  readonly images: readonly ChosenImage[];
  readonly missing: readonly MissingImage[];
  /** Each ref once, those that others need first. */
  readonly actions: readonly ImageAction[];
}

const tagLength = 12;
const tagged = (repository: string, digest: string): string => `${repository}:${digest.slice(0, tagLength)}`;

/** The host that an image's name leads to; a name without one leads to Docker's own registry. */
export const registryOf = (ref: string): string => {
  const first = ref.split('/')[0] ?? '';
  const named = ref.includes('/') && (/[.:]/.test(first) || first === 'localhost');
  return named ? first : 'docker.io';
};

/**
 * An image as Docker lists it: `docker.io/library/postgres` is `postgres:latest` there, and of a name with tag and digest
 * the digest alone counts: `postgres:17@sha256:…` is `postgres@sha256:…`.
 */
export const familiarName = (ref: string): string => {
  const short = ref
    .replace(/^(index\.)?docker\.io\//, '')
    .replace(/^library\/(?=[^/]+$)/, '')
    .replace(/:[^/:@]+(?=@)/, '');
  return /[:@]/.test(short.split('/').at(-1) ?? '') ? short : `${short}:latest`;
};

/** The entry of a service with the operator's wish in it. */
const entryOf = (service: string, wishes: ImageWishes): CatalogueEntry | undefined => {
  const named = Object.hasOwn(wishes.overrides, service) ? wishes.overrides[service] : undefined;
  const wished = named === undefined || named === '' ? named : familiarName(named);
  const known = catalogueEntry(service);
  if (wished === undefined || wished === known?.upstream) return known;
  return { upstream: wished, fallback: undefined };
};

/** What may take the image's place: a stand-in only where the operator allows it. */
const replacementOf = (
  entry: CatalogueEntry | undefined,
  wishes: ImageWishes,
): CatalogueEntry['fallback'] => {
  const fallback = entry?.fallback;
  return fallback?.kind === 'built' || wishes.standIns ? fallback : undefined;
};

const baseOf = (recipes: ImageWorld['recipes']): string =>
  tagged(baseRecipe.repository, recipes.get(baseRecipe.folder) ?? '');

/** What a recipe can start from, best first, each with the tag of what comes out. */
const outcomesOf = (recipe: Recipe, recipes: ImageWorld['recipes']) => {
  const base = baseOf(recipes);
  const starts = recipe.from === 'node' ? [nodeImage, base] : [base];
  return starts.map((from) => ({
    from,
    ref: tagged(recipe.repository, digestOf(`${recipes.get(recipe.folder) ?? ''} ${from}`)),
  }));
};

/** Published images that are wanted and not here: a registry is asked only for these. */
export const refsToAskFor = (
  services: readonly string[],
  { present, recipes }: Pick<ImageWorld, 'present' | 'recipes'>,
  wishes: ImageWishes,
): readonly string[] => {
  const wanted = services.flatMap((service) => {
    const entry = entryOf(service, wishes);
    if (entry?.upstream !== undefined) return [entry.upstream];
    const outcomes = entry?.fallback === undefined ? [] : outcomesOf(entry.fallback.recipe, recipes);
    return outcomes.some((one) => present.has(one.ref)) ? [] : outcomes.map((one) => one.from);
  });
  const ours = baseOf(recipes);
  return [...new Set(wanted)].filter((ref) => ref !== ours && !present.has(ref));
};

/** Hosts of the registries without which one of these services has no image at all. */
export const registriesNeeded = (
  services: readonly string[],
  present: ImageWorld['present'],
  wishes: ImageWishes,
): ReadonlySet<string> =>
  new Set(
    services.flatMap((service) => {
      const entry = entryOf(service, wishes);
      const upstream = entry?.upstream;
      const isReplaceable = replacementOf(entry, wishes) !== undefined;
      return upstream === undefined || present.has(upstream) || isReplaceable ? [] : [registryOf(upstream)];
    }),
  );

/**
 * Chooses the image of each service: on this machine > pulled > built here > stand-in, and what has to be done for it.
 * Pure.
 */
export const chooseImages = (
  services: readonly string[],
  world: ImageWorld,
  wishes: ImageWishes,
): ImageChoice => {
  const { present, recipes } = world;
  const base = baseOf(recipes);
  const actions = new Map<string, ImageAction>();
  const images: ChosenImage[] = [];
  const missing: MissingImage[] = [];
  const silence = (ref: string): string | undefined => {
    const answer = world.registries.get(registryOf(ref)) ?? true;
    return answer === true ? undefined : answer;
  };
  const canBeHad = (ref: string) => present.has(ref) || ref === base || silence(ref) === undefined;

  const viaRecipe = (service: string, kind: 'built' | 'stand-in', recipe: Recipe): ChosenImage => {
    const outcomes = outcomesOf(recipe, recipes);
    const finished = outcomes.find((one) => present.has(one.ref));
    if (finished !== undefined) return { service, ref: finished.ref, source: kind, kind, present: true };
    const { from, ref } = outcomes.find((one) => canBeHad(one.from)) ?? { from: base, ref: '' };
    const isHere = present.has(from);
    if (!isHere) actions.set(from, { kind: from === base ? 'make-base' : 'pull', ref: from, needs: [] });
    actions.set(ref, { kind: 'build', ref, needs: isHere ? [] : [from], recipe, from });
    return { service, ref, source: kind, kind, present: false };
  };

  for (const service of services) {
    const entry = entryOf(service, wishes);
    const upstream = entry?.upstream;
    const fallback = replacementOf(entry, wishes);
    if (upstream !== undefined && present.has(upstream)) {
      images.push({ service, ref: upstream, source: 'local', kind: 'upstream', present: true });
    } else if (upstream !== undefined && silence(upstream) === undefined) {
      actions.set(upstream, { kind: 'pull', ref: upstream, needs: [] });
      images.push({ service, ref: upstream, source: 'pulled', kind: 'upstream', present: false });
    } else if (fallback !== undefined) {
      images.push(viaRecipe(service, fallback.kind, fallback.recipe));
    } else {
      const why = upstream === undefined ? 'no image is known for it' : (silence(upstream) ?? '');
      missing.push({ service, ref: upstream ?? service, why });
    }
  }
  return { images, missing, actions: [...actions.values()] };
};
