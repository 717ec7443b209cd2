import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Argument, Command, CommanderError, Option } from 'commander';
import pc from 'picocolors';
import { addCompletion } from './commands/add-completion.ts';
import { addSecrets } from './commands/add-secrets.ts';
import { belowFlags, verbHelp, type VerbName } from './commands/help.ts';
import { tellError, tellThrown } from './commands/thrown.ts';
import type { CommonFlags, Context, Terminal } from './context.ts';
import { questions } from './init/questions.ts';
import { errnoOf, StackError } from './shared/errors.ts';

/*
 * The border to the process: arguments, environment, signals, exit code. Each verb is one file in commands/, loaded
 * when it is called.
 */

type Verb = (context: Context, flags: Readonly<Record<string, unknown>>) => Promise<number>;

const interrupted = (): StackError =>
  new StackError('INTERRUPTED', 'interrupted', { hint: 'run it again; it goes on where it stopped' });

/** Ctrl-C once: stop in order. Twice: at once. */
const signalOfProcess = (): { signal: AbortSignal; exitCode: () => number | undefined } => {
  const controller = new AbortController();
  let code: number | undefined;
  const stop = (exitCode: number) => () => {
    if (controller.signal.aborted) process.exit(exitCode);
    code = exitCode;
    controller.abort(interrupted());
  };
  process.on('SIGINT', stop(130));
  process.on('SIGTERM', stop(143));
  return { signal: controller.signal, exitCode: () => code };
};

/** Columns that a list of running steps needs. */
const narrowest = 40;

const terminalOf = (signal: AbortSignal): Terminal => {
  const { env, stdin, stdout, stderr } = process;
  const dumb = env['TERM'] === 'dumb';
  const colors = pc.createColors(stderr.isTTY && !dumb && env['NO_COLOR'] === undefined);
  return {
    env,
    installation: join(dirname(fileURLToPath(import.meta.url)), '..'),
    stdin,
    stdout,
    stderr,
    asks: stdin.isTTY && stderr.isTTY && !dumb,
    style: colors,
    // A terminal that does not know its width, as some recorders give it, would show an empty list.
    live: stderr.isTTY && stderr.columns >= narrowest && !dumb && env['CI'] === undefined,
    signal,
  };
};

const runVerb = async (
  terminal: Terminal,
  flags: CommonFlags & Record<string, unknown>,
  load: () => Promise<Verb>,
) => {
  let context: Context | undefined;
  try {
    // Help and mistakes in the command line need neither settings nor what reads them.
    const { createContext } = await import('./context.ts');
    const [verb, made] = await Promise.all([load(), createContext(terminal, flags)]);
    context = made;
    return await verb(context, flags);
  } catch (thrown) {
    context?.close();
    return tellThrown(thrown, terminal, flags, (text) => context?.redactor.clean(text) ?? text);
  } finally {
    context?.close();
  }
};

/** A verb that runs without valid settings, too. */
const runAnyway = async (
  terminal: Terminal,
  flags: CommonFlags,
  run: () => Promise<number>,
): Promise<number> => {
  try {
    return await run();
  } catch (thrown) {
    return tellThrown(thrown, terminal, flags, (text) => text);
  }
};

const collect = (value: string, all: readonly string[] = []): readonly string[] => [...all, value];

const program = (terminal: Terminal, finish: (code: number) => void): Command => {
  const root = new Command('skylab')
    .description(
      'One command brings up a private mesh network with passkey sign-on on a home server, and proves that it works.',
    )
    .addHelpText(
      'after',
      '\nEach verb has a help of its own, with examples: npx skylab up --help\nWhere to begin: README.md. What an error means: docs/errors.md.',
    )
    .exitOverride()
    // What is wrong with the command line is said in the one form of all errors.
    .configureOutput({ outputError: () => undefined });
  const verb = (
    name: VerbName,
    summary: string,
    load: () => Promise<Verb>,
    options: readonly Option[] = [],
  ) => {
    const command = root
      .command(name)
      .summary(summary)
      .description(verbHelp[name].about)
      .addHelpText('after', belowFlags(name))
      .option('--host <name>', 'the folder in compose/hosts to use')
      .option('--json', 'print one JSON document (one event a line for up)')
      .option('--verbose', 'say more: every step as it begins, every effect');
    for (const option of options) command.addOption(option);
    // Arguments come first; the flags are the last but one of what commander hands over.
    command.action(async (...handed: readonly unknown[]) => {
      const flags = handed.at(-2) as CommonFlags & Record<string, unknown>;
      const eventLines = name === 'up' || name === 'adopt';
      finish(await runVerb(terminal, { ...flags, eventLines }, load));
    });
    return command;
  };
  const adopt = new Option('--adopt', 'take over objects of a declared name that this stack did not make');

  const setUp = root
    .command('init')
    .summary('set up a host: asks a few questions, looks whether it can work, and writes its settings')
    .description(verbHelp.init.about)
    .addHelpText('after', belowFlags('init'))
    .option('--host <name>', "the name of the host; else this machine's")
    .option('--json', 'print one JSON document, and ask nothing');
  for (const { flag, takes, about } of questions) setUp.option(`--${flag} <${takes}>`, about);
  setUp
    .option(
      '--set <path=value>',
      'any other setting, such as mesh.store=postgres; may be repeated',
      collect,
      [],
    )
    .option('--yes', 'change settings that are there already without asking')
    .option('--accept', 'write them although a check failed')
    .option('--no-checks', 'look at nothing outside the settings')
    .action(async (flags: CommonFlags & Record<string, unknown>) => {
      const run = async () => (await import('./commands/init.ts')).init(terminal, flags);
      finish(await runAnyway(terminal, flags, run));
    });
  verb('up', 'make everything so, then prove the login', async () => (await import('./commands/up.ts')).up, [
    adopt,
    new Option('--new-issuer', 'accept that the issuer changes: every passkey and client is lost'),
    new Option('--replace-trusted <authority>', 'let it replace a certificate that more devices trust'),
  ]);
  verb(
    'plan',
    'show what up would do, and change nothing',
    async () => (await import('./commands/plan.ts')).plan,
    [adopt],
  );
  verb('status', 'show what is', async () => (await import('./commands/status.ts')).status);
  verb(
    'down',
    'stop and remove the containers; data stays',
    async () => (await import('./commands/down.ts')).down,
    [
      new Option(
        '--volumes [names]',
        'data to remove as well, parted by commas; without names: list what there is',
      ),
      new Option(
        '--databases <names>',
        'databases of other services that may be lost with it, parted by commas',
      ),
      new Option('--yes', 'remove what was named'),
    ],
  );
  verb(
    'logs',
    'show the last lines of every service, or of one',
    async () => (await import('./commands/logs.ts')).logs,
    [
      new Option('--service <name>', 'only this service'),
      new Option('--lines <count>', 'how many lines of each').default('50'),
    ],
  );
  verb(
    'renew',
    'renew the certificate if it is due',
    async () => (await import('./commands/renew.ts')).renew,
    [
      new Option(
        '--now',
        'renew now, due or not: an authority allows five a week for the same names, and five failures an hour',
      ),
    ],
  )
    .addOption(new Option('--watch', 'the certs service: keep it renewed, follow a public address'))
    .addOption(new Option('--work [address]', 'do once what is due, for --watch').hideHelp())
    .action(async (flags: CommonFlags & Record<string, unknown>) => {
      // In its container the renewer knows no host: it reads what up wrote for it.
      const watch = async () => (await import('./commands/renew-watch.ts')).renewWatch(terminal);
      const once = async () =>
        runVerb(terminal, flags, async () => (await import('./commands/renew.ts')).renew);
      const work = async () => (await import('./commands/renew-work.ts')).renewWork(terminal, flags['work']);
      finish(await (flags['watch'] === true ? watch() : flags['work'] === undefined ? once() : work()));
    });
  const diagnose = root
    .command('doctor')
    .summary('look for what is wrong, from the Engine to the images, and change nothing')
    .description(verbHelp.doctor.about)
    .addHelpText('after', belowFlags('doctor'))
    .option('--host <name>', 'the folder in compose/hosts to use')
    .option('--json', 'print one JSON document')
    .option('--verbose', 'show the stack of an error');
  diagnose.action(async (flags: CommonFlags) => {
    const run = async () => (await import('./commands/doctor.ts')).doctor(terminal, flags);
    finish(await runAnyway(terminal, flags, run));
  });
  addSecrets(root, async (flags, load) => {
    finish(await runVerb(terminal, flags, load));
  });
  verb(
    'adopt',
    'take over what ran without this stack: pocketid, a native Pocket ID',
    async () => (await import('./commands/adopt.ts')).adopt,
    [
      new Option('--dump <file>', 'its database, as pg_dump wrote it').makeOptionMandatory(),
      new Option(
        '--key-file <file>',
        'its ENCRYPTION_KEY, or the env file that has it',
      ).makeOptionMandatory(),
      new Option('--uploads <folder>', 'its pictures, where it kept them as files'),
      new Option('--issuer <url>', 'its address (APP_URL), to tell which passkeys go on working'),
      adopt,
    ],
  ).addArgument(new Argument('<what>', 'what to take over').choices(['pocketid']));
  verb('verify', 'run every proof', async () => (await import('./commands/verify.ts')).verifyAll);
  verb(
    'verify-tls',
    'prove what nginx serves',
    async () => (await import('./commands/verify.ts')).verifyTlsOnly,
  );
  verb('verify-oidc', 'prove the login', async () => (await import('./commands/verify.ts')).verifyOidcOnly);
  addCompletion(root, terminal);
  return root;
};

/** What commander says of a command line: `error: …` and, in brackets, what was probably meant. */
const usage = ({ message }: CommanderError): StackError => {
  const [said = '', meant] = message.replace(/^error: /, '').split('\n');
  const hint = 'npx skylab --help shows what there is';
  return new StackError('USAGE', said.replace(/\.$/, ''), {
    hint:
      meant === undefined
        ? hint
        : `${meant.replace(/^\(Did you mean (.*)\?\)$/, 'did you mean $1?')} ${hint}`,
  });
};

/** Runs the command line and returns the exit code. */
const main = async (argv: readonly string[]): Promise<number> => {
  const { signal, exitCode } = signalOfProcess();
  const terminal = terminalOf(signal);
  let code = 0;
  try {
    await program(terminal, (result) => {
      code = result;
    }).parseAsync([...argv], { from: 'user' });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.exitCode === 0) return 0;
    // Without a verb the help is shown, and there is nothing more to say.
    if (error.code !== 'commander.help') tellError(usage(error), terminal, argv.includes('--json'));
    return 64;
  }
  return exitCode() ?? code;
};

// Whoever reads us may stop in the middle, as head does.
process.stdout.on('error', (error) => {
  if (errnoOf(error) === 'EPIPE') process.exit(0);
  throw error;
});

process.exitCode = await main(process.argv.slice(2));
