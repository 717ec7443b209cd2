import { expect, test } from 'vitest';
import { containerFacts } from '../../../src/containers/facts.ts';
import { planContainers } from '../../../src/containers/plan.ts';
import { converge } from '../../../src/orchestrator/converge.ts';
import { effectsFor } from '../../support/steps.ts';
import { container, desiredOf, readyWorld } from './worlds.ts';

const desired = desiredOf();
const conflict = { code: 'PORT_TAKEN', service: 'postgres', message: 'held by x', hint: 'stop it' } as const;

/** Something that one part of a test waits for and another one says. */
const signalled = () => {
  let say = () => {};
  const said = new Promise<void>((resolve) => {
    say = resolve;
  });
  return { said, say };
};

test('a port or subnet that is seen taken while our own start is under way is no conflict', async () => {
  const startBegan = signalled();
  const looked = signalled();
  const state = { swept: false, start: 'none' as 'none' | 'under way' | 'done' };
  const lookAt = () => {
    const isUnderWay = state.start === 'under way';
    if (isUnderWay) looked.say();
    const leftovers = state.swept ? [] : ['older'];
    return readyWorld(
      {
        files: { postgres: { wanted: 'v', label: 'l', why: undefined, current: 'v', leftovers } },
        containers: state.start === 'done' ? [container('postgres')] : [],
        conflicts: isUnderWay ? [conflict] : [],
      },
      ['postgres'],
    );
  };
  const outcome = await converge({
    areas: [
      {
        name: 'containers',
        look: async () => {
          const world = lookAt();
          return Promise.resolve({
            facts: containerFacts(desired, world),
            steps: planContainers(desired, world),
          });
        },
        run: async (step) => {
          if (step.kind === 'obstacle') throw new Error(step.why);
          if (step.kind === 'start') {
            state.start = 'under way';
            startBegan.say();
            await looked.said;
            // What that look showed has been acted on once nothing is left to be done at once.
            await new Promise((resolve) => setImmediate(resolve));
            state.start = 'done';
          }
          if (step.kind === 'files') {
            await startBegan.said;
            state.swept = true;
          }
        },
      },
    ],
    effects: effectsFor(),
    emit: () => undefined,
    signal: new AbortController().signal,
  });

  expect(outcome.failures).toEqual([]);
  expect(outcome.ran.map((one) => one.step.id).sort()).toEqual(['start postgres', 'write files of postgres']);
});
