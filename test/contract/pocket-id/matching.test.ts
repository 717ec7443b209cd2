import { describe, expect, test } from 'vitest';

import { createBindings } from '../support/pocket-id-bindings.ts';
import { matchJson, matchText } from '../support/pocket-id-match.ts';

const oneId = '11111111-1111-4111-8111-111111111111';
const otherId = '22222222-2222-4222-8222-222222222222';

describe('comparing an answer with a recorded one', () => {
  test('a recorded id stands for one live id throughout', () => {
    const bindings = createBindings({});
    expect(matchJson({ id: '<uuid-1>' }, { id: oneId }, bindings, 'body')).toEqual([]);
    expect(matchJson({ id: '<uuid-1>' }, { id: oneId }, bindings, 'body')).toEqual([]);
    expect(matchJson({ id: '<uuid-1>' }, { id: otherId }, bindings, 'body')).toEqual([
      `body.id: wanted ${oneId}, got ${otherId}`,
    ]);
  });

  test('a missing and an added key are differences', () => {
    expect(matchJson({ a: 1, b: true }, { a: 1, c: true }, createBindings({}), 'body')).toEqual([
      'body.b: missing',
      'body.c: not in the recording',
    ]);
  });

  test('another text, another truth, null and a longer list are differences', () => {
    const recorded = { text: 'a', flag: true, nothing: null, list: [1] };
    const live = { text: 'b', flag: false, nothing: '', list: [1, 2] };
    expect(matchJson(recorded, live, createBindings({}), 'body')).toHaveLength(4);
  });

  test('times are compared by form and lifetimes within one second', () => {
    const bindings = createBindings({});
    const nowS = Math.floor(Date.now() / 1000);
    expect(
      matchJson({ iat: 5, expires_in: 3599 }, { iat: nowS, expires_in: 3600 }, bindings, 'body'),
    ).toEqual([]);
    expect(matchJson({ iat: 5 }, { iat: 5 }, bindings, 'body')).toHaveLength(1);
    expect(matchJson({ expires_in: 3599 }, { expires_in: 3601 }, bindings, 'body')).toHaveLength(1);
    expect(matchJson({ at: '2026-11-22T04:18:56.1Z' }, { at: 'yesterday' }, bindings, 'body')).toHaveLength(
      1,
    );
  });

  test('what changes inside a longer text is bound, the rest is literal', () => {
    const bindings = createBindings({ 'https://id.lab.test': 'https://id.example.org' });
    const recorded = 'https://id.lab.test/x?code=<uuid-4>&state=s';
    expect(
      matchText(recorded, `https://id.example.org/x?code=${oneId}&state=s`, bindings, 'location'),
    ).toEqual([]);
    expect(bindings.live('/again/<uuid-4>')).toBe(`/again/${oneId}`);
    expect(
      matchText(recorded, `https://id.example.org/x?code=${oneId}&state=t`, bindings, 'location'),
    ).toHaveLength(1);
    expect(
      matchText(recorded, `https://id.lab.test/x?code=${oneId}&state=s`, bindings, 'location'),
    ).toHaveLength(1);
  });
});
