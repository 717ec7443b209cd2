import type { CommonFlags, Terminal } from '../context.ts';
import { commandsFor } from '../orchestrator/report/commands.ts';
import { errorJson } from '../orchestrator/report/json.ts';
import { errorText } from '../orchestrator/report/text.ts';
import { asStackError, exitCodeOf, isStackError, type StackError } from '../shared/errors.ts';

/** Prints an error as everybody knows it; where `isJson`, as a document too. */
export const tellError = (
  error: StackError,
  { stdout, stderr, style }: Terminal,
  isJson: boolean,
  clean: (text: string) => string = (text) => text,
): void => {
  if (isJson) stdout.write(`${clean(JSON.stringify({ error: errorJson(error) }))}\n`);
  stderr.write(`${clean(errorText(error, style))}\n`);
};

/** Tells what a verb threw, and returns the exit code it leads to. */
export const tellThrown = (
  thrown: unknown,
  terminal: Terminal,
  flags: CommonFlags,
  clean: (text: string) => string,
): number => {
  // Whoever was interrupted may know more of what is left than the signal does.
  const isOwn = isStackError(thrown) && thrown.code === 'INTERRUPTED';
  const error = asStackError(terminal.signal.aborted && !isOwn ? terminal.signal.reason : thrown);
  tellError(error, terminal, flags.json === true, (text) => commandsFor(clean(text), flags.host));
  if ((error.code === 'INTERNAL' || flags.verbose === true) && error.cause instanceof Error) {
    terminal.stderr.write(`${clean(error.cause.stack ?? '')}\n`);
  }
  return exitCodeOf(error);
};
