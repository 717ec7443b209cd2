/*
 * What is wrong with a value, in words that a settings file has: zod's own speak of objects, undefined and inputs.
 */

/** What zod says of one problem, as far as it is read here. */
interface RawIssue {
  readonly code?: string;
  readonly input?: unknown;
  readonly expected?: unknown;
  readonly values?: readonly unknown[];
  readonly format?: string;
  readonly origin?: string;
  readonly minimum?: number | bigint;
  readonly maximum?: number | bigint;
}

const kindOf = (value: unknown): string => {
  if (value === null) return 'empty';
  if (Array.isArray(value)) return 'a list';
  return typeof value === 'object' ? 'a section' : `a ${typeof value}`;
};

const wantedKinds: Readonly<Record<string, string>> = { object: 'section', record: 'section', array: 'list' };

export const notHostName =
  'is not a host name (such as example.org: lower case, without https:// and without a port)';

const oneOf = (values: readonly unknown[]): string => {
  const all = values.map(String);
  return all.length < 2 ? all.join('') : `${all.slice(0, -1).join(', ')} or ${all.at(-1)}`;
};

const beyond = ({ origin, minimum, maximum }: RawIssue): string => {
  const isShort = minimum !== undefined;
  if (origin === 'string' && isShort && Number(minimum) === 1) return 'is empty';
  const limit = isShort ? `at least ${minimum}` : `at most ${maximum}`;
  if (origin === 'string') return `is too ${isShort ? 'short' : 'long'}, wanted ${limit} characters`;
  if (origin === 'array') return `has too ${isShort ? 'few' : 'many'} entries, wanted ${limit}`;
  return `is too ${isShort ? 'small' : 'large'}, wanted ${limit}`;
};

/** The end of a sentence that begins with the path of the value; undefined leaves the words to zod. */
export const explain = (issue: RawIssue): string | undefined => {
  const { code, expected, input, values = [], format } = issue;
  switch (code) {
    case 'invalid_key':
      // The only section whose keys have a form is that of the private names.
      return notHostName;
    case 'invalid_value':
      return `${input === undefined ? 'is missing, wanted' : 'is not'} ${oneOf(values)}`;
    case 'invalid_format':
      return format === 'email' ? 'is not an e-mail address' : undefined;
    case 'too_small':
    case 'too_big':
      return beyond(issue);
    case 'invalid_type': {
      const wanted = wantedKinds[String(expected)] ?? String(expected);
      return input === undefined
        ? `is missing, wanted a ${wanted}`
        : `is ${kindOf(input)}, wanted a ${wanted}`;
    }
    case undefined:
    default:
      return undefined;
  }
};
