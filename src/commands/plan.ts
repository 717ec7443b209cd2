import type { Context } from '../context.ts';
import { createAreas } from '../orchestrator/areas.ts';
import { factsOf, lookAround, unmetOf } from '../orchestrator/converge.ts';
import type { Step } from '../orchestrator/area.ts';

interface Flags {
  readonly adopt?: boolean;
}

/** `plan`: every step of the whole run with its reason and what it needs. Changes nothing. 0 nothing to do, 2 it differs. */
export const plan = async (context: Context, flags: Flags): Promise<number> => {
  if (context.flags.json !== true) context.tell(context.hostLine);
  return showSteps(context, flags);
};

/** The same, for a verb that has named the host already. */
export const showSteps = async (context: Context, flags: Flags): Promise<number> => {
  const { areas } = createAreas(context, { adopt: flags.adopt === true });
  const seen = await lookAround(areas, context.terminal.signal);
  const facts = factsOf(seen);
  const steps = [...seen].flatMap(([area, one]) => one.steps.map((step) => ({ area, step })));
  const open = Object.entries(facts).flatMap(([fact, why]) =>
    why === undefined || why === true || why.because === 'absent' ? [] : [{ fact, ...why }],
  );
  if (context.flags.json === true) {
    context.print(JSON.stringify({ host: context.settings.host, steps, open }, undefined, 2));
    return steps.length === 0 ? 0 : 2;
  }
  const { bold, dim, yellow } = context.terminal.style;
  // One cause, such as an Engine that does not answer, leaves many facts open.
  const texts = open.map((one) =>
    [
      `${yellow(one.because === 'conflict' ? 'conflict' : 'unknown')}: ${one.text}`,
      ...(one.hint === undefined ? [] : [`  fix: ${one.hint}`]),
    ].join('\n'),
  );
  for (const text of new Set(texts)) context.tell(text);
  for (const { step } of steps) {
    const unmet = unmetOf(step, facts).map((one) => one.fact);
    context.print(`${bold(step.id)}${marks(step)}`);
    context.print(`    ${step.why}`);
    if (unmet.length > 0) context.print(dim(`    after: ${unmet.join(', ')}`));
  }
  context.print(steps.length === 0 ? 'nothing to do' : `${steps.length} steps; npm run up takes them`);
  return steps.length === 0 ? 0 : 2;
};

const marks = (step: Step): string =>
  [step.assumed === true ? ' (expected)' : '', step.impact === 'none' ? '' : ` [${step.impact}]`].join('');
