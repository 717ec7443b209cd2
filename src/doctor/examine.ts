import { setMaxListeners } from 'node:events';
import type { Check } from '../orchestrator/report/check.ts';
import { within } from '../shared/clock.ts';
import { errnoOf, isAbort, isStackError } from '../shared/errors.ts';
import { failed, unknown, type Finding } from './finding.ts';
import type { DoctorView, Known, StackView } from './view.ts';

/** One thing to look at. */
export interface Examination {
  /** Stable: pages and scripts refer to it. */
  readonly id: string;
  /** The rule, as a sentence. */
  readonly title: string;
  /** Ids of earlier examinations without which this one means nothing. */
  readonly needs: readonly string[];
  readonly timeoutMs: number;
  readonly look: (signal: AbortSignal) => Promise<Finding>;
}

/** An examination of a stack whose settings are valid; without them it is not begun. */
export const ofStack = (
  { stack }: DoctorView,
  facts: Omit<Examination, 'look'>,
  look: (stack: StackView, known: Known, signal: AbortSignal) => Promise<Finding>,
): Examination => ({
  ...facts,
  needs: ['settings', ...facts.needs],
  look: async (signal) =>
    'broken' in stack ? unknown('because settings failed') : look(stack, stack.known, signal),
});

/** What a look threw: our errors say what to do, the system's say why nothing could be seen. Anything else is a bug. */
const findingOf = (error: unknown, { id, timeoutMs }: Examination): Finding => {
  if (isStackError(error))
    return failed(error.message, error.hint, `npm run -s doctor, and read the line ${id}`);
  if (isAbort(error)) return unknown(`no result within ${timeoutMs / 1000} s`);
  const errno = errnoOf(error);
  if (errno === undefined) throw error;
  return unknown(`could not be looked at: ${error instanceof Error ? error.message : errno}`);
};

interface Outcome {
  readonly id: string;
  readonly finding: Finding;
}

/**
 * Why a check cannot build on those it needs; undefined where it can. What could not be looked at passes its own reason
 * on: the first cause is what people look for.
 */
const obstacle = (needed: readonly Outcome[]): string | undefined => {
  const found = needed.find(({ finding }) => finding.status === 'failed' || finding.blocks === true);
  if (found === undefined) return undefined;
  return found.finding.status === 'failed' ? `because ${found.id} failed` : found.finding.detail;
};

/**
 * Looks at everything at once; what needs another one waits for it, and is skipped where that one failed. The checks
 * come in the order given. @throws the signal's reason
 */
export const examine = async (
  examinations: readonly Examination[],
  signal: AbortSignal,
): Promise<readonly Check[]> => {
  setMaxListeners(0, signal);
  const outcomes = new Map<string, Promise<Outcome>>();
  const outcomeOf = async (one: Examination): Promise<Outcome> => {
    // What is needed may come later in the list: look for it when all are there.
    await Promise.resolve();
    const needed = await Promise.all(one.needs.map(async (id) => outcomes.get(id)));
    const cause = obstacle(needed.filter((other) => other !== undefined));
    if (cause !== undefined) return { id: one.id, finding: unknown(cause) };
    try {
      return { id: one.id, finding: await within(signal, one.timeoutMs, one.look) };
    } catch (error) {
      signal.throwIfAborted();
      return { id: one.id, finding: findingOf(error, one) };
    }
  };
  for (const one of examinations) outcomes.set(one.id, outcomeOf(one));
  const all = await Promise.all(outcomes.values());
  return examinations.map(({ id, title }, index) => {
    const { status = 'skipped', detail = '', fix, confirm } = all[index]?.finding ?? {};
    return {
      id,
      title,
      status,
      detail,
      ...(fix === undefined ? {} : { fix }),
      ...(confirm === undefined ? {} : { confirm }),
      required: false,
    };
  });
};
