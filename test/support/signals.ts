import { errnoOf } from '../../src/shared/errors.ts';

/** Sends a signal to a process that was found a moment ago; one that has ended by itself since needs none. */
export const signalFound = (id: number, signal: NodeJS.Signals): void => {
  try {
    process.kill(id, signal);
  } catch (error) {
    if (errnoOf(error) !== 'ESRCH') throw error;
  }
};
