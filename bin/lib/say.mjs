/** Something to tell the person at the terminal; data goes to stdout, this does not. */
export const say = (text) => void process.stderr.write(`${text}\n`);

/** An end with a code, what was seen, and what to do; printed like the program's own errors. */
export class Stop extends Error {
  constructor(code, message, fix, exitCode = 3) {
    super(message);
    this.name = 'Stop';
    this.code = code;
    this.fix = fix;
    this.exitCode = exitCode;
  }
}

/** Prints a Stop, for programs too where `isJson`, and returns its exit code; anything else is thrown on. */
export const explain = (error, isJson = false) => {
  if (!(error instanceof Stop)) throw error;
  if (isJson) {
    const { code, message, fix } = error;
    process.stdout.write(`${JSON.stringify({ error: { code, message, fix, data: {} } })}\n`);
  }
  say(
    `error[${error.code}]: ${error.message}\n  fix: ${error.fix}\n  see: docs/errors.md#${error.code.toLowerCase()}`,
  );
  return error.exitCode;
};
