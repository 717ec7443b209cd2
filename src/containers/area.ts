import type { Area, ServiceFile } from '../orchestrator/area.ts';
import type { Settings } from '../settings/settings.ts';
import type { Owner } from '../shared/files.ts';
import { createApply } from './apply.ts';
import { createCompose, type Compose } from './compose.ts';
import { containerKeeps, desiredContainers, type Desired } from './desired.ts';
import { findEndpoint, type Endpoint } from './docker/endpoint.ts';
import { createEngine, type Engine } from './engine.ts';
import { containerFacts, type World } from './facts.ts';
import { observeContainers, type Ports } from './observe.ts';
import type { ContainerStep } from './docker/steps.ts';
import { planContainers } from './plan.ts';

interface AreaPorts extends Ports {
  /** Every file that a service reads, from all areas. */
  readonly files: (settings: Settings) => readonly ServiceFile[];
  /** Who runs this program. */
  readonly user: Owner;
  /** True: nothing should run; for `down`. */
  readonly down?: boolean;
  /** Only these services are started; for verbs that need one of them and not the stack. */
  readonly only?: readonly string[] | undefined;
}

/** Containers, their images, files and secrets, as an area. */
export const createContainersArea = (ports: AreaPorts): Area<Desired, World, ContainerStep> => ({
  name: 'containers',
  desired: (settings) => desiredContainers(settings, { ...ports, down: ports.down === true }),
  observe: async (desired, signal) => observeContainers(ports, desired, signal),
  facts: containerFacts,
  plan: planContainers,
  apply: createApply(ports),
  files: () => [],
  keeps: containerKeeps,
});

/** Both ways to Docker, to the same Engine. */
export interface Docker {
  readonly endpoint: () => Promise<Endpoint>;
  readonly engine: Engine;
  readonly compose: Compose;
}

/** Finds the Engine with the first call that needs it; `home` is where the docker command keeps its configuration. */
export const createDocker = (env: Readonly<Record<string, string | undefined>>, home: string): Docker => {
  let found: Promise<Endpoint> | undefined;
  const endpoint = async () => {
    found ??= findEndpoint(env, home);
    return found;
  };
  return { endpoint, engine: createEngine(endpoint), compose: createCompose({ endpoint, env }) };
};
