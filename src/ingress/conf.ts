import { StackError } from '../shared/errors.ts';

/** Text in nginx's own grammar. */
export interface Conf {
  readonly conf: string;
}

/** What cannot end a word, begin a comment, a block, a string or a variable, or turn a name into a pattern. */
const word = /^[A-Za-z0-9/][A-Za-z0-9._/:-]*$/;

const written = (value: string | number | Conf): string => {
  if (typeof value === 'object') return value.conf;
  const text = String(value);
  if (word.test(text)) return text;
  throw new StackError(
    'SETTINGS_INVALID',
    `${JSON.stringify(text)} cannot stand in nginx's configuration: it is not one plain word`,
    { hint: 'names and folders are letters, digits, and . _ / : - between them', data: { value: text } },
  );
};

/**
 * A template of nginx's configuration: every value becomes exactly one word, or the whole is refused.
 * Backslashes stand as written. @throws {StackError} SETTINGS_INVALID
 */
export const conf = (parts: TemplateStringsArray, ...values: readonly (string | number | Conf)[]): Conf => ({
  conf: String.raw(parts, ...values.map(written)),
});
