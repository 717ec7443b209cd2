import { describe, expect, test } from 'vitest';
import { readKeyFile, sealingKey } from '../../../../src/oidc/takeover/encryption-key.ts';

const key = 'a key of 24 bytes or so!';
const read = (text: string | Buffer) => readKeyFile(Buffer.from(text), 'key');

describe('a key file', () => {
  test.each([
    ['holds the key alone', key, [key]],
    ['ends with a line break, which may be part of the key', `${key}\n`, [`${key}\n`, key]],
    ['ends with a line break of Windows', `${key}\r\n`, [`${key}\r\n`, key]],
    ['has spaces around the key', ` ${key} `, [` ${key} `]],
    ['is an env file', `DB=x\nENCRYPTION_KEY=${key}\nAPP_URL=https://id.example.org\n`, [key]],
    ['is an env file with quotes', `ENCRYPTION_KEY="${key}"\n`, [key]],
    ['is a file for a shell', `export ENCRYPTION_KEY='${key}'\n`, [key]],
    [
      'has a key with = at its end',
      'ENCRYPTION_KEY=MTIzNDU2Nzg5MDEyMzQ1Njc=\n',
      ['MTIzNDU2Nzg5MDEyMzQ1Njc='],
    ],
  ])('that %s', (_case, text, candidates) => {
    expect(read(text).candidates).toEqual(candidates);
  });

  test('that is an env file tells the old address too', () => {
    expect(read(`APP_URL=https://id.example.org\nENCRYPTION_KEY=${key}`).appUrl).toBe(
      'https://id.example.org',
    );
    expect(read(key).appUrl).toBeUndefined();
  });

  test.each([
    ['is too short', 'short', /5 bytes/, /ENCRYPTION_KEY/],
    ['is an env file without a key', 'A=1\nB=2\n', /no ENCRYPTION_KEY/, /file that has the key/],
    [
      'points to another file',
      'ENCRYPTION_KEY_FILE=/run/key\nB=2\n',
      /but in \/run\/key/,
      /--key-file \/run\/key/,
    ],
    ['is no text', Buffer.from([0xff, 0xfe, ...Buffer.alloc(30, 0x80)]), /no text/, /encryption-key-rotate/],
  ])('that %s is refused', (_case, text, seen, hint) => {
    expect(() => read(text)).toThrow(
      expect.objectContaining({
        code: 'SECRET_INVALID',
        message: expect.stringMatching(seen) as string,
        hint: expect.stringMatching(hint) as string,
      }) as Error,
    );
  });
});

test('the key that seals is derived as Pocket ID derives it', () => {
  // The value that its own test holds fast (backend/internal/utils/jwk/utils_test.go).
  expect(sealingKey('test-encryption-key', 'instance-123').toString('hex')).toBe(
    '8e7610a60551627e8bfff3a120513ed18e8176e821214d9c58e6dcb1918f7636',
  );
});
