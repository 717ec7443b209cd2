import type { ServiceFile } from '../../../src/orchestrator/area.ts';

/** The text of a file without secrets in it. */
export const textOfFile = (file: ServiceFile | undefined): string =>
  (file?.content ?? []).map((part) => (typeof part === 'string' ? part : '')).join('');

/** One directive: its words, and what stands in its block. */
export interface Directive {
  readonly words: readonly string[];
  readonly block?: readonly Directive[];
}

const tokens = (text: string): readonly { readonly text: string; readonly quoted: boolean }[] =>
  [...text.matchAll(/#[^\n]*|"((?:[^"\\]|\\.)*)"|'((?:[^'\\]|\\.)*)'|[;{}]|[^\s;{}"'#]+/g)]
    .filter(([whole]) => !whole.startsWith('#'))
    .map(([whole, double, single]) => ({
      text: double ?? single ?? whole,
      quoted: double !== undefined || single !== undefined,
    }));

/** Reads nginx's grammar (https://nginx.org/en/docs/beginners_guide.html#conf_structure). @throws where it is broken */
export const parseConf = (text: string): readonly Directive[] => {
  const all = tokens(text);
  let at = 0;
  const block = (inner: boolean): readonly Directive[] => {
    const found: Directive[] = [];
    let words: string[] = [];
    for (;;) {
      const token = all[at];
      at += 1;
      if (token === undefined) {
        if (inner || words.length > 0) throw new Error('the text ends in the middle');
        return found;
      }
      if (token.quoted) words.push(token.text);
      else if (token.text === ';') {
        found.push({ words });
        words = [];
      } else if (token.text === '{') {
        found.push({ words, block: block(true) });
        words = [];
      } else if (token.text === '}') {
        if (!inner || words.length > 0) throw new Error('a brace where none may stand');
        return found;
      } else words.push(token.text);
    }
  };
  return block(false);
};

/** The directives of a name in a block, and not in those inside it. */
export const named = (directives: readonly Directive[], name: string): readonly Directive[] =>
  directives.filter(({ words }) => words[0] === name);
