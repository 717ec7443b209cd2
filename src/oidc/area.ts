import type { Area } from '../orchestrator/area.ts';
import { createApply } from './apply.ts';
import { desiredIdentity, type Desired } from './desired.ts';
import { observeIdentity, type Ports, type World } from './observe.ts';
import { identityFacts, planIdentity, type IdentityStep } from './plan.ts';
import { identityFiles, identityKeeps } from './render.ts';

interface AreaPorts extends Ports {
  /** True: objects of declared names that we did not make are taken over (`--adopt`). */
  readonly adopt: boolean;
}

/** Pocket ID as an area: the administrator, groups, people, and the clients that sign in with it. */
export const createOidcArea = (ports: AreaPorts): Area<Desired, World, IdentityStep> => ({
  name: 'oidc',
  desired: desiredIdentity,
  observe: async (desired, signal) => observeIdentity(ports, desired, signal),
  facts: (desired, world) => identityFacts(desired, world, ports.adopt),
  plan: (desired, world) => planIdentity(desired, world, ports.adopt),
  apply: createApply(ports),
  files: identityFiles,
  keeps: identityKeeps,
});
