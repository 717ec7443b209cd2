import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { expect, test } from 'vitest';

import { readOptions } from '../../../sandbox/pocket-id/options.ts';

const environment = {
  APP_URL: 'https://id.lab.test',
  ENCRYPTION_KEY: '0123456789abcdef',
  DB_CONNECTION_STRING: 'postgresql://u:p@db/pocketid',
};

test('the address is lower-cased and loses its last slash', () => {
  expect(readOptions({ ...environment, APP_URL: 'https://ID.Lab.Test:8443/' }).appUrl).toBe(
    'https://id.lab.test:8443',
  );
});

test('settings of the application come from the environment only when the UI cannot change them', () => {
  const given = { ...environment, ALLOW_USER_SIGNUPS: 'open', SESSION_DURATION: '5' };
  expect(readOptions(given).appConfig).toMatchObject({
    allowUserSignups: 'disabled',
    sessionDurationMinutes: 60,
  });
  expect(readOptions({ ...given, UI_CONFIG_DISABLED: 'true' }).appConfig).toMatchObject({
    allowUserSignups: 'open',
    sessionDurationMinutes: 5,
    uiConfigDisabled: true,
  });
});

test('the encryption key of a file is taken byte by byte, the static key is trimmed', () => {
  const folder = mkdtempSync(join(tmpdir(), 'skylab-options-'));
  writeFileSync(join(folder, 'key'), '0123456789abcdef\n');
  writeFileSync(join(folder, 'static'), 'static-key-0123456789\n');
  const { encryptionKey, staticApiKey } = readOptions({
    ...environment,
    ENCRYPTION_KEY_FILE: join(folder, 'key'),
    STATIC_API_KEY_FILE: join(folder, 'static'),
  });
  expect([encryptionKey.length, staticApiKey]).toEqual([17, 'static-key-0123456789']);
  rmSync(folder, { recursive: true });
});

test.each([
  [{ APP_URL: 'id.lab.test' }, 'APP_URL'],
  [{ APP_URL: 'https://id.lab.test/auth' }, 'APP_URL'],
  [{ ENCRYPTION_KEY: '0123456789abcde' }, 'ENCRYPTION_KEY has 15 bytes'],
  [{ ENCRYPTION_KEY_FILE: '/nowhere/key' }, 'ENCRYPTION_KEY_FILE'],
  [{ DB_CONNECTION_STRING: '' }, 'DB_CONNECTION_STRING'],
  [{ DB_CONNECTION_STRING: 'host=db user=pocketid' }, 'DB_CONNECTION_STRING'],
  [{ STATIC_API_KEY: 'too-short' }, 'STATIC_API_KEY has 9 characters'],
  [{ DISABLE_RATE_LIMITING: 'yes' }, 'DISABLE_RATE_LIMITING'],
  [{ TRUST_PROXY: 'nginx' }, 'TRUST_PROXY'],
  [{ TRUST_PROXY: '10.0.0.0/33' }, 'TRUST_PROXY'],
  [{ UI_CONFIG_DISABLED: 'true', ALLOW_USER_SIGNUPS: 'maybe' }, 'ALLOW_USER_SIGNUPS'],
])('%j is refused by name', (wrong, message) => {
  expect(() => readOptions({ ...environment, ...wrong })).toThrow(message);
});
