import { monotonicMs } from '../../src/shared/clock.ts';

/** How long something took, run by run. */
export type Durations = readonly number[];

/** Runs an act and says how long it took in milliseconds, beside what it returned. */
export const timed = async <T>(
  act: () => Promise<T>,
): Promise<{ readonly ms: number; readonly value: T }> => {
  const startedAt = monotonicMs();
  const value = await act();
  return { ms: monotonicMs() - startedAt, value };
};

/** The middle one; of an even number the mean of the two in the middle. NaN for none. */
export const median = (durations: Durations): number => {
  const sorted = [...durations].sort((a, b) => a - b);
  const half = Math.floor(sorted.length / 2);
  const upper = sorted[half] ?? NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[half - 1] ?? NaN) + upper) / 2;
};

const seconds = (ms: number): string => `${(ms / 1000).toFixed(2)} s`;

/** One line: name, median, and what lay around it. */
export const line = (name: string, durations: Durations): string => {
  const around =
    durations.length < 2
      ? ''
      : `  (${durations.length} runs, ${seconds(Math.min(...durations))} to ${seconds(Math.max(...durations))})`;
  return `  ${name.padEnd(44)}${seconds(median(durations)).padStart(8)}${around}`;
};

/** The line that holds two medians against each other. */
export const ratio = (ours: Durations, theirs: Durations, wanted: string): string =>
  `  ${'ratio of the medians'.padEnd(44)}${(median(ours) / median(theirs)).toFixed(2).padStart(8)}  (wanted: ${wanted})`;
