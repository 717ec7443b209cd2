import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { changeFrom, editSettings } from '../../../src/settings/edit.ts';

const text = `# mine
domain:   'example.org'   # bought in 2020
reachability: { mode: port,   port: 8443 }   # by hand

list:
    - one   # first
token:
  sops: secrets.yaml   # old
  key: a/b
# the end
`;

describe('an edit', () => {
  test.each([
    [['domain'], 'home.example', "'example.org'", 'home.example'],
    [['reachability', 'port'], 443, '8443', '443'],
    [['reachability', 'mode'], 'a, b', 'mode: port', 'mode: "a, b"'],
  ])('of %j changes nothing but that value', (path, value, before, after) => {
    expect(editSettings(text, [{ path, value }])).toBe(text.replace(before, after));
  });

  test('that says what is there already changes nothing', () => {
    expect(
      editSettings(text, [
        { path: ['domain'], value: 'example.org' },
        { path: ['token'], value: { sops: 'secrets.yaml', key: 'a/b' } },
      ]),
    ).toBe(text);
  });

  test('of a whole section exchanges the section', () => {
    const edited = editSettings(text, [{ path: ['token'], value: { env: 'TOKEN' } }]);

    expect(parse(edited)).toEqual({ ...(parse(text) as object), token: { env: 'TOKEN' } });
    expect(edited).toContain("domain:   'example.org'   # bought in 2020");
    expect(edited).toContain('# the end');
  });

  test('of something that is not there adds it and keeps every comment', () => {
    const edited = editSettings(text, [{ path: ['mesh', 'store'], value: 'postgres' }]);

    expect(parse(edited)).toEqual({ ...(parse(text) as object), mesh: { store: 'postgres' } });
    for (const comment of text.match(/#.*/g) ?? []) expect(edited).toContain(comment);
  });

  test('of a file that is no YAML is refused', () => {
    expect(() => editSettings('domain: [', [{ path: ['domain'], value: 'x' }])).toThrow(
      expect.objectContaining({ code: 'SETTINGS_INVALID' }) as Error,
    );
  });
});

describe('a setting on the command line', () => {
  test.each([
    ['mesh.store=postgres', ['mesh', 'store'], 'postgres'],
    ['dns.resolvers=["9.9.9.9"]', ['dns', 'resolvers'], ['9.9.9.9']],
    ['reachability.stun_port=3479', ['reachability', 'stun_port'], 3479],
  ])('%s is a path and a value', (said, path, value) => {
    expect(changeFrom(said)).toEqual({ path, value });
  });

  test.each(['mesh', '=x', 'Mesh=x', 'a..b=1', 'dns.resolvers=['])('%s is refused', (said) => {
    expect(changeFrom(said)).toBeUndefined();
  });
});
