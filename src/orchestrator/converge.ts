import { setMaxListeners } from 'node:events';
import { monotonicMs, sleep, within } from '../shared/clock.ts';
import { asStackError, isAbort, type StackError } from '../shared/errors.ts';
import type { AreaName, BoundArea, Observation, Step } from './area.ts';
import type { Effects } from './effects.ts';
import { absent, type Fact, type Facts, type Why } from './facts.ts';
import type { Emit, Unmet } from './report/event.ts';
import { lookTooLate, notConverged, tooLate } from './report/step-errors.ts';

/*
 * INVARIANTS
 * - Nothing is remembered between runs: what is done follows from what is seen.
 * - A step runs only when all it needs is true, and only if its area was looked at after that became true.
 * - No two running steps share an id or something exclusive.
 * - A run that changed something ends with a look at everything.
 * - A run ends: each id succeeds at most twice, fails at most `tries` times, and every step has a deadline. What the second
 *   success has not changed at once gets one more look, a moment later.
 */

export interface Waiting {
  readonly area: AreaName;
  readonly step: Step;
  readonly unmet: readonly Unmet[];
}

export interface Failure {
  readonly area: AreaName;
  readonly step: Step;
  readonly error: StackError;
}

/** How a run ended. Converged when nothing waits and nothing failed; `unknown` are facts nobody could look at. */
export interface Outcome {
  readonly ran: readonly { readonly area: AreaName; readonly step: Step }[];
  readonly waiting: readonly Waiting[];
  readonly failures: readonly Failure[];
  readonly unknown: readonly Unmet[];
}

interface Options {
  readonly areas: readonly BoundArea[];
  readonly effects: Effects;
  readonly emit: Emit;
  readonly signal: AbortSignal;
}

const tries = 3;
const lookTimeoutMs = 60_000;
/** What a server took may show a moment later: a list that lags, a proxy that remembers an old address. */
const settleMs = 3_000;
/** Errors worth a second try within one run: an outside system that may be back in a moment. */
const passing = new Set([
  'DNS_API_UNREACHABLE',
  'DNS_API_FAILED',
  'CA_UNREACHABLE',
  'IDENTITY_UNREACHABLE',
  'MESH_UNREACHABLE',
  'ENGINE_FAILED',
]);
/** A server that asks us to wait is obeyed within the run up to this long. */
const longestPauseMs = 15_000;

const pauseBeforeRetry = (error: StackError, failed: number): number | undefined => {
  if (failed >= tries) return undefined;
  if (error.retryAfterMs !== undefined)
    return error.retryAfterMs <= longestPauseMs ? error.retryAfterMs : undefined;
  return passing.has(error.code) ? 1000 * 2 ** (failed - 1) : undefined;
};

const holds = (facts: Facts, fact: Fact): boolean => facts[fact] === true;
const reasonOf = (facts: Facts, fact: Fact): Why => {
  const stated = facts[fact];
  return stated === undefined || stated === true
    ? absent(`nobody has said anything about ${fact} yet`)
    : stated;
};

const lookAt = async (area: BoundArea, signal: AbortSignal): Promise<Observation> => {
  try {
    return await within(signal, lookTimeoutMs, area.look);
  } catch (error) {
    signal.throwIfAborted();
    if (!isAbort(error)) throw error;
    throw lookTooLate(area.name, lookTimeoutMs, error);
  }
};

/** The steps of every area as one look shows them, for `plan`: nothing is changed. @throws {StackError} DEADLINE */
export const lookAround = async (
  areas: readonly BoundArea[],
  signal: AbortSignal,
): Promise<Map<AreaName, Observation>> =>
  new Map(await Promise.all(areas.map(async (area) => [area.name, await lookAt(area, signal)] as const)));

/** All facts of a look, each from the area that states it. */
export const factsOf = (seen: ReadonlyMap<AreaName, Observation>): Facts =>
  Object.assign({}, ...[...seen.values()].map((one) => one.facts)) as Facts;

/**
 * Looks, plans and applies until nothing is left, or until nothing that is left can run.
 * A failing step does not stop the others. @throws the signal's reason when interrupted
 */
export const converge = async ({ areas, effects, emit, signal }: Options): Promise<Outcome> => {
  // One listener for each step and look under way; their number is bounded by the plan.
  setMaxListeners(0, signal);
  emit({ type: 'looking' });
  const seen = await lookAround(areas, signal);
  const running = new Map<string, { readonly step: Step; readonly ended: Promise<void> }>();
  const succeeded = new Map<string, number>();
  const failed = new Map<string, number>();
  const failures = new Map<string, Failure>();
  const pausing = new Set<string>();
  const ran: { area: AreaName; step: Step }[] = [];

  // Looks overlap; the one that began last is the newest truth, whichever ends last.
  let looks = 0;
  const newest = new Map<AreaName, number>();
  /** The first look that shows what an area plans now that a fact its steps need has changed; older plans do not count. */
  const required = new Map<AreaName, number>();
  const isFresh = (name: AreaName) => (newest.get(name) ?? 0) >= (required.get(name) ?? 0);

  /** Looks at these areas; returns those that must be looked at now, since a fact of another area has changed for them. */
  const look = async (areaNames: ReadonlySet<AreaName>): Promise<ReadonlySet<AreaName>> => {
    looks += 1;
    const number = looks;
    const observations = await lookAround(
      areas.filter((area) => areaNames.has(area.name)),
      signal,
    );
    const changed: { readonly fact: Fact; readonly by: AreaName }[] = [];
    for (const [name, observation] of observations) {
      if (number < (newest.get(name) ?? 0)) continue;
      const before = seen.get(name)?.facts ?? {};
      for (const fact of Object.keys({ ...before, ...observation.facts }) as Fact[])
        if (holds(before, fact) !== holds(observation.facts, fact)) changed.push({ fact, by: name });
      newest.set(name, number);
      seen.set(name, observation);
    }
    const isConcerned = (name: AreaName, { steps }: Observation) =>
      changed.some(({ fact, by }) => by !== name && steps.some((step) => step.needs.includes(fact)));
    const concerned = [...seen].filter(([name, one]) => isConcerned(name, one)).map(([name]) => name);
    for (const name of concerned) required.set(name, looks + 1);
    return new Set(concerned);
  };

  const lookFrom = async (first: readonly AreaName[]) => {
    let next: ReadonlySet<AreaName> = new Set(first);
    while (next.size > 0) next = await look(next);
  };

  const execute = async (area: BoundArea, step: Step): Promise<void> => {
    const startedAt = monotonicMs();
    emit({ type: 'started', area: area.name, step });
    try {
      await within(signal, step.deadlineMs, async (limited) => area.run(step, effects, limited));
      succeeded.set(step.id, (succeeded.get(step.id) ?? 0) + 1);
      ran.push({ area: area.name, step });
      emit({ type: 'done', area: area.name, step, durationMs: monotonicMs() - startedAt });
    } catch (thrown) {
      signal.throwIfAborted();
      const error = isAbort(thrown) ? tooLate(step, thrown) : asStackError(thrown);
      const count = (failed.get(step.id) ?? 0) + 1;
      failed.set(step.id, count);
      const pauseMs = pauseBeforeRetry(error, count);
      emit({ type: 'failed', area: area.name, step, error, willRetry: pauseMs !== undefined });
      if (pauseMs === undefined) {
        failures.set(step.id, { area: area.name, step, error });
      } else {
        pausing.add(step.id);
        await sleep(pauseMs, signal);
        pausing.delete(step.id);
      }
    }
    await lookFrom([area.name]);
    const isStillPlanned = seen.get(area.name)?.steps.some((one) => one.id === step.id) === true;
    if (isStillPlanned && (succeeded.get(step.id) ?? 0) >= 2) {
      await sleep(settleMs, signal);
      await lookFrom([area.name]);
    }
  };

  let lookedAfter = 0;
  for (;;) {
    signal.throwIfAborted();
    const facts = factsOf(seen);
    const used = new Set([...running.values()].flatMap((one) => one.step.uses));
    for (const area of areas.filter((one) => isFresh(one.name))) {
      for (const step of seen.get(area.name)?.steps ?? []) {
        if (running.has(step.id) || failures.has(step.id) || pausing.has(step.id)) continue;
        if (!step.needs.every((fact) => holds(facts, fact)) || step.uses.some((one) => used.has(one)))
          continue;
        if ((succeeded.get(step.id) ?? 0) >= 2) {
          failures.set(step.id, { area: area.name, step, error: notConverged(step) });
          continue;
        }
        for (const one of step.uses) used.add(one);
        const ended = execute(area, step).finally(() => running.delete(step.id));
        running.set(step.id, { step, ended });
      }
    }
    if (running.size === 0) {
      if (lookedAfter === ran.length) break;
      lookedAfter = ran.length;
      await lookFrom(areas.map((area) => area.name));
      continue;
    }
    try {
      await Promise.race([...running.values()].map((one) => one.ended));
    } catch (error) {
      await Promise.allSettled([...running.values()].map((one) => one.ended));
      throw error;
    }
  }

  return outcomeOf(seen, ran, failures);
};

const outcomeOf = (
  seen: ReadonlyMap<AreaName, Observation>,
  ran: Outcome['ran'],
  failures: ReadonlyMap<string, Failure>,
): Outcome => {
  const facts = factsOf(seen);
  const waiting = [...seen].flatMap(([area, one]) =>
    one.steps
      .filter((step) => !failures.has(step.id))
      .map((step) => ({ area, step, unmet: unmetOf(step, facts) })),
  );
  const awaited = new Set(waiting.flatMap((one) => one.unmet.map((unmet) => unmet.fact)));
  const unknown = (Object.keys(facts) as Fact[])
    .filter((fact) => !holds(facts, fact) && !awaited.has(fact))
    .map((fact) => ({ fact, why: reasonOf(facts, fact) }))
    .filter((one) => one.why.because !== 'absent');
  return { ran, waiting, failures: [...failures.values()], unknown };
};

/** What a step still needs, with the reason why it is not there. */
export const unmetOf = (step: Step, facts: Facts): readonly Unmet[] =>
  step.needs.filter((fact) => !holds(facts, fact)).map((fact) => ({ fact, why: reasonOf(facts, fact) }));
