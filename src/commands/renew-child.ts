import { join } from 'node:path';
import * as z from 'zod';
import type { Warn } from '../acme/renewal/records.ts';
import type { Terminal } from '../context.ts';
import { errorCodes, type ErrorCode } from '../shared/error-codes.ts';
import { asStackError, exitCodeOf, StackError } from '../shared/errors.ts';
import { run } from '../shared/exec.ts';
import type { Redactor } from '../shared/redact.ts';

/*
 * Both ends of the line between the renewer and the processes that work for it: one JSON document, `{done}` or `{error}`,
 * and `warnings`.
 */

const toldSchema = z.object({
  warnings: z.array(z.object({ text: z.string(), hint: z.string() })).optional(),
  done: z.string().optional(),
  error: z
    .object({ code: z.string(), message: z.string(), hint: z.string(), retryAfterMs: z.number().optional() })
    .optional(),
});

/** What the process printed; nothing where it ended before it could. */
const told = (stdout: string): z.output<typeof toldSchema> => {
  try {
    return toldSchema.parse(JSON.parse(stdout));
  } catch {
    return {};
  }
};

/** Above every time limit that the work has itself. */
const timeoutMs = 420_000;

/**
 * Runs `renew <flags>` of this program in a process of its own, whose memory is gone with it; returns what there is to tell.
 * When aborted it is asked to end, and waited for. `warn` hears what is no failure. @throws {StackError} as the work does; INTERNAL where it says nothing
 */
export const workInChild = async (
  installation: string,
  flags: readonly string[],
  signal: AbortSignal,
  warn?: Warn,
): Promise<string | undefined> => {
  const program = join(installation, 'dist', 'cli.js');
  const ended = await run(process.execPath, [program, 'renew', ...flags], {
    timeoutMs,
    signal,
    lingers: true,
  });
  signal.throwIfAborted();
  const { done, error, warnings = [] } = told(ended.stdout);
  for (const { text, hint } of warnings) warn?.(text, hint);
  if (error !== undefined && error.code in errorCodes) {
    throw new StackError(error.code as ErrorCode, error.message, {
      hint: error.hint,
      ...(error.retryAfterMs === undefined ? {} : { retryAfterMs: error.retryAfterMs }),
    });
  }
  if (ended.exitCode === 0) return done;
  const seen = ended.stderr.trim().split('\n').at(-1) ?? '';
  throw new StackError('INTERNAL', `renew ${flags[0]} ended with ${String(ended.exitCode)}: ${seen}`, {
    hint: 'nothing: it is tried again; if it stays so, report what it prints',
  });
};

/** The other end: does the work, prints how it ended, and returns the exit code. */
export const tellParent = async (
  { stdout, signal }: Pick<Terminal, 'stdout' | 'signal'>,
  redactor: Redactor,
  work: (warn: Warn) => Promise<string | undefined>,
): Promise<number> => {
  const warnings: { readonly text: string; readonly hint: string }[] = [];
  const print = (ended: object) => {
    const document = warnings.length === 0 ? ended : { ...ended, warnings };
    stdout.write(`${redactor.clean(JSON.stringify(document))}\n`);
  };
  try {
    const done = await work((text, hint) => {
      warnings.push({ text, hint });
    });
    print(done === undefined ? {} : { done });
    return 0;
  } catch (thrown) {
    const error = asStackError(signal.aborted ? signal.reason : thrown);
    const { code, message, hint, retryAfterMs } = error;
    print({ error: { code, message, hint, retryAfterMs } });
    return exitCodeOf(error);
  }
};
