import { isDeepStrictEqual } from 'node:util';
import { Document, isMap, isNode, isScalar, isSeq, parseDocument } from 'yaml';
import { StackError } from '../shared/errors.ts';

/** A setting and what it should be. */
export interface Change {
  readonly path: readonly string[];
  readonly value: unknown;
}

const read = (text: string): Document => {
  const document = parseDocument(text, { logLevel: 'error' });
  const [problem] = document.errors;
  if (problem === undefined) return document;
  throw new StackError('SETTINGS_INVALID', `the settings are not YAML: ${problem.message.split('\n')[0]}`, {
    hint: 'mend the file with an editor, or move it away',
  });
};

/** `path.to.setting=value` as a change, where the value is YAML; undefined for anything else. */
export const changeFrom = (text: string): Change | undefined => {
  const [, path = '', value = ''] = /^([a-z_]+(?:\.[a-z_]+)*)=(.*)$/s.exec(text) ?? [];
  const document = parseDocument(value, { logLevel: 'error' });
  if (path === '' || document.errors.length > 0) return undefined;
  return { path: path.split('.'), value: document.toJS() as unknown };
};

const valueAt = (document: Document, path: readonly string[]): unknown => {
  const found = document.getIn(path, true);
  return isNode(found) ? found.toJS(document) : found;
};

/** What a settings file says at a path, as plain data; undefined where it says nothing. @throws {StackError} SETTINGS_INVALID */
export const settingIn = (text: string, path: readonly string[]): unknown => valueAt(read(text), path);

/** A value on one line, quoted so that it can stand inside { } too. */
const inline = (value: unknown): string => {
  const document = new Document([value]);
  const flow = (node: unknown): void => {
    if (isMap(node) || isSeq(node)) node.flow = true;
    if (isSeq(node)) node.items.forEach(flow);
  };
  flow(document.contents);
  return document.toString({ lineWidth: 0 }).trim().slice(1, -1).trim();
};

/** The text with one value exchanged where it stands; undefined where none stands there, or not by itself. */
const exchanged = (text: string, document: Document, { path, value }: Change): string | undefined => {
  const found = document.getIn(path, true);
  if (!isNode(found) || found.range === undefined || found.range === null) return undefined;
  if (!isScalar(found) && !isMap(found)) return undefined;
  const [start, end] = found.range;
  const tail = /\s*$/.exec(text.slice(start, end))?.[0] ?? '';
  return `${text.slice(0, start)}${inline(value)}${tail}${text.slice(end)}`;
};

const edited = (text: string, change: Change): string => {
  const document = read(text);
  if (isDeepStrictEqual(valueAt(document, change.path), change.value)) return text;
  const near = exchanged(text, document, change);
  document.setIn(change.path, document.createNode(change.value, { flow: true }));
  if (near !== undefined) {
    const again = parseDocument(near, { logLevel: 'error' });
    if (again.errors.length === 0 && isDeepStrictEqual(again.toJS(), document.toJS())) return near;
  }
  return document.toString({ lineWidth: 0 });
};

/**
 * The text of a settings file with these settings changed. A value that is there is exchanged in its place, so that
 * comments and all other lines stay as a person wrote them; one that is not there is added.
 * @throws {StackError} SETTINGS_INVALID where the text is not YAML
 */
export const editSettings = (text: string, changes: readonly Change[]): string =>
  changes.reduce(edited, text);
