import type { Step } from '../orchestrator/area.ts';
import { absent, type Facts } from '../orchestrator/facts.ts';
import type { DesiredIngress } from './desired.ts';
import { frontDifference } from './doors/front-plan.ts';
import type { IngressWorld, ServedName } from './observe.ts';

/** Waits until nginx serves what is wanted; it takes up new files and certificates by itself. */
export interface AwaitReload extends Step {
  readonly kind: 'await-reload';
  readonly desired: DesiredIngress;
  /** Version of the configuration that should be served. */
  readonly version: string;
}

const difference = ({ name, stored, seen }: ServedName, version: string): string | undefined => {
  if ('silent' in seen) return `nginx does not answer for ${name} (${seen.silent})`;
  if (stored === undefined) return `no certificate for ${name} is in the store`;
  if (seen.serial !== undefined && seen.serial !== stored)
    return `nginx serves certificate ${seen.serial} for ${name}, the store has ${stored}`;
  if (seen.version !== version)
    return `nginx serves configuration ${seen.version ?? 'without a version'} for ${name}, wanted is ${version}`;
  return undefined;
};

/** What still differs from what is wanted, in a line; undefined where nothing does. */
export const ingressDifference = (world: IngressWorld, version: string): string | undefined =>
  world.served.map((one) => difference(one, version)).find((line) => line !== undefined);

export const ingressFacts = (world: IngressWorld, version: string, frontVersion = ''): Facts => {
  const line = ingressDifference(world, version) ?? frontDifference(world.front, frontVersion);
  return { 'ingress.ready': line === undefined ? true : absent(line) };
};

export const planIngress = (
  desired: DesiredIngress,
  world: IngressWorld,
  version: string,
): readonly AwaitReload[] => {
  const why = ingressDifference(world, version);
  if (why === undefined) return [];
  return [
    {
      kind: 'await-reload',
      id: 'await nginx reload',
      why,
      needs: [
        'healthy:nginx',
        `certificate:${desired.domain}`,
        ...(desired.privateNames.length > 0 ? (['certificate:local'] as const) : []),
      ],
      uses: [],
      impact: 'reload',
      deadlineMs: 40_000,
      ...(world.served.some(({ seen }) => 'silent' in seen) ? { assumed: true } : {}),
      desired,
      version,
    },
  ];
};
