/**
 * Values that differ from run to run: which live value stands for which recorded one. One recorded value is one live
 * value through all recordings, and two ids are never the same live one.
 */
export interface Bindings {
  /** Compares two texts, binding a changing one that is seen for the first time. Returns what differs, or undefined. */
  match(recorded: string, live: string): string | undefined;
  /** A recorded text, path or body, with every changing value in it replaced by the live one. */
  live(recorded: string): string;
  bind(recorded: string, live: string): void;
  /** A copy to try a match on. */
  copy(): Bindings;
}

interface Kind {
  readonly recorded: RegExp;
  readonly live: RegExp;
  readonly isId: boolean;
}

const time = /^20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z$/;
const xid = /^[0-9a-v]{20}$/;

const kinds: readonly Kind[] = [
  {
    recorded: /^<uuid:[\w-]+>$/,
    live: /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}$/,
    isId: true,
  },
  { recorded: /^<[\w-]+:pat-\d+>$/, live: /^nbp_[0-9A-Za-z]{36}$/, isId: true },
  { recorded: /^<[\w-]+:setup-key-\d+>$/, live: /^[0-9A-F]{8}(-[0-9A-F]{4}){3}-[0-9A-F]{12}$/, isId: true },
  { recorded: /^[0-9A-F]{5}\*{4}$/, live: /^[0-9A-F]{5}\*{4}$/, isId: true },
  { recorded: xid, live: xid, isId: true },
  { recorded: /^100\.\d+\.0\.0\/16$/, live: /^100\.\d+\.0\.0\/16$/, isId: false },
  { recorded: /^fd[0-9a-f:]+::\/64$/, live: /^fd[0-9a-f:]+::\/64$/, isId: false },
  { recorded: time, live: time, isId: false },
];

const insideTexts = /<[\w-]+:[\w-]+>|\b[0-9a-v]{20}\b|\b100\.\d+\.0\.0\/16|\bfd[0-9a-f:]+::\/64/g;

export const createBindings = (known: ReadonlyMap<string, string> = new Map()): Bindings => {
  const values = new Map(known);
  return {
    match: (recorded, live) => {
      const kind = kinds.find((one) => one.recorded.test(recorded));
      const wanted = values.get(recorded) ?? (kind === undefined ? recorded : undefined);
      if (wanted !== undefined) return wanted === live ? undefined : `wanted ${wanted}, got ${live}`;
      if (kind === undefined || !kind.live.test(live)) return `wanted the form of ${recorded}, got ${live}`;
      if (kind.isId && [...values.values()].includes(live)) return `${live} stands for two recorded ids`;
      values.set(recorded, live);
      return undefined;
    },
    live: (recorded) =>
      recorded.replaceAll(insideTexts, (text) => {
        const live = values.get(text);
        if (live === undefined) throw new Error(`no answer so far has given a value for ${text}`);
        return live;
      }),
    bind: (recorded, live) => void values.set(recorded, live),
    copy: () => createBindings(values),
  };
};
