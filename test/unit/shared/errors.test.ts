import { describe, expect, test } from 'vitest';
import { asStackError, exitCodeOf } from '../../../src/shared/errors.ts';

describe('what is thrown and is not ours', () => {
  test('is a bug, with an exit code of its own', () => {
    const error = asStackError(new TypeError('x is not a function'));

    expect([error.code, exitCodeOf(error)]).toEqual(['INTERNAL', 1]);
  });

  test.each(['EACCES', 'EPERM'])('is no bug where a file belongs to another user: %s', (code) => {
    const path = '/var/lib/skylab-attic/secrets/turn-secret';
    const thrown = Object.assign(new Error(`${code}: permission denied, open '${path}'`), { code, path });
    const error = asStackError(thrown);

    expect([error.code, exitCodeOf(error)]).toEqual(['DISK_DENIED', 3]);
    expect(error.message).toBe(`this user may not open ${path} (${code})`);
    expect(error.hint).toContain('run it as the user who brought this stack up, or as root');
  });

  test('is a bug where nothing says which file', () => {
    expect(asStackError(Object.assign(new Error('denied'), { code: 'EACCES' })).code).toBe('INTERNAL');
  });
});
