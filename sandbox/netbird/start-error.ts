/** A reason not to start. `main.ts` prints its message as one line and exits 1, as the real programs do. */
export class StartError extends Error {
  override readonly name = 'StartError';
}
