import { version } from './instance.ts';
import { readOptions } from './options.ts';
import { createPocketId } from './server.ts';
import { StartError } from './start-error.ts';

const healthDeadlineMs = 5000;
const closeDeadlineMs = 5000;

const say = (text: string): void => void process.stdout.write(`${text}\n`);
const complain = (text: string): void => void process.stderr.write(`${text}\n`);

const readPort = (): number => {
  const text = process.env['PORT'] ?? '1411';
  if (!/^\d{1,5}$/.test(text) || Number(text) > 65_535)
    throw new StartError(`PORT is ${JSON.stringify(text)}, wanted a port`);
  return Number(text);
};

/** `healthcheck`: 0 when the server in this container answers, else 1. */
const healthcheck = async (): Promise<number> => {
  readOptions(process.env);
  const url = `http://localhost:${readPort()}/healthz`;
  const status = await fetch(url, { signal: AbortSignal.timeout(healthDeadlineMs) }).then(
    (response) => response.status,
    () => undefined,
  );
  if (status === 204) return 0;
  complain(`healthcheck: ${url} ${status === undefined ? 'does not answer' : `answers ${status}`}`);
  return 1;
};

const serve = async (): Promise<void> => {
  const options = readOptions(process.env);
  const host = process.env['HOST'] ?? '0.0.0.0';
  const pocketId = await createPocketId(options, {
    report: (error) => complain(`internal error: ${error.message}`),
  });
  const stop = (): void => {
    setTimeout(() => process.exit(0), closeDeadlineMs).unref();
    void pocketId.close().then(
      () => process.exit(0),
      () => process.exit(0),
    );
  };
  process.once('SIGTERM', stop);
  process.once('SIGINT', stop);
  const port = await pocketId.listen({ host, port: readPort() });
  say(`stand-in for Pocket ID v${version}: serving ${options.appUrl} on ${host}:${port}`);
};

const main = async (): Promise<void> => {
  // Before the server is up there is nothing to put away; PID 1 has no default for these signals.
  const leave = (): never => process.exit(0);
  process.once('SIGTERM', leave);
  process.once('SIGINT', leave);
  try {
    if (process.argv[2] === 'healthcheck') process.exit(await healthcheck());
    await serve();
    process.off('SIGTERM', leave);
    process.off('SIGINT', leave);
  } catch (error) {
    complain(`error: ${error instanceof Error ? error.message : String(error)}`);
    process.exit(1);
  }
};

await main();
