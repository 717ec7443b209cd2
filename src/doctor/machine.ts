import { isStackError } from '../shared/errors.ts';
import { ofStack, type Examination } from './examine.ts';
import { failed, passed, unknown, type Finding } from './finding.ts';
import type { DoctorView, Room } from './view.ts';

const mebibyte = 1024 * 1024;
const gibibyte = 1024 * mebibyte;

const sizeText = (bytes: number): string =>
  bytes < gibibyte ? `${Math.round(bytes / mebibyte)} MiB` : `${(bytes / gibibyte).toFixed(1)} GiB`;

/** Less than this is a disk that is about to be full: images are some hundred MiB each, a backup is a copy of the data. */
const leastBytes = { storage: gibibyte, engine: 2 * gibibyte } as const;
const leastFiles = 10_000;

interface Place {
  readonly what: keyof typeof leastBytes;
  readonly path: string;
  readonly room: Room;
}

/** Judges the room at the places where this stack and the Engine keep their data. Pure. */
export const judgeDisk = (places: readonly Place[]): Finding => {
  const full = places.filter(({ what, room }) => room.freeBytes < leastBytes[what]);
  const crowded = places.filter(({ room }) => room.files > 0 && room.freeFiles < leastFiles);
  const seen = places.map(({ path, room }) => `${path}: ${sizeText(room.freeBytes)} free`).join(', ');
  const [first] = full;
  if (first !== undefined)
    return failed(
      `${seen}; wanted ${sizeText(leastBytes[first.what])} at ${first.path}`,
      'free some space: docker image prune, journalctl --vacuum-size=200M, old backups; never docker system prune --volumes',
      `df -h ${first.path}`,
    );
  const [second] = crowded;
  if (second !== undefined)
    return failed(
      `${second.path} has room for ${second.room.freeFiles} more files, wanted ${leastFiles}`,
      'remove what has very many small files, such as old caches: du --inodes -x -d 3 / | sort -n | tail',
      `df -i ${second.path}`,
    );
  return passed(seen);
};

/** Judges free memory. Limits are ceilings: half of them is what a stack of this size really takes. Pure. */
export const judgeMemory = (meminfo: string | undefined, limitBytes: number, running: boolean): Finding => {
  const kibibytes = /^MemAvailable:\s+(\d+) kB$/m.exec(meminfo ?? '')?.[1];
  if (kibibytes === undefined) return unknown('this system does not say how much memory is available');
  const available = Number(kibibytes) * 1024;
  const wanted = running ? limitBytes / 10 : limitBytes / 2;
  const seen = `${sizeText(available)} available, all services together may take ${sizeText(limitBytes)}`;
  if (available >= wanted) return passed(seen);
  return failed(
    `${seen}, and need about ${sizeText(wanted)}${running ? ' left while they run' : ''}`,
    'stop what takes much memory (ps aux --sort=-rss | head), or add memory or swap',
    'free -h shows it under available',
  );
};

/** Engine, disk, memory. */
export const machineExaminations = (view: DoctorView): readonly Examination[] => {
  const { machine, engine, stack } = view;
  return [
    {
      id: 'engine',
      title: 'Docker Engine and Compose answer, and are new enough',
      needs: [],
      // The first call of Docker after a start reads its programs from the disk.
      timeoutMs: 30_000,
      async look(signal) {
        await engine.check(signal);
        return passed('');
      },
    },
    {
      id: 'disk',
      title: 'there is room where this stack and the Engine keep their data',
      needs: [],
      timeoutMs: 20_000,
      async look(signal) {
        const storage = 'broken' in stack ? undefined : stack.settings.paths.state;
        const data = await engine.dataRoot(signal).catch((error: unknown) => {
          signal.throwIfAborted();
          if (isStackError(error)) return undefined;
          throw error;
        });
        const places = [
          { what: 'storage', path: storage },
          { what: 'engine', path: data },
        ] as const;
        const seen = await Promise.all(
          places.flatMap(({ what, path }) =>
            path === undefined ? [] : [machine.room(path).then((room) => ({ what, path, room }))],
          ),
        );
        return seen.length === 0 ? unknown('neither settings nor the Engine say where') : judgeDisk(seen);
      },
    },
    ofStack(
      view,
      { id: 'memory', title: 'there is memory for all services', needs: [], timeoutMs: 20_000 },
      async (known, { running: isRunning }) => {
        const [text, limit, running] = await Promise.all([
          machine.readText('/proc/meminfo'),
          known.memoryLimitBytes(),
          isRunning(),
        ]);
        return judgeMemory(text, limit, running);
      },
    ),
  ];
};

/** The settings; all that is about the stack needs them. */
export const settingsExamination = ({ stack }: DoctorView): Examination => ({
  id: 'settings',
  title: 'the settings of this host are valid',
  needs: [],
  timeoutMs: 5000,
  async look() {
    if (!('broken' in stack)) return passed(`host ${stack.settings.host}`);
    const { message, hint } = stack.broken;
    return failed(message, hint, 'npm run plan');
  },
});
