import { readText } from './files.ts';

/** Zombie and dead: it has ended, and its parent has not asked how. */
const endedStates: ReadonlySet<string> = new Set(['Z', 'X']);

/**
 * Kernel clock ticks at which a process started; undefined where there is none, or it has ended. With the process id it
 * tells a process from a later one that was given the same id (proc(5), fields 3 and 22 of stat).
 */
export const startTicksOf = async (pid: number): Promise<string | undefined> => {
  const text = await readText(`/proc/${pid}/stat`).catch(() => undefined);
  // The command in field 2 may hold spaces and parentheses; the fields are counted after its last ")".
  const [state = '', ...fields] = text?.slice(text.lastIndexOf(')') + 2).split(' ') ?? [];
  // Where process 1 collects nobody, as in some containers, an ended process stays in the list for good.
  return endedStates.has(state) ? undefined : fields[18];
};

/** The kernel's id of this boot; empty where the system has none. */
export const bootId = async (): Promise<string> =>
  ((await readText('/proc/sys/kernel/random/boot_id').catch(() => undefined)) ?? '').trim();
