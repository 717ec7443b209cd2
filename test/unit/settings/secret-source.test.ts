import { describe, expect, test } from 'vitest';
import { tokenIn } from '../../../src/settings/secret-source.ts';
import { recipientsOf, sopsFailure } from '../../../src/settings/sops.ts';
import { StackError } from '../../../src/shared/errors.ts';
import { recipient, saidBySops } from './sops-said.ts';

const errorOf = (act: () => unknown): StackError => {
  try {
    act();
  } catch (error) {
    if (error instanceof StackError) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
};

describe('a token', () => {
  test.each([
    'abcDEF_-123',
    ' abcDEF_-123\n',
    'CLOUDFLARE_DNS_API_TOKEN=abcDEF_-123',
    'CLOUDFLARE_DNS_API_TOKEN="abcDEF_-123"\n',
    'export CLOUDFLARE_API_TOKEN=abcDEF_-123',
    "CF_DNS_API_TOKEN='abcDEF_-123'",
  ])('is taken from %j', (text) => {
    expect(tokenIn(text, 'here')).toBe('abcDEF_-123');
  });

  test.each([
    ['', 'here: the value is empty'],
    ['CLOUDFLARE_DNS_API_TOKEN=', 'here: the value is empty'],
    ['CLOUDFLARE_DNS_API_TOKEN=your_token_here', 'here: the token is still to be filled in'],
    ['<the token>', 'here: the token is still to be filled in'],
    ['CLOUDFLARE_API_KEY=abc', 'here: it sets CLOUDFLARE_API_KEY, wanted is CLOUDFLARE_DNS_API_TOKEN'],
    ['SECRETPART=abc', 'here: it sets another name, wanted is CLOUDFLARE_DNS_API_TOKEN'],
    ['two words', 'here: the value is not one line of plain letters, without spaces'],
    ['one\ntwo', 'here: the value is not one line of plain letters, without spaces'],
    ['schlüssel', 'here: the value is not one line of plain letters, without spaces'],
  ])('is not taken from %j, and what was there is not shown', (text, message) => {
    const error = errorOf(() => tokenIn(text, 'here'));

    expect([error.code, error.message]).toEqual(['SECRET_INVALID', message]);
    expect(error.hint).toBe('write it as CLOUDFLARE_DNS_API_TOKEN=your_token_here, or as the bare token');
  });
});

describe('what sops says', () => {
  const file = '/hosts/skylab/secrets/secrets.yaml';
  const failure = (
    said: keyof typeof saidBySops,
    env: Readonly<Record<string, string>> = {},
    recipients: readonly string[] = [recipient],
  ) => {
    const { code, message, hint } = sopsFailure(
      { ...saidBySops[said], errno: undefined },
      { file, recipients, env },
    );
    expect(code).toBe('SECRET_UNREADABLE');
    return `${message}\n${hint}`.replaceAll(file, '<file>').replaceAll(recipient, '<recipient>');
  };

  test('of the wrong key names the one that is wanted', () => {
    expect(failure('otherKey')).toMatchInlineSnapshot(`
      "cannot decrypt <file>: it was encrypted for <recipient>, and no age key here is that one
      bring that key (sops takes it from the file that SOPS_AGE_KEY_FILE names, else from ~/.config/sops/age/keys.txt); or where you have it, add this machine's: sops rotate --in-place --add-age <its public key, age1…> <file>"
    `);
  });

  test('of no key names where one is looked for, and that sudo has another home', () => {
    expect(failure('noKey')).toMatchInlineSnapshot(`
      "cannot decrypt <file>: there is no age key (wanted: <recipient>)
      sops takes it from the file that SOPS_AGE_KEY_FILE names, else from ~/.config/sops/age/keys.txt"
    `);
    expect(failure('noKey', { SUDO_USER: 'anna' })).toMatchInlineSnapshot(`
      "cannot decrypt <file>: there is no age key (wanted: <recipient>)
      under sudo ~/.config/sops/age/keys.txt is that of root; name yours: sudo SOPS_AGE_KEY_FILE=/home/anna/.config/sops/age/keys.txt npm run up"
    `);
  });

  test('of a key file that is not there, or holds no key, says which', () => {
    expect(failure('keyFileMissing', { SOPS_AGE_KEY_FILE: '/home/anna/nope.txt' })).toMatchInlineSnapshot(`
      "cannot decrypt <file>: the age key file /home/anna/nope.txt is not there
      let SOPS_AGE_KEY_FILE name the file with the key of <recipient>"
    `);
    expect(failure('keyFileBroken')).toMatchInlineSnapshot(`
      "cannot decrypt <file>: what should be an age key is none
      the file wants a line that starts with AGE-SECRET-KEY-1, as age-keygen writes it"
    `);
  });

  test('of a file that was edited by hand says how to edit it', () => {
    expect(failure('brokenValue')).toMatchInlineSnapshot(`
      "cannot decrypt <file>: it was changed after sops had written it
      take the last whole version (git log -- <file>), and change it only with: sops <file>"
    `);
    expect(failure('macMismatch')).toBe(failure('brokenValue'));
  });

  test('of anything else is shown', () => {
    expect(failure('notYaml')).toMatchInlineSnapshot(`
      "cannot decrypt <file>: sops ended with 1 (yaml: line 1: did not find expected node content)
      try it by hand: sops decrypt <file>"
    `);
  });

  test('of a file for another kind of key than age says so', () => {
    expect(failure('noKey', {}, [])).toContain('wanted: another kind of key than age');
  });
});

test('the recipients of a file are read without decrypting it; a plain file has no such part', () => {
  const encrypted = `acme: { cloudflare_token: "ENC[AES256_GCM,data:x]" }\nsops: { age: [{ recipient: ${recipient} }] }`;

  expect(recipientsOf(encrypted)).toEqual([recipient]);
  expect(recipientsOf('sops: { kms: [] }')).toEqual([]);
  expect(recipientsOf('acme: { cloudflare_token: abc }')).toBe(undefined);
  expect(recipientsOf('a: [')).toBe(undefined);
});
