/**
 * Values that differ from run to run (ids, tokens, addresses): which live value stands for which recorded one.
 * The same recorded value is the same live value throughout a recording.
 */
export interface Bindings {
  /** The live value of a recorded one, if it is known yet. */
  known(recorded: string, space?: string): string | undefined;
  bind(recorded: string, live: string, space?: string): void;
  /** A recorded text with every known value replaced by the live one. */
  live(text: string): string;
}

/** Values in their own space (not the default '') are compared but never replaced inside longer texts. */
export const createBindings = (initial: Readonly<Record<string, string>>): Bindings => {
  const spaces = new Map<string, Map<string, string>>([['', new Map(Object.entries(initial))]]);
  const values = (space: string): Map<string, string> => {
    const found = spaces.get(space) ?? new Map<string, string>();
    spaces.set(space, found);
    return found;
  };
  return {
    known: (recorded, space = '') => values(space).get(recorded),
    bind: (recorded, live, space = '') => void values(space).set(recorded, live),
    live: (text) => {
      const replaced = values('');
      const longestFirst = [...replaced.keys()].sort((a, b) => b.length - a.length);
      const pattern = longestFirst.map((key) => key.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&')).join('|');
      return text.replaceAll(new RegExp(pattern, 'g'), (key) => replaced.get(key) ?? key);
    },
  };
};
