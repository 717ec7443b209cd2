import type { StackError } from '../../shared/errors.ts';
import type { Emit } from './event.ts';

/** An error as `--json` prints it. */
export const errorJson = (error: StackError) => ({
  code: error.code,
  message: error.message,
  fix: error.hint,
  data: error.data,
});

/** One JSON document a line, one line an event. */
export const jsonReporter =
  (write: (line: string) => void): Emit =>
  (event) => {
    write(JSON.stringify(event.type === 'failed' ? { ...event, error: errorJson(event.error) } : event));
  };
