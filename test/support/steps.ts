import type { AreaName, BoundArea, Step } from '../../src/orchestrator/area.ts';
import { createEffects, type Effects, type KillPoint } from '../../src/orchestrator/effects.ts';
import { absent, type Fact } from '../../src/orchestrator/facts.ts';
import { createRedactor } from '../../src/shared/redact.ts';

/** A step with everything filled in that a test does not care about. */
export const step = (id: string, more: Partial<Step> = {}): Step => ({
  kind: 'make',
  id,
  why: `${id} is not there`,
  needs: [],
  uses: [],
  impact: 'none',
  deadlineMs: 5_000,
  ...more,
});

/** What is thrown where a test ends the run at an effect: nothing may catch it and go on. */
export class Killed extends Error {
  override readonly name = 'Killed';
}

/** Effects that end as a killed process does: at the given point one throws, and after it none runs any more. */
export const effectsFor = (killPoint?: KillPoint): Effects => {
  let isDead = false;
  const die = () => {
    isDead = true;
    throw new Killed();
  };
  const effects = createEffects({
    redactor: createRedactor(),
    ...(killPoint === undefined ? {} : { killPoint }),
    kill: die,
  });
  return {
    ...effects,
    async perform(kind, what, act) {
      if (isDead) throw new Killed();
      return effects.perform(kind, what, act);
    },
  };
};

interface Making {
  readonly fact: Fact;
  readonly needs: readonly Fact[];
  readonly uses?: Step['uses'];
}

/** An area over a set of made facts: each missing one is a step whose effect makes it. */
export const makerArea = (
  name: AreaName,
  made: Set<Fact>,
  wanted: readonly Making[],
  log: string[] = [],
): BoundArea => ({
  name,
  look: async () => ({
    facts: Object.fromEntries(
      wanted.map(({ fact }) => [fact, made.has(fact) ? true : absent(`${fact} is not there`)]),
    ),
    steps: wanted
      .filter(({ fact }) => !made.has(fact))
      .map(({ fact, needs, uses }) => step(`make ${fact}`, { needs, uses: uses ?? [] })),
  }),
  async run(one, effects) {
    log.push(`begin ${one.id}`);
    await effects.perform('file', one.id, async () => {
      await Promise.resolve();
      made.add(one.id.replace('make ', '') as Fact);
    });
    log.push(`end ${one.id}`);
  },
});
