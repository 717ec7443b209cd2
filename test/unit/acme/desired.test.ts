import { describe, expect, test } from 'vitest';
import { desired } from '../../../src/acme/policy.ts';
import { files, forRenewer } from '../../../src/acme/render.ts';
import { testSettings } from '../../support/settings.ts';

describe('what the settings lead to', () => {
  test('is one certificate for the public names, in a store of the host', () => {
    expect(desired(testSettings('/state'))).toMatchObject({
      domain: 'lab.localhost',
      names: ['netbird.lab.localhost', 'pocketid.lab.localhost'],
      certificates: '/state/skylab-lab/certificates',
      mark: 'skylab-lab acme',
      contact: 'admin@lab.localhost',
    });
  });

  test.each([
    ['letsencrypt', 'https://acme-v02.api.letsencrypt.org/directory'],
    ['letsencrypt-staging', 'https://acme-staging-v02.api.letsencrypt.org/directory'],
    ['https://ca.home.arpa/acme/directory', 'https://ca.home.arpa/acme/directory'],
  ])('%s is the directory %s', (said, address) => {
    const settings = testSettings('/state');

    expect(
      desired({ ...settings, certificates: { ...settings.certificates, directory: said } }).directory,
    ).toBe(address);
  });

  test('a file is looked for in the folder of the host', () => {
    const settings = testSettings('/hosts/lab');
    const trusting = (file: string) =>
      desired({ ...settings, certificates: { ...settings.certificates, trust: { file } } }).trust;

    expect(trusting('ca.pem')).toEqual({ file: '/hosts/lab/ca.pem' });
    expect(trusting('/etc/ca.pem')).toEqual({ file: '/etc/ca.pem' });
  });
});

describe('what the renewer is told', () => {
  const wanted = desired(testSettings('/state'));

  test('is settings without a secret, and the token as a reference', () => {
    expect(files(wanted)).toEqual([
      {
        service: 'certs',
        path: 'settings.json',
        content: [`${JSON.stringify(forRenewer(wanted), null, 2)}\n`],
        reader: { uid: 1000, gid: 1000 },
        reloads: true,
      },
      {
        service: 'certs',
        path: 'cloudflare-token',
        content: [{ secret: 'cloudflare-token' }],
        reader: { uid: 1000, gid: 1000 },
        reloads: true,
      },
    ]);
  });

  test('names what it can see: files of the host become copies in the store, addresses stay', () => {
    const seen = forRenewer({
      ...wanted,
      trust: { file: '/etc/ca.pem' },
      directoryCa: { url: 'http://ca.home.arpa/ca.pem' },
    });

    expect(seen).toMatchObject({
      certificates: '/etc/skylab-certificates',
      trust: { file: '/etc/skylab-certificates/roots/trust.pem' },
      directoryCa: { url: 'http://ca.home.arpa/ca.pem' },
    });
  });
});
