import type { Area } from '../orchestrator/area.ts';
import type { Effects } from '../orchestrator/effects.ts';
import { monotonicMs, sleep } from '../shared/clock.ts';
import { secretsGivenIn } from '../settings/identity-env.ts';
import { ensureDirectory, writeAtomic } from '../shared/files.ts';
import { asStackError, isStackError, StackError } from '../shared/errors.ts';
import type { Desired } from './desired.ts';
import { diagnose, wrongWith } from './docker/diagnosis.ts';
import type { Inspection } from './docker/answers.ts';
import { writeFiles } from './docker/service-files.ts';
import type { World } from './facts.ts';
import type { Ports } from './observe.ts';
import type { ContainerStep } from './docker/steps.ts';

type Apply = Area<Desired, World, ContainerStep>['apply'];
type StepOf<K extends ContainerStep['kind']> = Extract<ContainerStep, { kind: K }>;

/** How often a container is looked at while it starts. */
const lookEveryMs = 300;
/** What is kept of the deadline to ask for the log. */
const marginMs = 5000;

const logLines = 40;

const start = async (
  { compose }: Ports,
  step: StepOf<'start'>,
  effects: Effects,
  signal: AbortSignal,
): Promise<void> => {
  const up = async (services: readonly string[]) =>
    effects.perform('compose', `up ${services.join(', ')}`, async () =>
      compose.up(step.project, services, step.deadlineMs - marginMs, signal),
    );
  try {
    await up(step.services);
  } catch (error) {
    const isAboutOne = isStackError(error) && !error.code.startsWith('ENGINE_') && error.code !== 'DEADLINE';
    if (!isAboutOne || step.services.length === 1) throw error;
    // Compose gives up on all of them when one fails; each alone, the others come up.
    let first: StackError | undefined;
    for (const service of step.services) {
      try {
        await up([service]);
      } catch (failed) {
        signal.throwIfAborted();
        first ??= asStackError(failed);
      }
    }
    if (first !== undefined) throw first;
  }
};

const isGood = ({ status, health, exitCode }: Inspection): boolean =>
  (status === 'running' && (health === 'healthy' || health === 'none')) ||
  (status === 'exited' && exitCode === 0);

const awaitHealthy = async (
  { engine }: Ports,
  { service, project, deadlineMs }: StepOf<'await'>,
  effects: Effects,
  signal: AbortSignal,
): Promise<void> => {
  const startedAt = monotonicMs();
  const all = await engine.containers(project, signal);
  const id = all.find((one) => one.service === service && !one.oneOff)?.id;
  // Gone or replaced since it was seen: the next look says what is to be done.
  if (id === undefined) return;
  let seen = await engine.inspect(id, signal);
  if (seen?.status === 'restarting') {
    // The Engine waits longer and longer between two tries; what made it end may be mended by now.
    await effects.perform('engine', `restart ${service}`, async () => engine.restart(id, signal));
    seen = await engine.inspect(id, signal);
  }
  const restartsBefore = seen?.restarts ?? 0;
  let unhealthySince: number | undefined;
  for (;;) {
    if (seen === undefined || isGood(seen)) return;
    const now = monotonicMs();
    unhealthySince = seen.health === 'unhealthy' ? (unhealthySince ?? now) : undefined;
    const unhealthyMs = unhealthySince === undefined ? 0 : now - unhealthySince;
    const problem = wrongWith(seen, seen.restarts - restartsBefore, unhealthyMs);
    const isLate = now - startedAt > deadlineMs - marginMs;
    if (problem !== undefined || isLate) {
      const when = problem ?? `is not healthy after ${Math.round(deadlineMs / 1000)} s`;
      throw diagnose(service, when, seen, await engine.lastLines(id, logLines, signal));
    }
    await sleep(lookEveryMs, signal);
    seen = await engine.inspect(id, signal);
  }
};

/** One function for each kind of step; each can be repeated, and killed anywhere. */
export const createApply = (ports: Ports): Apply => ({
  async obstacle({ problem }) {
    return Promise.reject(new StackError(problem.code, problem.message, { hint: problem.hint }));
  },

  async folders({ folders }, effects) {
    for (const { path, mode, owner } of folders)
      await effects.perform('file', `prepare ${path}`, async () => ensureDirectory(path, mode, owner));
  },

  async secrets({ secrets, identityEnv }, effects) {
    const names = secrets.map((one) => one.name);
    const given = await secretsGivenIn(identityEnv, names);
    for (const { name, generate } of secrets) {
      if ((await ports.secrets.read(name)) !== undefined) continue;
      const value = given[name];
      const doing = value === undefined ? `make the secret ${name}` : `take ${name} from ${identityEnv}`;
      await effects.perform('file', doing, async () => ports.secrets.save(name, value ?? generate()));
    }
  },

  async files({ wish }, effects) {
    await writeFiles(wish, ports.secrets.read, effects);
  },

  async env({ path, text }, effects) {
    await effects.perform('file', 'write compose.env', async () => writeAtomic(path, text, 0o600));
  },

  async image({ action }, effects, signal) {
    await ports.images.provide(action, effects, signal);
  },

  async start(step, effects, signal) {
    await start(ports, step, effects, signal);
  },

  async await(step, effects, signal) {
    await awaitHealthy(ports, step, effects, signal);
  },

  async remove({ service, containers }, effects, signal) {
    for (const id of containers)
      await effects.perform('engine', `remove the container of ${service}`, async () =>
        ports.engine.remove(id, signal),
      );
  },

  async down({ project, first, deadlineMs }, effects, signal) {
    const timeoutMs = deadlineMs - marginMs;
    if (first.length > 0)
      await effects.perform('compose', `stop ${first.join(', ')}`, async () =>
        ports.compose.stop(project, first, timeoutMs, signal),
      );
    await effects.perform('compose', 'down', async () => ports.compose.down(project, timeoutMs, signal));
  },
});
