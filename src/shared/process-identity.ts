import { readText } from './files.ts';

/**
 * Kernel clock ticks at which a process started; undefined where there is none. With the process id it tells a process
 * from a later one that was given the same id (proc(5), field 22 of stat).
 */
export const startTicksOf = async (pid: number): Promise<string | undefined> => {
  const text = await readText(`/proc/${pid}/stat`).catch(() => undefined);
  // The command in field 2 may hold spaces and parentheses; the fields are counted after its last ")".
  return text?.slice(text.lastIndexOf(')') + 2).split(' ')[19];
};

/** The kernel's id of this boot; empty where the system has none. */
export const bootId = async (): Promise<string> =>
  ((await readText('/proc/sys/kernel/random/boot_id').catch(() => undefined)) ?? '').trim();
