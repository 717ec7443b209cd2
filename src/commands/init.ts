import { homedir, hostname } from 'node:os';
import { join } from 'node:path';
import { createContext, type CommonFlags, type Terminal } from '../context.ts';
import type { InitFlags } from '../init/flags.ts';
import { setUp } from '../init/run.ts';
import { commandsFor } from '../orchestrator/report/commands.ts';
import { errorText } from '../orchestrator/report/text.ts';
import { hostFolders, hostToSetUp } from '../settings/host.ts';
import { isStackError } from '../shared/errors.ts';
import { createPrompts } from '../shared/prompts.ts';
import { createRedactor } from '../shared/redact.ts';
import { showSteps } from './plan.ts';

/** What `up` would do with these settings. They are written, so that nothing which is missing for that is a failure. */
const showPlan = async (
  terminal: Terminal,
  flags: CommonFlags,
  tell: (text: string) => void,
): Promise<void> => {
  try {
    const context = await createContext(terminal, flags);
    try {
      tell('what npm run up will do, and why:');
      await showSteps(context, {});
    } finally {
      context.close();
    }
  } catch (error) {
    terminal.signal.throwIfAborted();
    if (!isStackError(error)) throw error;
    tell(`${errorText(error, terminal.style)}\nnpm run plan shows what up will do as soon as that is mended`);
  }
};

/** `init`: writes the folder of a host from a few answers. 0 done, 2 a check failed and nobody could be asked. */
export const init = async (terminal: Terminal, flags: CommonFlags & InitFlags): Promise<number> => {
  const { env, installation, signal, style } = terminal;
  const redactor = createRedactor();
  const quote = (text: string) => void terminal.stderr.write(`${redactor.clean(text)}\n`);
  const tell = (text: string) => {
    quote(commandsFor(text, flags.host));
  };
  const hostsFolder = env['SKYLAB_HOSTS'] ?? join(installation, 'compose', 'hosts');
  const chosen = hostToSetUp(
    {
      machine: hostname(),
      ...(flags.host === undefined ? {} : { flag: flags.host }),
      ...(env['STACK_HOST'] === undefined ? {} : { env: env['STACK_HOST'] }),
    },
    await hostFolders(hostsFolder),
    hostsFolder,
  );
  tell(`host ${chosen.name} (${chosen.because}); its folder is ${chosen.folder}`);
  const prompts =
    terminal.asks && flags.json !== true
      ? createPrompts({ input: terminal.stdin, output: terminal.stderr, signal })
      : undefined;
  const done = await setUp({
    chosen,
    flags,
    env,
    home: homedir(),
    signal,
    redactor,
    style,
    prompts,
    tell,
    quote,
  });
  if (flags.json === true) {
    const { file, written, checks } = done;
    terminal.stdout.write(
      `${redactor.clean(JSON.stringify({ host: chosen.name, file, written, checks }, undefined, 2))}\n`,
    );
  }
  if (done.refused) {
    tell('nothing was written: mend what failed, or take it as it is with --accept');
    return 2;
  }
  if (flags.json === true) {
    if (done.left !== undefined) tell(done.left);
    return 0;
  }
  // The folder is there now, so that what chose it chooses it again.
  await showPlan(terminal, flags.host === undefined ? {} : { host: flags.host }, tell);
  tell(done.left === undefined ? 'next: npm run up' : `${done.left}\nthen: npm run up`);
  return 0;
};
