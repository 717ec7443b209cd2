/** Why the stand-in cannot start: one line for the log, then exit code 1. Never carries a secret. */
export class StartError extends Error {
  override readonly name = 'StartError';
}
