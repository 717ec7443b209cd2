import spawn, { SubprocessError } from 'nano-spawn';
import { errnoOf, isStackError } from './errors.ts';

/** What a program that ended said. `exitCode` is undefined where it could not be started or was killed. */
export interface Outcome {
  readonly exitCode: number | undefined;
  readonly stdout: string;
  readonly stderr: string;
  /** Node's name for why it did not start, such as ENOENT. */
  readonly errno: string | undefined;
}

interface Options {
  readonly timeoutMs: number;
  readonly signal?: AbortSignal;
  readonly stdin?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** True: an abort asks the program to end (SIGTERM), and it is waited for, since it has something to put in order. */
  readonly lingers?: boolean;
}

/**
 * Runs a program without a shell and returns how it ended; a failing program is an outcome, not an exception.
 * `env` is added to this process's environment.
 * @throws the signal's reason when aborted
 */
export const run = async (file: string, args: readonly string[], options: Options): Promise<Outcome> => {
  const { signal, lingers = false } = options;
  signal?.throwIfAborted();
  let askToEnd = () => {};
  try {
    const spawned = spawn(file, [...args], {
      timeout: options.timeoutMs,
      ...(signal === undefined || lingers ? {} : { signal }),
      ...(options.stdin === undefined ? { stdin: 'ignore' as const } : { stdin: { string: options.stdin } }),
      ...(options.env === undefined ? {} : { env: options.env }),
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    });
    if (lingers) {
      const child = await spawned.nodeChildProcess;
      askToEnd = () => void child.kill('SIGTERM');
      signal?.addEventListener('abort', askToEnd, { once: true });
    }
    const result = await spawned;
    return { exitCode: 0, stdout: result.stdout, stderr: result.stderr, errno: undefined };
  } catch (error) {
    signal?.throwIfAborted();
    if (isStackError(error) || !(error instanceof SubprocessError)) throw error;
    return {
      exitCode: error.exitCode,
      stdout: error.stdout,
      stderr: error.stderr,
      errno: errnoOf(error.cause),
    };
  } finally {
    signal?.removeEventListener('abort', askToEnd);
  }
};
