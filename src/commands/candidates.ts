/*
 * What can come next on a command line, from the tree of verbs and flags itself.
 */

export interface Flag {
  /** `--host`; undefined for one that has only a short form. */
  readonly long?: string | undefined;
  readonly description: string;
  /** `--host <name>` */
  readonly flags: string;
  readonly required: boolean;
  readonly variadic: boolean;
  readonly argChoices?: readonly string[] | undefined;
}

/** A verb: what of it is visible, in the order of its help. */
export interface Tree {
  readonly name: string;
  readonly about: string;
  readonly flags: readonly Flag[];
  /** For each argument what it can be; empty where anything can. */
  readonly choices: readonly (readonly string[])[];
  readonly verbs: readonly Tree[];
}

export interface Candidate {
  readonly value: string;
  readonly about: string;
}

/** Values of flags that only this machine knows; `host` is what `--host` says in the same line. */
export type Values = Readonly<Record<string, (host: string | undefined) => Promise<readonly string[]>>>;

/** The shell completes paths itself. */
const files: Candidate = { value: ':files', about: '' };

const plain = (values: readonly string[]): readonly Candidate[] =>
  values.map((value) => ({ value, about: '' }));

/** The line as words and flags with their values; bash hands over `--host=x` as three words. */
const joined = (words: readonly string[]): { done: readonly string[]; current: string } => {
  const tight: string[] = [];
  for (const word of words.slice(0, -1)) {
    const last = tight.at(-1);
    const goesOn = word === '=' ? last?.startsWith('--') === true : last?.endsWith('=') === true;
    if (goesOn) tight[tight.length - 1] = `${last}${word}`;
    else tight.push(word);
  }
  const current = words.at(-1) ?? '';
  const last = tight.at(-1);
  if (current === '=' && last?.startsWith('--') === true) return { done: tight, current: '' };
  if (last?.endsWith('=') === true) return { done: [...tight.slice(0, -1), last.slice(0, -1)], current };
  return { done: tight, current };
};

interface Place {
  readonly at: Tree;
  /** Arguments of `at` that are already there. */
  readonly given: number;
  readonly used: ReadonlySet<string>;
  /** The flag that the word to complete is the value of. */
  readonly open: Flag | undefined;
  readonly host: string | undefined;
}

const walk = (root: Tree, done: readonly string[]): Place => {
  let at = root;
  let given = 0;
  let open: Flag | undefined;
  let host: string | undefined;
  const used = new Set<string>();
  for (const word of done) {
    if (open !== undefined) {
      if (open.long === '--host') host = word;
      open = undefined;
      continue;
    }
    const [long = '', value] = word.split('=', 2);
    const flag = word.startsWith('-') ? at.flags.find((one) => one.long === long) : undefined;
    if (flag !== undefined) {
      if (!flag.variadic) used.add(long);
      if (flag.required && value === undefined) open = flag;
      if (long === '--host') host = value;
    } else if (!word.startsWith('-')) {
      const verb = at.verbs.find((one) => one.name === word);
      if (verb === undefined) given += 1;
      else at = verb;
    }
  }
  return { at, given, used, open, host };
};

const valuesOf = async (
  flag: Flag,
  values: Values,
  host: string | undefined,
): Promise<readonly Candidate[]> => {
  if (flag.argChoices !== undefined) return plain(flag.argChoices);
  const known = values[flag.long ?? ''];
  if (known !== undefined) return plain(await known(host));
  return /<(file|folder|path)>/.test(flag.flags) ? [files] : [];
};

/** What the last of `words` can become. Words begin after the program's name; the last may be empty. */
export const candidates = async (
  root: Tree,
  words: readonly string[],
  values: Values,
): Promise<readonly Candidate[]> => {
  const { done, current } = joined(words);
  const { at, given, used, open, host } = walk(root, done);
  const fitting = (found: readonly Candidate[], text: string) =>
    found.filter((one) => one === files || one.value.startsWith(text));
  if (open !== undefined) return fitting(await valuesOf(open, values, host), current);
  const [long = '', begun] = current.split('=', 2);
  if (begun !== undefined) {
    const flag = at.flags.find((one) => one.long === long);
    const found = flag === undefined ? [] : await valuesOf(flag, values, host);
    return fitting(found, begun).map((one) =>
      one === files ? one : { ...one, value: `${long}=${one.value}` },
    );
  }
  const verbs = at.verbs.map((one) => ({ value: one.name, about: one.about }));
  const flags = at.flags.flatMap((one) =>
    one.long === undefined || used.has(one.long) ? [] : [{ value: one.long, about: one.description }],
  );
  if (current.startsWith('-')) return fitting(flags, current);
  const nouns = [...verbs, ...plain(at.choices[given] ?? [])];
  return fitting(nouns.length > 0 ? nouns : flags, current);
};
