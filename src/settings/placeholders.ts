/** A place in a settings file that is still to be filled in. */
interface Placeholder {
  readonly path: readonly (string | number)[];
  /** What belongs there, in the words of the file. */
  readonly wanted: string;
}

/** Text in angle brackets: no setting may hold one, so it can mean nothing else. */
const pattern = /<([^<>\n]+)>/;

/**
 * Every place of a settings file whose text stands in angle brackets; between them it says what belongs there. `above` are
 * the sections around: an alias in YAML can put a section into itself.
 */
export const placeholdersIn = (
  value: unknown,
  path: readonly (string | number)[] = [],
  above: readonly unknown[] = [],
): readonly Placeholder[] => {
  if (typeof value === 'object' && above.includes(value)) return [];
  const inside = [...above, value];
  if (typeof value === 'string') {
    const wanted = pattern.exec(value)?.[1];
    return wanted === undefined ? [] : [{ path, wanted: wanted.trim() }];
  }
  if (Array.isArray(value))
    return value.flatMap((one, index) => placeholdersIn(one, [...path, index], inside));
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, one]) => placeholdersIn(one, [...path, key], inside));
};
