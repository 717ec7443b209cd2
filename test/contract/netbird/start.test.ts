import { readFileSync, writeFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { readManagementConfig } from '../../../sandbox/netbird/management/config.ts';
import { goDurationMs } from '../../../sandbox/netbird/management/go-duration.ts';
import { renderGoTemplate } from '../../../sandbox/netbird/management/go-template.ts';
import { openWorkplace, type Workplace } from './stand-in.ts';

/*
 * How the management stand-in reads management.json: like the real server where that refuses to start, and strictly
 * where the real one starts and panics later.
 */

let workplace: Workplace;

beforeEach(() => {
  workplace = openWorkplace({ issuer: 'https://id.lab.test', keysLocation: 'http://127.0.0.1:9/jwks' });
});

afterEach(() => {
  workplace.remove();
});

const read = (change: Readonly<Record<string, unknown>> = {}, variables = {}) => {
  workplace.configure(change);
  return readManagementConfig(workplace.configPath, variables);
};

const http = (change: object) => ({
  HttpConfig: { AuthIssuer: 'i', AuthAudience: 'a', AuthKeysLocation: 'k', ...change },
});

describe('management.json', () => {
  test('as the stack renders it is taken', () => {
    const device = { Provider: 'hosted', ProviderConfig: { Audience: 'cli' } };

    expect(
      read({
        ...http({ ExtraAuthAudience: 'b' }),
        DeviceAuthorizationFlow: device,
        DisableDefaultPolicy: true,
      }),
    ).toMatchObject({
      issuer: 'i',
      audiences: ['a', 'b', 'cli'],
      userIdClaim: 'sub',
      keysLocation: 'k',
      refreshKeys: false,
      disableDefaultPolicy: true,
    });
  });

  test('takes its values from the environment', () => {
    const config = read(http({ AuthIssuer: '{{ .ISSUER }}', AuthAudience: '{{ .NOT_SET }}' }), {
      ISSUER: 'i',
    });

    expect(config).toMatchObject({ issuer: 'i', audiences: ['<no value>'] });
  });

  test('may hold fields that nobody knows, and durations as numbers', () => {
    expect(() =>
      read({ Unknown: 1, Relay: { Addresses: [], CredentialsTTL: 1e12, Secret: 's' } }),
    ).not.toThrow();
  });

  test.each<[what: string, change: Readonly<Record<string, unknown>>, message: string | RegExp]>([
    ['no HttpConfig', { HttpConfig: undefined }, /HttpConfig: is missing/],
    ['no Signal', { Signal: undefined }, /Signal: /],
    ['a Signal without Proto', { Signal: { URI: 'x:443' } }, /Signal\/Proto: must be one of/],
    ['a STUN with an unknown Proto', { Stuns: [{ Proto: 'sctp', URI: 'x' }] }, /Stuns\/0\/Proto: must be/],
    [
      'a TURN without Proto',
      { TURNConfig: { CredentialsTTL: '1h', Turns: [{ URI: 'x' }] } },
      /TURNConfig\/Turns\/0\/Proto: must be/,
    ],
    ['no lifetime of TURN credentials', { TURNConfig: { Secret: 's' } }, /TURNConfig\/CredentialsTTL/],
    [
      'a relay lifetime of 0',
      { Relay: { CredentialsTTL: '0s' } },
      /Relay\/CredentialsTTL: must be more than 0/,
    ],
    [
      'a negative relay lifetime',
      { Relay: { CredentialsTTL: '-1h' } },
      /Relay\/CredentialsTTL: must be more/,
    ],
    ['no duration', { Relay: { CredentialsTTL: '12x' } }, /time: invalid duration "12x"/],
    ['an unknown store', { StoreConfig: { Engine: 'nope' } }, /unsupported kind of store: nope/],
    ['postgres', { StoreConfig: { Engine: 'postgres' } }, /unsupported kind of store: postgres/],
    ['an IdP manager', { IdpManagerConfig: { ManagerType: 'pocketid' } }, /IdpManagerConfig\/ManagerType/],
    ['an embedded IdP', { EmbeddedIdP: {} }, /EmbeddedIdP: must be absent/],
    ['a discovery address', http({ OIDCConfigEndpoint: 'https://x' }), /OIDCConfigEndpoint: must be empty/],
    ['a short key', { DataStoreEncryptionKey: 'AAAA' }, /encryption key must be 32 bytes, got 3/],
    ['a key that is not base64', { DataStoreEncryptionKey: '{{ .NONE }}' }, /illegal base64 data/],
    ['a key without padding', { DataStoreEncryptionKey: 'A'.repeat(43) }, /illegal base64 data/],
    ['a broken template', { Unknown: '{{ .X' }, /error parsing template: unclosed action/],
    ['a function', { Unknown: '{{ env "X" }}' }, /error parsing template: \{\{ env/],
  ])('with %s does not start', (_what, change, message) => {
    expect(() => read(change)).toThrow(message);
  });

  test('with several faults names each', () => {
    expect(() => read({ HttpConfig: undefined, Signal: { URI: 'x' } })).toThrow(
      /Signal\/Proto: .*; .*HttpConfig: |HttpConfig: .*; .*Signal\/Proto: /,
    );
  });

  test('that is missing, or no JSON, does not start', () => {
    writeFileSync(workplace.configPath, '{"a":');
    expect(() => readManagementConfig(workplace.configPath, {})).toThrow(
      /failed reading provided config file/,
    );
    expect(() => readManagementConfig('/nowhere/management.json', {})).toThrow(/ENOENT/);
  });

  test('without a key gets one, written back with everything else', () => {
    const { encryptionKey } = read({ DataStoreEncryptionKey: '' });
    const written = JSON.parse(readFileSync(workplace.configPath, 'utf8')) as Record<string, unknown>;

    expect(written['DataStoreEncryptionKey']).toBe(encryptionKey.toString('base64'));
    expect(written).toHaveProperty('HttpConfig');
    expect(readManagementConfig(workplace.configPath, {}).encryptionKey).toEqual(encryptionKey);
  });
});

test.each([
  ['12h', 43_200_000],
  ['1h30m', 5_400_000],
  ['1.5s', 1500],
  ['-5s', -5000],
  ['0', 0],
  [1e9, 1000],
  ['12', undefined],
  ['h', undefined],
  ['', undefined],
])('a Go duration of %j is %j ms', (text, durationMs) => {
  expect(goDurationMs(text)).toBe(durationMs);
});

test.each([
  ['a {{ .X }} b {{.X}} c {{- .X -}} d', 'a 1 b 1 c 1 d'],
  ['{{ .Y }}', '<no value>'],
  ['}} {', '}} {'],
])('the template %j renders to %j', (template, text) => {
  expect(renderGoTemplate(template, { X: '1' })).toBe(text);
});
