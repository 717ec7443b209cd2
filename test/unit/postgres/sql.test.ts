import { describe, expect, test } from 'vitest';
import {
  changeSql,
  changeText,
  quoteIdentifier,
  quoteLiteral,
  type Change,
} from '../../../src/postgres/sql.ts';

describe('quoting', () => {
  test.each([
    ['plain', '"plain"'],
    ['a"b', '"a""b"'],
    ['x"; DROP DATABASE y; --', '"x""; DROP DATABASE y; --"'],
  ])('the name %s', (name, quoted) => {
    expect(quoteIdentifier(name)).toBe(quoted);
  });

  test.each([
    ['plain', "'plain'"],
    ["it's", "'it''s'"],
    ['back\\slash', "E'back\\\\slash'"],
    ["\\'; DROP", "E'\\\\''; DROP'"],
  ])('the text %s', (text, quoted) => {
    expect(quoteLiteral(text)).toBe(quoted);
  });

  test('refuses a zero byte, at which PostgreSQL would cut', () => {
    expect(() => quoteIdentifier('a\0b')).toThrow(/zero byte/);
    expect(() => quoteLiteral('a\0b')).toThrow(/zero byte/);
  });
});

const changes: readonly Change[] = [
  { kind: 'create-role', role: 'r', secret: 's' },
  { kind: 'allow-login', role: 'r' },
  { kind: 'set-password', role: 'r', secret: 's' },
  { kind: 'create-database', database: 'd', owner: 'r' },
  { kind: 'set-owner', database: 'd', owner: 'r' },
  { kind: 'close-to-others', database: 'd' },
  { kind: 'add-extension', database: 'd', extension: 'e' },
];

describe('the scripts', () => {
  test.each(changes.map((change) => [changeText(change), change] as const))(
    'to %s drops nothing and carries no name of a secret',
    (_text, change) => {
      const sql = changeSql(change, 'VERIFIER');

      expect(sql).not.toMatch(/\b(DROP|TRUNCATE|DELETE)\b/i);
      expect(sql).not.toMatch(/'s'|"s"/);
    },
  );

  test('put a password only where one is set', () => {
    const withPassword = changes.filter((change) => changeSql(change, 'VERIFIER').includes('VERIFIER'));

    expect(withPassword.map((change) => change.kind)).toEqual(['create-role', 'set-password']);
  });
});
