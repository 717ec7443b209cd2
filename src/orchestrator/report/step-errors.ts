import { StackError } from '../../shared/errors.ts';
import type { AreaName, Step } from '../area.ts';

/* What the loop itself has to say of a step or a look that did not end as it should. */

export const tooLate = (step: Step, cause: unknown): StackError =>
  new StackError('DEADLINE', `"${step.id}" did not finish within ${Math.round(step.deadlineMs / 1000)} s`, {
    hint: 'run npm run up again; it goes on where it stopped',
    data: { step: step.id, deadlineMs: step.deadlineMs },
    cause,
  });

export const notConverged = (step: Step): StackError =>
  new StackError('NOT_CONVERGED', `"${step.id}" succeeded twice, and still: ${step.why}`, {
    hint: 'something else changes it back, or this is a bug: look for another program that manages the same thing',
    data: { step: step.id, why: step.why },
  });

export const lookTooLate = (area: AreaName, limitMs: number, cause: unknown): StackError =>
  new StackError('DEADLINE', `looking at ${area} did not end within ${limitMs / 1000} s`, {
    hint: 'run it again; npm run -s doctor looks at each part by itself, and names the one that does not answer',
    data: { area },
    cause,
  });
