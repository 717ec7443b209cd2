import type { Command } from 'commander';
import type { Terminal } from '../context.ts';
import type { Tree } from './candidates.ts';
import { belowFlags, verbHelp } from './help.ts';

/** A command as completion sees it: what its help shows. */
const treeOf = (command: Command): Tree => {
  const help = command.createHelp();
  return {
    name: command.name(),
    about: command.summary() || command.description(),
    flags: help.visibleOptions(command),
    choices: command.registeredArguments.map((one) => one.argChoices ?? []),
    verbs: help.visibleCommands(command).map(treeOf),
  };
};

/** `help` takes every verb as its argument, which commander does not say. */
const wholeTree = (root: Command): Tree => {
  const { verbs, ...tree } = treeOf(root);
  const names = verbs.map((one) => one.name);
  return { ...tree, verbs: verbs.map((one) => (one.name === 'help' ? { ...one, choices: [names] } : one)) };
};

/** Adds `completion`, and the hidden `complete` that its script calls at each TAB. */
export const addCompletion = (root: Command, terminal: Terminal): void => {
  const completion = root.command('completion');
  completion
    .summary('print what makes TAB complete the command line, for bash or zsh')
    .description(verbHelp.completion.about)
    .addHelpText('after', belowFlags('completion'))
    .addArgument(completion.createArgument('<shell>', 'your shell').choices(['bash', 'zsh']))
    .action(async (shell: 'bash' | 'zsh') => {
      const { completionScript } = await import('./completion.ts');
      terminal.stdout.write(completionScript(shell, terminal.installation));
    });
  root
    .command('complete', { hidden: true })
    .argument('[words...]')
    .action(async (words: readonly string[]) => {
      const { complete } = await import('./completion.ts');
      await complete(terminal, wholeTree(root), words);
    });
};
