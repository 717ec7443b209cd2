import { errorCodes } from '../../shared/error-codes.ts';
import type { StackError } from '../../shared/errors.ts';
import type { Outcome } from '../converge.ts';
import type { Report } from './check.ts';
import type { Unmet } from './event.ts';

/** How text is drawn: with colours or without. */
export interface Style {
  readonly bold: (text: string) => string;
  readonly dim: (text: string) => string;
  readonly green: (text: string) => string;
  readonly yellow: (text: string) => string;
  readonly red: (text: string) => string;
}

/** `error[CODE]: …`, `fix: …`, `see: …` */
export const errorText = (error: StackError, style: Style): string =>
  [
    `${style.red(`error[${error.code}]`)}: ${error.message}`,
    `  fix: ${error.hint}`,
    `  see: docs/errors.md#${error.code.toLowerCase()}`,
  ].join('\n');

export const durationText = (ms: number): string =>
  ms < 950 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`;

/**
 * What is left after a run, for people: failures first, then what waits for something outside, then what nobody could
 * look at. Steps that merely wait for those are counted.
 */
export const outcomeText = (outcome: Outcome, style: Style): string => {
  // What keeps several steps from running, such as a wrong token, is said once.
  const texts = outcome.failures.map((one) => ({ text: errorText(one.error, style), id: one.step.id }));
  const failures = [...new Set(texts.map((one) => one.text))].map((text) => {
    const ids = texts.filter((one) => one.text === text).map((one) => one.id);
    return `${text}\n  while: ${ids.join('; ')}`;
  });
  const isRoot = (unmet: Unmet) => unmet.why.because !== 'absent';
  const roots = failures.length > 0 ? [] : outcome.waiting.filter((one) => one.unmet.some(isRoot));
  const reasons = [
    ...new Set(roots.flatMap((one) => one.unmet.filter(isRoot).map((unmet) => whyText(unmet.why)))),
  ];
  const count = outcome.waiting.length;
  const waiting =
    count === 0
      ? []
      : [
          `${style.yellow('waiting')}: ${count === 1 ? 'one step' : `${count} steps`}, first: ${outcome.waiting[0]?.step.id ?? ''}`,
          ...reasons.map((one) => `    ${one}`),
        ];
  const unknown =
    failures.length > 0
      ? []
      : [...new Set(outcome.unknown.map((one) => whyText(one.why)))].filter((one) => !reasons.includes(one));
  return [...failures, ...waiting, ...unknown.map((one) => `${style.yellow('warning')}: ${one}`)].join('\n');
};

const whyText = (why: Unmet['why']): string => `${why.text}${hintText(why.hint)}`;

const hintText = (hint: string | undefined): string => (hint === undefined ? '' : `\n    fix: ${hint}`);

/**
 * 0 nothing is left, or only what could not be looked at · the first failure's exit code · 3 something waits.
 */
export const exitCodeOfOutcome = (outcome: Outcome): number => {
  const [first] = outcome.failures;
  if (first !== undefined) return errorCodes[first.error.code].exit;
  return outcome.waiting.length > 0 || outcome.unknown.some((one) => one.why.because === 'conflict') ? 3 : 0;
};

const marks = { passed: '✓', failed: '✗', skipped: '-' } as const;

/** One line a check; what failed says what to do. */
export const checksText = (checks: Report['checks'], style: Style): string => {
  const paint = { passed: style.green, failed: style.red, skipped: style.yellow };
  const lines = checks.flatMap((check) => {
    const detail = check.detail === '' ? '' : style.dim(` (${check.detail})`);
    const line = `${paint[check.status](marks[check.status])} ${check.title}${detail}`;
    if (check.status !== 'failed') return [line];
    return [
      line,
      ...(check.fix === undefined ? [] : [`    fix: ${check.fix}`]),
      ...(check.confirm === undefined ? [] : [`    to confirm: ${check.confirm}`]),
    ];
  });
  return lines.join('\n');
};

/** Every check, and how many there are of each kind. */
export const reportText = (report: Report, style: Style): string => {
  const count = (status: 'passed' | 'failed' | 'skipped') =>
    report.checks.filter((check) => check.status === status).length;
  const total = `${report.subject}: ${count('passed')} passed, ${count('failed')} failed, ${count('skipped')} skipped`;
  return [checksText(report.checks, style), style.bold(total)].filter((part) => part !== '').join('\n');
};
