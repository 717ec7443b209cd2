import type { Effects, KillPoint } from '../../../../src/orchestrator/effects.ts';
import { effectsFor, Killed } from '../../../support/steps.ts';

/** Runs something as a process that is killed at one of its effects. True where it was, false where it ended before. */
export const untilKilled = async (
  killPoint: KillPoint,
  run: (effects: Effects) => Promise<unknown>,
): Promise<boolean> => {
  const effects = effectsFor(killPoint);
  try {
    await run(effects);
  } catch (error) {
    if (!(error instanceof Killed)) throw error;
  }
  return effects.count() >= killPoint.at;
};
