import type { Step } from '../../orchestrator/area.ts';
import type { OwnSecret } from '../../settings/own-secrets.ts';
import type { ComposeProject } from '../compose.ts';
import type { FilesWish, Folder } from '../desired.ts';
import type { Problem } from '../facts.ts';
import type { ImageAction } from '../images/resolve.ts';

export interface Obstacle extends Step {
  readonly kind: 'obstacle';
  readonly problem: Problem;
}
export interface MakeFolders extends Step {
  readonly kind: 'folders';
  readonly folders: readonly Folder[];
}
export interface MakeSecrets extends Step {
  readonly kind: 'secrets';
  readonly secrets: readonly OwnSecret[];
  /** Some of them are taken from here, where it is there. */
  readonly identityEnv: string;
}
export interface WriteFiles extends Step {
  readonly kind: 'files';
  readonly wish: FilesWish;
}
export interface WriteEnv extends Step {
  readonly kind: 'env';
  readonly path: string;
  readonly text: string;
}
export interface GetImage extends Step {
  readonly kind: 'image';
  readonly action: ImageAction;
}
export interface Start extends Step {
  readonly kind: 'start';
  readonly services: readonly string[];
  readonly project: ComposeProject;
}
export interface Await extends Step {
  readonly kind: 'await';
  readonly service: string;
  readonly project: string;
}
export interface Remove extends Step {
  readonly kind: 'remove';
  readonly service: string;
  readonly containers: readonly string[];
}
export interface TakeDown extends Step {
  readonly kind: 'down';
  readonly project: string;
  /** Stopped before all others, because they use them. */
  readonly first: readonly string[];
}

/** Everything this area does. */
export type ContainerStep =
  | Obstacle
  | MakeFolders
  | MakeSecrets
  | WriteFiles
  | WriteEnv
  | GetImage
  | Start
  | Await
  | Remove
  | TakeDown;
