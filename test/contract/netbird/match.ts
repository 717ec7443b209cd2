import type { Bindings } from './bindings.ts';

/** Lists whose order the real server does not keep. */
const unordered: ReadonlySet<string> = new Set(['GET /api/users']);

/**
 * Compares a live JSON value with the recorded one: same types, same fields, same order of lists (but where the real
 * server keeps none), same texts but for those that change from run to run. Returns what differs.
 */
export const matchJson = (
  recorded: unknown,
  live: unknown,
  bindings: Bindings,
  where: string,
): readonly string[] => {
  if (typeof recorded === 'string' && typeof live === 'string') {
    const difference = bindings.match(recorded, live);
    return difference === undefined ? [] : [`${where}: ${difference}`];
  }
  if (Array.isArray(recorded) && Array.isArray(live)) return matchLists(recorded, live, bindings, where);
  if (isRecord(recorded) && isRecord(live)) {
    const fields = [...new Set([...Object.keys(recorded), ...Object.keys(live)])].sort();
    return fields.flatMap((field) => {
      if (!(field in live)) return [`${where}.${field}: missing`];
      if (!(field in recorded)) return [`${where}.${field}: not in the recording`];
      return matchJson(recorded[field], live[field], bindings, `${where}.${field}`);
    });
  }
  if (recorded === live) return [];
  return [`${where}: wanted ${JSON.stringify(recorded)}, got ${JSON.stringify(live)}`];
};

const matchLists = (
  recorded: readonly unknown[],
  live: readonly unknown[],
  bindings: Bindings,
  where: string,
): readonly string[] => {
  if (recorded.length !== live.length) {
    return [`${where}: wanted ${recorded.length} entries, got ${live.length}: ${JSON.stringify(live)}`];
  }
  const ordered = unordered.has(where) ? inOrderOf(recorded, live, bindings, where) : live;
  return recorded.flatMap((one, index) => matchJson(one, ordered[index], bindings, `${where}[${index}]`));
};

/** `live` in the order in which it fits `recorded`; what fits nothing comes last, to be reported there. */
const inOrderOf = (
  recorded: readonly unknown[],
  live: readonly unknown[],
  bindings: Bindings,
  where: string,
): readonly unknown[] => {
  const left = [...live];
  const places = recorded.map((one) => {
    const found = left.findIndex(
      (other) => matchJson(one, other, bindings.copy(), `${where}[]`).length === 0,
    );
    return found === -1 ? undefined : left.splice(found, 1)[0];
  });
  return places.map((one) => one ?? left.shift());
};

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
