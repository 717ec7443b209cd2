import { setTimeout as pause } from 'node:timers/promises';

/** Milliseconds since the epoch. */
export const nowMs = (): number => Date.now();

/** Milliseconds on a clock that is never set back; only differences mean something. */
export const monotonicMs = (): number => performance.now();

/** Waits; rejects with the signal's reason as soon as it is aborted. */
export const sleep = async (ms: number, signal?: AbortSignal): Promise<void> => {
  signal?.throwIfAborted();
  try {
    await pause(ms, undefined, signal === undefined ? {} : { signal });
  } catch (error) {
    signal?.throwIfAborted();
    throw error;
  }
};

/**
 * Runs an act with a signal that follows `signal` and is aborted with a TimeoutError after `timeoutMs`. The timer does
 * not keep the process alive and is gone when the act ends. (Inside AbortSignal.any Node 20 may lose a time-out.)
 */
export const within = async <T>(
  signal: AbortSignal | undefined,
  timeoutMs: number,
  act: (signal: AbortSignal) => Promise<T>,
): Promise<T> => {
  signal?.throwIfAborted();
  const controller = new AbortController();
  const follow = () => {
    controller.abort(signal?.reason);
  };
  const timer = setTimeout(() => {
    controller.abort(new DOMException(`no end after ${timeoutMs} ms`, 'TimeoutError'));
  }, timeoutMs);
  timer.unref();
  signal?.addEventListener('abort', follow, { once: true });
  try {
    return await act(controller.signal);
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener('abort', follow);
  }
};
