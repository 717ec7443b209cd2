import type { Bindings } from './pocket-id-bindings.ts';

const uuid = '[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}';
const base64url = '[A-Za-z0-9_-]';

/** Parts of a text that differ from run to run: how to spot them in a recording, what a live one looks like. */
const changing: readonly { readonly recorded: string; readonly live: string; readonly bound: boolean }[] = [
  { recorded: '<(?:uuid|setup-key)-\\d+>', live: uuid, bound: true },
  { recorded: '<jwt-\\d+>', live: `${base64url}+\\.${base64url}+\\.${base64url}+`, bound: true },
  { recorded: '<cookie-\\d+>', live: `${base64url}+\\.${base64url}+\\.${base64url}+`, bound: true },
  ...['ac', 'rt', 'dc'].map((kind) => ({
    recorded: `pocket_id_${kind}_${base64url}{43}\\.${base64url}{43}`,
    live: `pocket_id_${kind}_${base64url}{43}\\.${base64url}{43}`,
    bound: true,
  })),
  { recorded: `(?<=request_uri:)${base64url}{43}`, live: `${base64url}{43}`, bound: true },
  { recorded: 'static-api-user-\\w{6}', live: 'static-api-user-\\w{6}', bound: true },
  {
    recorded: '\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d(?:\\.\\d+)?Z',
    live: '\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d(?:\\.\\d+)?Z',
    bound: false,
  },
];

/** JSON fields whose text alone does not show that it changes, with the form of a live value. */
const changingFields: Readonly<
  Record<string, { readonly recorded: RegExp; readonly live: RegExp; readonly space: string }>
> = {
  token: { recorded: /^\w{12}$/, live: /^[0-9A-Za-z]{12}$/, space: '' },
  user_code: { recorded: /^E\w{7}$/, live: /^E[0-9A-Z]{7}$/, space: '' },
  secret: { recorded: /^\w{32}$/, live: /^[A-Za-z0-9]{32}$/, space: '' },
  prefix: { recorded: /^\w{4}$/, live: /^[\x20-\x7e]{4}$/, space: 'prefix' },
  kid: { recorded: /./, live: /^[A-Za-z0-9_-]{8,}$/, space: 'kid' },
  n: { recorded: /^[\w-]{342}$/, live: /^[A-Za-z0-9_-]{342}$/, space: 'modulus' },
  at_hash: { recorded: /^[\w-]{22}$/, live: /^[A-Za-z0-9_-]{22}$/, space: 'access token hash' },
};

const escape = (text: string): string => text.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&');

/** Compares a text and binds what it sees for the first time. Returns what differs. */
export const matchText = (
  recorded: string,
  live: string,
  bindings: Bindings,
  where: string,
): readonly string[] => {
  const wanted = bindings.live(recorded);
  const spot = new RegExp(changing.map((each) => `(${each.recorded})`).join('|'), 'g');
  const seen: { readonly recorded: string; readonly bound: boolean }[] = [];
  let source = '';
  let end = 0;
  for (const found of wanted.matchAll(spot)) {
    const kind = changing[found.slice(1).indexOf(found[0])];
    if (kind === undefined) continue;
    seen.push({ recorded: found[0], bound: kind.bound });
    source += `${escape(wanted.slice(end, found.index))}(${kind.live})`;
    end = found.index + found[0].length;
  }
  const match = new RegExp(`^${source}${escape(wanted.slice(end))}$`, 's').exec(live);
  if (match === null) return [`${where}: wanted ${wanted}, got ${live}`];
  for (const [index, each] of seen.entries())
    if (each.bound) bindings.bind(each.recorded, match[index + 1] ?? '');
  return [];
};

const matchField = (
  name: string,
  recorded: string,
  live: string,
  bindings: Bindings,
  where: string,
): readonly string[] => {
  const rule = changingFields[name];
  if (rule === undefined || !rule.recorded.test(recorded)) return matchText(recorded, live, bindings, where);
  const known = bindings.known(recorded, rule.space);
  if (known !== undefined && name !== 'at_hash')
    return known === live ? [] : [`${where}: wanted ${known}, got ${live}`];
  if (!rule.live.test(live)) return [`${where}: wanted ${rule.live}, got ${live}`];
  bindings.bind(recorded, live, rule.space);
  return [];
};

const matchNumber = (name: string, recorded: number, live: unknown, where: string): readonly string[] => {
  const nowS = Date.now() / 1000;
  const isTime = ['exp', 'iat', 'auth_time', 'rat'].includes(name);
  const fits =
    typeof live === 'number' &&
    (isTime
      ? Number.isInteger(live) && Math.abs(live - nowS) < 2 * 3600
      : Math.abs(live - recorded) <= (name === 'expires_in' ? 1 : 0));
  return fits ? [] : [`${where}: wanted ${isTime ? 'a time about now' : recorded}, got ${String(live)}`];
};

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Compares JSON: the same keys everywhere, lists in the same order, values as `matchText` has them. */
export const matchJson = (
  recorded: unknown,
  live: unknown,
  bindings: Bindings,
  where: string,
): readonly string[] => {
  const name = where.split('.').at(-1) ?? '';
  if (typeof recorded === 'string')
    return typeof live === 'string'
      ? matchField(name, recorded, live, bindings, where)
      : [`${where}: wanted text, got ${JSON.stringify(live)}`];
  if (typeof recorded === 'number') return matchNumber(name, recorded, live, where);
  if (Array.isArray(recorded)) {
    if (!Array.isArray(live) || live.length !== recorded.length)
      return [`${where}: wanted ${recorded.length} entries, got ${JSON.stringify(live)}`];
    return recorded.flatMap((each, index) => matchJson(each, live[index], bindings, `${where}[${index}]`));
  }
  if (!isRecord(recorded))
    return recorded === live ? [] : [`${where}: wanted ${String(recorded)}, got ${JSON.stringify(live)}`];
  if (!isRecord(live)) return [`${where}: wanted an object, got ${JSON.stringify(live)}`];
  const missing = Object.keys(recorded).filter((key) => !Object.hasOwn(live, key));
  const extra = Object.keys(live).filter((key) => !Object.hasOwn(recorded, key));
  return [
    ...missing.map((key) => `${where}.${key}: missing`),
    ...extra.map((key) => `${where}.${key}: not in the recording`),
    ...Object.entries(recorded).flatMap(([key, value]) =>
      Object.hasOwn(live, key) ? matchJson(value, live[key], bindings, `${where}.${key}`) : [],
    ),
  ];
};
