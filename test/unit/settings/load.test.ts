import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { chooseHost } from '../../../src/settings/host.ts';
import { parseSettings } from '../../../src/settings/load.ts';
import { addressesOf } from '../../../src/settings/settings.ts';
import { StackError } from '../../../src/shared/errors.ts';

const minimal = `
domain: example.org
reachability: { mode: port, port: 8443 }
certificates: {}
cloudflare: { token: { env: TOKEN } }
identity: { admin: { username: anna, email: anna@example.org, first_name: Anna } }
`;

const problemsOf = (text: string): unknown => {
  try {
    parseSettings(text, 'settings.yaml');
  } catch (error) {
    if (error instanceof StackError) return error.data['problems'];
    throw error;
  }
  return 'no problem';
};

describe('settings', () => {
  test('fill in every default and carry the port in the issuer', () => {
    const settings = parseSettings(minimal, 'settings.yaml');

    expect(settings.mesh).toMatchObject({ store: 'sqlite', login_expiration_days: 90 });
    expect(addressesOf(settings)).toMatchObject({
      mesh: 'netbird.example.org',
      issuer: 'https://pocketid.example.org:8443',
      meshUrl: 'https://netbird.example.org:8443',
      nginx: '172.30.77.254',
      dynamicRange: '172.30.77.0/25',
    });
  });

  test('leave the port out of the issuer where it is 443', () => {
    const settings = parseSettings(
      minimal.replace('mode: port, port: 8443', 'mode: public'),
      'settings.yaml',
    );

    expect(addressesOf(settings).issuer).toBe('https://pocketid.example.org');
  });

  test('have no default for from where devices reach the server', () => {
    expect(problemsOf(minimal.replace('mode: port, ', ''))).toEqual([
      'reachability/mode: is missing, wanted lan, port or public',
    ]);
  });

  test('report every problem at once, each with its path', () => {
    const text = `${minimal.replace('example.org\n', 'Example Org\n')}
colour: blue
postgres: { databases: [{ name: Immich }, { name: ok, size: 3 }] }
mesh: { login_expiration_days: many }
`;

    expect(problemsOf(text)).toEqual([
      'domain: is not a host name (such as example.org: lower case, without https:// and without a port)',
      'mesh/login_expiration_days: is a string, wanted a number',
      'postgres/databases/0/name: is not a database name (a-z, 0-9 and _, starting with a letter)',
      'postgres/databases/1/size: is not a known setting',
      'colour: is not a known setting',
    ]);
  });

  test.each([
    'Example.org',
    'example.org.',
    'müller.example',
    `${'a'.repeat(64)}.example.org`,
    '*.example.org',
  ])(
    'refuse the domain %s: certificates, records and cookies would each write it their own way',
    (domain) => {
      expect(problemsOf(minimal.replace('domain: example.org', `domain: "${domain}"`))).toEqual([
        expect.stringContaining('domain: is not a host name'),
      ]);
    },
  );

  test('take an international domain in the form that DNS has', () => {
    expect(problemsOf(minimal.replace('domain: example.org', 'domain: xn--mller-kva.example'))).toBe(
      'no problem',
    );
  });

  test('refuse stand-ins and written-out tokens outside .localhost', () => {
    const text = `${minimal.replace('{ env: TOKEN }', '{ value: abc }')}images: { stand_ins: true }\n`;

    expect(problemsOf(text)).toEqual([
      'images/stand_ins: stand-ins are for domains under .localhost only',
      'cloudflare/token: a token does not belong into this file; use {sops, key}, {file} or {env}',
    ]);
  });

  test.each(['letsencrypt-staging', 'https://acme-staging-v02.api.letsencrypt.org/directory'])(
    'refuse %s without its roots: what it issues could not be used',
    (directory) => {
      const text = (trust: string) =>
        minimal.replace(/^certificates:.*$/m, `certificates: { directory: "${directory}"${trust} }`);

      expect(problemsOf(text(''))).toEqual([
        expect.stringMatching(/^certificates\/trust: is system, .* name a file with them/),
      ]);
      expect(problemsOf(text(', trust: { file: staging-roots.pem }'))).toBe('no problem');
    },
  );

  test('say where a file is not YAML', () => {
    expect(problemsOf('domain: [')).toEqual([expect.stringContaining('at line 1')]);
  });

  test('are valid for every host in compose/hosts', async () => {
    const folder = 'compose/hosts';
    const hosts = await readdir(folder);
    const files = hosts.map((host) => join(folder, host, 'settings.yaml'));
    let checked = 0;
    for (const file of files) {
      const text = await readFile(file, 'utf8').catch(() => undefined);
      if (text === undefined) continue;
      // What a person has to fill in first has a test of its own.
      if (!/^[^#]*<[^>]+>/m.test(text)) expect(problemsOf(text)).toBe('no problem');
      checked += 1;
    }
    expect(checked).toBeGreaterThan(0);
  });
});

describe('the host', () => {
  const folders = ['SKYLAB', 'sandbox'];

  test('is the one that is named, then that of the environment, then this machine, then the sandbox', () => {
    const names = [
      chooseHost({ flag: 'skylab', env: 'sandbox', machine: 'x' }, folders, '/h').name,
      chooseHost({ env: 'SKYLAB', machine: 'x' }, folders, '/h').name,
      chooseHost({ machine: 'skylab.lan' }, folders, '/h').name,
      chooseHost({ machine: 'laptop' }, folders, '/h').name,
    ];

    expect(names).toEqual(['SKYLAB', 'SKYLAB', 'SKYLAB', 'sandbox']);
  });

  test('that is named without a folder is an error, never the sandbox', () => {
    expect(() => chooseHost({ flag: 'attic', machine: 'laptop' }, folders, '/h')).toThrow(
      expect.objectContaining({ code: 'SETTINGS_MISSING' }) as Error,
    );
  });
});
