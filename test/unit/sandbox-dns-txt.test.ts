import { expect, test } from 'vitest';
import { characterStrings, txtValue } from '../../sandbox/cloudflare/txt-strings.ts';

const texts = (content: string) => characterStrings(content).map((part) => part.toString());

test('plain text is one value, cut into strings of at most 255 bytes', () => {
  expect(texts('plain text')).toEqual(['plain text']);
  expect(characterStrings('x'.repeat(511)).map((part) => part.length)).toEqual([255, 255, 1]);
  expect(texts('')).toEqual(['']);
});

test('quoted strings are kept apart and unescaped', () => {
  expect(texts('"one" "two"')).toEqual(['one', 'two']);
  expect(texts(String.raw`"a\"b\\c\065"`)).toEqual([String.raw`a"b\cA`]);
  expect(characterStrings(`"${'x'.repeat(300)}"`).map((part) => part.length)).toEqual([255, 45]);
});

test('text with a quote in the middle is plain text', () => {
  expect(texts('a "b" c')).toEqual(['a "b" c']);
  expect(texts('"unclosed')).toEqual(['"unclosed']);
});

test('a value is the same however it is quoted or cut', () => {
  expect(txtValue('"value"')).toBe(txtValue('value'));
  expect(txtValue('"val" "ue"')).toBe(txtValue('value'));
  expect(txtValue('Value')).not.toBe(txtValue('value'));
});
