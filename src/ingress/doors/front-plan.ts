import type { Step } from '../../orchestrator/area.ts';
import type { DesiredIngress, Front } from '../desired.ts';
import type { FrontWorld, IngressWorld, ServedName } from '../observe.ts';

interface FrontStep<K extends string> extends Step {
  readonly kind: K;
  readonly desired: DesiredIngress;
  readonly front: Front;
}
/** Writes the other nginx's virtual hosts; brings its copies of certificates up to date. */
export type WriteFront = FrontStep<'write-vhost'> | FrontStep<'hand-over'>;
/** Sees whether the other nginx has taken them up, and fails where it has not: only a person can do that. */
export interface AwaitFront extends FrontStep<'await-front'> {
  readonly version: string;
}

const differenceOf = ({ name, stored, seen }: ServedName, version: string): string | undefined => {
  if ('silent' in seen) return `the nginx that holds the port does not answer for ${name} (${seen.silent})`;
  if (seen.front === undefined)
    return `the nginx that holds the port does not have the virtual host of ${name}`;
  if (seen.front !== version)
    return `the nginx that holds the port has an older virtual host of ${name}: it was not reloaded since`;
  if (seen.version === undefined) return `the nginx that holds the port does not reach ours for ${name}`;
  return seen.serial === stored
    ? undefined
    : `the nginx that holds the port serves certificate ${seen.serial} for ${name}, the store has ${stored}`;
};

/** What is not yet so at the nginx that holds the port, in a line; undefined where all is, or where ours holds it. */
export const frontDifference = (world: FrontWorld | undefined, version: string): string | undefined => {
  if (world === undefined) return undefined;
  if (!world.isWritten) return 'the virtual hosts for the nginx that holds the port are not written';
  if (world.stale.length > 0)
    return `the nginx that holds the port lacks the newest ${world.stale.join(', ')}`;
  return world.served.map((one) => differenceOf(one, version)).find((line) => line !== undefined);
};

export const planFront = (
  desired: DesiredIngress,
  front: Front,
  { front: world }: IngressWorld,
  version: string,
): readonly (WriteFront | AwaitFront)[] => {
  if (world === undefined) return [];
  const common = { desired, front, uses: [], impact: 'none', deadlineMs: 20_000 } as const;
  const certificates = [
    `certificate:${desired.domain}`,
    ...(desired.privateNames.length > 0 ? (['certificate:local'] as const) : []),
  ] as const;
  const left = frontDifference({ ...world, isWritten: true, stale: [] }, version);
  const isReady = world.isWritten && world.stale.length === 0;
  return [
    ...(world.isWritten
      ? []
      : [
          {
            ...common,
            kind: 'write-vhost',
            id: `write ${front.file}`,
            why: 'it is not what the nginx that holds the port should have',
            needs: ['folders.ready'],
          } as const,
        ]),
    ...(world.stale.length === 0
      ? []
      : [
          {
            ...common,
            kind: 'hand-over',
            id: `hand over ${world.stale.join(', ')}`,
            why: 'the nginx that holds the port has another certificate than the store',
            needs: ['folders.ready', ...certificates],
          } as const,
        ]),
    ...(left === undefined
      ? []
      : [
          {
            ...common,
            kind: 'await-front',
            id: 'await the nginx that holds the port',
            why: left,
            needs: ['healthy:nginx', 'folders.ready', ...certificates],
            impact: 'reload',
            ...(isReady ? {} : { assumed: true }),
            version,
          } as const,
        ]),
  ];
};
