import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseEnvFile, renderIdentityEnv } from '../../../src/settings/identity-env.ts';

const wish = {
  issuer: 'https://pocketid.example.org:8443',
  port: 1411,
  database: '127.0.0.1:5432',
  encryptionKey: 'aKeyOf/Enough+Length=',
  databasePassword: "p'a s%$",
};

describe('pocketid.env', () => {
  test('holds what Pocket ID v2 wants to know, one line each', () => {
    expect(
      renderIdentityEnv(wish)
        .split('\n')
        .filter((line) => !line.startsWith('#')),
    ).toEqual([
      'ENCRYPTION_KEY=aKeyOf/Enough+Length=',
      'DB_CONNECTION_STRING=postgres://pocketid:p%27a%20s%25%24@127.0.0.1:5432/pocketid?sslmode=disable',
      'APP_URL=https://pocketid.example.org:8443',
      'HOST=127.0.0.1',
      'PORT=1411',
      'TRUST_PROXY=127.0.0.1,::1',
      'FILE_BACKEND=database',
      '',
    ]);
  });

  test('lets TLS be negotiated with a database on another machine', () => {
    const text = renderIdentityEnv({ ...wish, database: 'db.example.org' });

    expect(parseEnvFile(text).get('DB_CONNECTION_STRING')).toMatch(/@db\.example\.org\/pocketid$/);
  });

  test('says the same to every program that reads it, whatever key and password are', () => {
    const key = fc.stringMatching(/^[A-Za-z0-9+/=_.^%,:@-]{16,60}$/);
    const password = fc.string({
      unit: fc.integer({ min: 33, max: 126 }).map((one) => String.fromCharCode(one)),
      minLength: 1,
    });
    fc.assert(
      fc.property(key, password, (encryptionKey, databasePassword) => {
        const text = renderIdentityEnv({ ...wish, encryptionKey, databasePassword });
        const read = parseEnvFile(text);

        expect(read.get('ENCRYPTION_KEY')).toBe(encryptionKey);
        expect(decodeURIComponent(new URL(read.get('DB_CONNECTION_STRING') ?? '').password)).toBe(
          databasePassword,
        );
        expect(text).not.toMatch(/^[A-Z_]+=.*["'\\$`~ \t]/m);
      }),
    );
  });

  test('is refused for a key that programs would read differently', () => {
    for (const encryptionKey of [
      'a key with spaces in it',
      'key"with"quotes"1',
      'key$WITH$dollars$1',
      'key#with#hash#123',
    ])
      expect(() => renderIdentityEnv({ ...wish, encryptionKey })).toThrow(
        expect.objectContaining({ code: 'SECRET_INVALID' }) as Error,
      );
  });
});

test('an env file is read as systemd reads it', () => {
  const text = [
    '# a comment',
    '; another',
    'A=plain # not a comment',
    'B="in quotes"',
    "  C='in others'  ",
    'export D=exported',
    'no assignment',
    'A=the last one counts',
    'E=',
    'F=of Windows\r',
    '',
  ].join('\n');

  expect(Object.fromEntries(parseEnvFile(text))).toEqual({
    A: 'the last one counts',
    B: 'in quotes',
    C: 'in others',
    D: 'exported',
    E: '',
    F: 'of Windows',
  });
});
