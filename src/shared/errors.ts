import { errorCodes, type ErrorCode } from './error-codes.ts';

const mark = Symbol.for('skylab-stack.error');

interface Details {
  /** One sentence: the command or edit that fixes it. */
  readonly hint: string;
  /** The values behind the message, for `--json`. Never a secret. */
  readonly data?: Readonly<Record<string, unknown>>;
  readonly cause?: unknown;
  /** Wait this long before the same call is made again; set where a server said so. */
  readonly retryAfterMs?: number;
}

/**
 * The one error of this program.
 * `message`: lower case, no full stop: what failed, what was seen, what was wanted. `hint`: how to mend it.
 */
export class StackError extends Error {
  static readonly [mark] = true;
  readonly code: ErrorCode;
  readonly hint: string;
  readonly data: Readonly<Record<string, unknown>>;
  readonly retryAfterMs: number | undefined;

  constructor(code: ErrorCode, message: string, details: Details) {
    super(message, details.cause === undefined ? {} : { cause: details.cause });
    this.name = 'StackError';
    this.code = code;
    this.hint = details.hint;
    this.data = details.data ?? {};
    this.retryAfterMs = details.retryAfterMs;
  }
}

/** True for errors made by this program, also across bundle borders. */
export const isStackError = (value: unknown): value is StackError =>
  value instanceof Error && (value.constructor as { [mark]?: boolean })[mark] === true;

/** The exit code an error leads to: that of its code, 1 for anything that is not ours. */
export const exitCodeOf = (error: unknown): number => (isStackError(error) ? errorCodes[error.code].exit : 1);

/** A file of another user, such as one of a stack that root started: no bug, wherever it was met. */
const deniedFile = (value: unknown): StackError | undefined => {
  if (!(value instanceof Error) || !['EACCES', 'EPERM'].includes(errnoOf(value) ?? '')) return undefined;
  if (!('path' in value) || typeof value.path !== 'string') return undefined;
  return new StackError('DISK_DENIED', `this user may not open ${value.path} (${errnoOf(value)})`, {
    hint: 'run it as the user who brought this stack up, or as root',
    data: { path: value.path, errno: errnoOf(value) },
    cause: value,
  });
};

/** Any thrown value as a StackError; what is not ours is a bug and keeps its stack as the cause. */
export const asStackError = (value: unknown): StackError =>
  isStackError(value)
    ? value
    : (deniedFile(value) ??
      new StackError('INTERNAL', value instanceof Error ? value.message : String(value), {
        hint: 'run again with --verbose and report what it prints',
        cause: value,
      }));

/** The `code` of a Node system error such as ENOENT, where it has one. */
export const errnoOf = (error: unknown): string | undefined =>
  error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;

export const isMissingFile = (error: unknown): boolean => errnoOf(error) === 'ENOENT';

/** True when a call ended because its signal was aborted or its time limit passed. */
export const isAbort = (error: unknown): boolean =>
  error instanceof Error && (error.name === 'AbortError' || error.name === 'TimeoutError');
