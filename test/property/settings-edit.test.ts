import fc from 'fast-check';
import { expect, test } from 'vitest';
import { editSettings, settingIn } from '../../src/settings/edit.ts';
import { textOfHost } from '../support/hosts.ts';

const text = textOfHost('SKYLAB');
const paths = [['domain'], ['reachability', 'bind'], ['cloudflare', 'token'], ['new'], ['mesh', 'new']];
const values = fc.oneof(
  fc.string(),
  fc.integer(),
  fc.boolean(),
  fc.record({ file: fc.string(), key: fc.string() }),
);

test('an edit leaves exactly the value that was asked for, whatever it is, and all others and every comment', () => {
  const sections = ['names', 'identity', 'turn', 'postgres'];
  const before = sections.map((section) => settingIn(text, [section]));
  const comments = text.split('\n').filter((line) => line.startsWith('#'));
  fc.assert(
    fc.property(fc.constantFrom(...paths), values, (path, wanted) => {
      const edited = editSettings(text, [{ path, value: wanted }]);

      expect(settingIn(edited, path)).toEqual(wanted);
      expect(sections.map((section) => settingIn(edited, [section]))).toEqual(before);
      expect(comments.filter((comment) => !edited.includes(comment))).toEqual([]);
      expect(editSettings(edited, [{ path, value: wanted }])).toBe(edited);
    }),
  );
});
