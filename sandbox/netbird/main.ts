import type { Running } from './running.ts';
import { roles } from './roles.ts';
import { StartError } from './start-error.ts';

/**
 * Stand-ins for NetBird 0.77.1, for the sandbox only: `main.ts management|signal|relay|dashboard [flags]`.
 * SIGTERM and SIGINT end a role at once with exit 0; a start that fails prints one line and exits 1.
 */
async function main(): Promise<void> {
  const [name = '', ...args] = process.argv.slice(2);
  const start = Object.hasOwn(roles, name) ? roles[name] : undefined;
  if (start === undefined) {
    throw new StartError(`unknown role "${name}": wanted one of ${Object.keys(roles).join(', ')}`);
  }
  const print = (line: string): void => {
    process.stdout.write(`${new Date().toISOString()} ${line}\n`);
  };
  print(`stand-in for NetBird 0.77.1, role ${name}: not the real server`);
  // Before anything is opened: as a container's first process, a signal without a handler would be lost.
  let running: Running | undefined;
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.once(signal, () => {
      void end(running);
    });
  }
  running = await start(args, process.env, print);
  print(`listening: ${JSON.stringify(running.ports)}`);
}

async function end(running: Running | undefined): Promise<void> {
  await running?.close();
  process.exit(0);
}

try {
  await main();
} catch (error) {
  if (!(error instanceof Error)) throw error;
  const isExpected = error instanceof StartError || 'syscall' in error;
  process.stderr.write(`${isExpected ? error.message : (error.stack ?? error.message)}\n`);
  process.exit(1);
}
