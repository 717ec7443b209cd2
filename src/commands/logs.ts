import type { Context } from '../context.ts';
import { createAdapters } from '../orchestrator/areas.ts';
import { StackError } from '../shared/errors.ts';

const mostLines = 10_000;

const lineCount = (text: string): number => {
  const lines = Number(text);
  if (Number.isInteger(lines) && lines >= 1 && lines <= mostLines) return lines;
  throw new StackError('USAGE', `--lines "${text}" is not a number from 1 to ${mostLines}`, {
    hint: 'npm run -s logs -- --lines 200',
  });
};

/** `logs`: the last lines of every service of this host, or of one; secrets are taken out. */
export const logs = async (
  context: Context,
  flags: { readonly service?: string; readonly lines?: string },
): Promise<number> => {
  const { settings, terminal, print, secrets } = context;
  const lines = lineCount(flags.lines ?? '50');
  const { docker } = createAdapters(context);
  // Reading a secret makes it known to what takes secrets out of lines.
  for (const name of await secrets.names()) await secrets.read(name);
  const all = await docker.engine.containers(settings.project, terminal.signal);
  const chosen = all.filter(
    (one) => !one.oneOff && (flags.service === undefined || one.service === flags.service),
  );
  if (chosen.length === 0) {
    const there = all
      .map((one) => one.service)
      .sort()
      .join(', ');
    throw new StackError(
      'USAGE',
      flags.service === undefined
        ? 'no container of this host exists'
        : `there is no container of "${flags.service}"`,
      {
        hint: there === '' ? 'npm run up starts them' : `these exist: ${there}`,
      },
    );
  }
  for (const one of chosen.sort((a, b) => (a.service < b.service ? -1 : 1))) {
    for (const line of await docker.engine.lastLines(one.id, lines, terminal.signal)) {
      print(chosen.length === 1 ? line : `${terminal.style.dim(one.service.padEnd(20))} ${line}`);
    }
  }
  return 0;
};
