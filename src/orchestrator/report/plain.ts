import type { Emit, Event } from './event.ts';
import { durationText, type Style } from './text.ts';

interface Options {
  readonly write: (line: string) => void;
  readonly style: Style;
  readonly verbose: boolean;
}

const lineOf = (event: Event, style: Style, verbose: boolean): string | undefined => {
  switch (event.type) {
    case 'started':
      return verbose ? style.dim(`… ${event.step.id}: ${event.step.why}`) : undefined;
    case 'done':
      return `${style.green('✓')} ${event.step.id} ${style.dim(`(${durationText(event.durationMs)})`)}`;
    case 'failed':
      return event.willRetry
        ? style.yellow(`! ${event.step.id}: ${event.error.message}; trying again`)
        : style.red(`✗ ${event.step.id}: ${event.error.message}`);
    case 'effect':
      return verbose ? style.dim(`    ${event.number} ${event.kind} ${event.what}`) : undefined;
    case 'looking':
      return undefined;
  }
};

/** A line for what is finished; with `verbose` also for what begins and for each effect. For logs and pipes. */
export const plainReporter =
  ({ write, style, verbose }: Options): Emit =>
  (event) => {
    const line = lineOf(event, style, verbose);
    if (line !== undefined) write(line);
  };
