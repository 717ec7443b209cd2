import type { Context } from '../context.ts';
import { createContainersDown } from '../orchestrator/areas.ts';
import { converge } from '../orchestrator/converge.ts';
import { takeRunLock } from '../orchestrator/lock.ts';
import { exitCodeOfOutcome, outcomeText } from '../orchestrator/report/text.ts';
import { planRemoval, remove, type Removal } from './removal.ts';

interface Flags {
  /** True: `--volumes` without names. */
  readonly volumes?: string | true;
  readonly databases?: string;
  readonly yes?: boolean;
}

const nothing: Removal = { chosen: [] };

/** `down`: stops and removes the containers of this host. Data stays, but for what is named with `--volumes`. */
export const down = async (context: Context, flags: Flags): Promise<number> => {
  if (context.flags.json !== true) context.tell(context.hostLine);
  const lock = await takeRunLock(context.settings.paths.runLock, 'down');
  try {
    // What may not be removed is said before anything is stopped.
    const removal = flags.volumes === undefined ? nothing : await planRemoval(context, flags);
    const areas = createContainersDown(context);
    const { effects, emit, terminal } = context;
    const outcome = await converge({ areas, effects, emit, signal: terminal.signal });
    const text = outcomeText(outcome, terminal.style);
    if (text !== '') context.tell(text);
    const code = exitCodeOfOutcome(outcome);
    if (code !== 0) return code;
    await remove(context, removal);
    if (context.flags.json !== true)
      context.print(
        removal.chosen.length === 0
          ? 'all containers of this host are gone; the data stays'
          : 'all containers of this host are gone, and the data that was named; the rest stays',
      );
    return code;
  } finally {
    context.close();
    await lock.release();
  }
};
