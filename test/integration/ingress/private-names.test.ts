import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { makeRoot } from '../../../src/acme/local/authority.ts';
import { readLocalCa } from '../../../src/acme/local/root.ts';
import { provePrivateNames } from '../../../src/ingress/doors/private-names.ts';
import type { LocalCa } from '../../../src/ingress/doors/finding.ts';
import { get, shakeHands } from '../../../src/ingress/probe.ts';
import { ownSecrets } from '../../../src/settings/own-secrets.ts';
import { readText } from '../../../src/shared/files.ts';
import { testSettings } from '../../support/settings.ts';
import { findNginx } from './support/find-nginx.ts';
import { identity, prepareStack, type Stack } from './support/stack.ts';

const program = await findNginx();
const name = 'pocketid.skylab.local';

describe.skipIf('missing' in program)('nginx with private names', () => {
  const target = `https://${identity}:8443`;
  let stack: Stack;
  let ca: LocalCa;

  const authorityFor = async (domains: readonly string[]): Promise<LocalCa> => {
    const settings = testSettings('/state', `private_names: { ${name}: identity }`);
    const key =
      ownSecrets(settings)
        .find((one) => one.name === 'local-ca-key')
        ?.generate() ?? '';
    const root = await makeRoot(key, { project: settings.project, domains }, Date.now());
    const made = readLocalCa(root, key);
    if (made === undefined) throw new Error('it cannot be read back');
    return made;
  };
  const serve = async (authority: LocalCa, of = name) => {
    const { chainPem, keyPem } = await authority.signFor(of);
    await stack.nginx.putCertificate({ fullchain: chainPem, key: keyPem }, 'local');
  };
  beforeEach(async () => {
    if ('missing' in program) return;
    stack = await prepareStack(program.folder, [{ name, target }]);
    ca = await authorityFor(['skylab.local']);
    await serve(ca);
  });
  afterEach(async () => stack.close());

  const signal = () => AbortSignal.timeout(20_000);
  const notPassed = async (read: () => LocalCa | undefined = () => ca) => {
    const checks = await provePrivateNames({
      desired: stack.nginx.desired,
      roots: [],
      signal: signal(),
      ports: {
        readText,
        trustedRoots: async () => Promise.resolve([]),
        http: {
          call: async () => Promise.reject(new Error('nothing is called')),
        },
        identityKey: async () => Promise.resolve(undefined),
        localCa: async () => Promise.resolve(read()),
      },
    });
    expect(checks).toHaveLength(7);
    return checks.filter((one) => one.status !== 'passed').map((one) => `${one.id} ${one.status}`);
  };

  test('leads to the real name for now, with port, path and query as they were asked', async () => {
    await stack.nginx.start();

    const reply = await get(
      stack.door,
      name,
      { path: '/a%2Fb//c?x=%20y&z' },
      { roots: [ca.root], signal: signal() },
    );

    expect([reply.status, reply.headers['location']]).toEqual([307, `${target}/a%2Fb//c?x=%20y&z`]);
    expect(reply.headers['strict-transport-security']).toBeUndefined();
    expect(await stack.nginx.said()).not.toMatch(/\[(warn|alert|emerg|error)\]/);
  });

  test('serves the private name with the local certificate, and the public ones with theirs', async () => {
    await stack.nginx.start();
    const trusts = async (of: string, roots: readonly string[]) =>
      (await shakeHands(stack.door, of, { roots, signal: signal() })).distrust === undefined;

    expect(await trusts(name, [ca.root])).toBe(true);
    expect(await trusts(name, [stack.authority.root])).toBe(false);
    expect(await trusts(identity, [stack.authority.root])).toBe(true);
    expect(await trusts(identity, [ca.root])).toBe(false);
  });

  test('passes its proof', async () => {
    await stack.nginx.start();

    expect(await notPassed()).toEqual([]);
  });

  test('fails its proof where it leads elsewhere', async () => {
    await stack.nginx.putFiles(stack.nginx.desired, (_path, text) =>
      text.replace(`${target}$request_uri`, `${target}/`),
    );
    await stack.nginx.start();

    expect(await notPassed()).toEqual([`private.redirect.${name} failed`]);
  });

  test('fails its proof where the certificate is of another CA', async () => {
    await serve(await authorityFor(['skylab.local']));
    await stack.nginx.start();

    expect(await notPassed()).toEqual([`tls.chain.${name} failed`]);
  });

  test('fails its proof where the CA can sign for a public domain as well', async () => {
    ca = await authorityFor(['skylab.local', 'skylab.localhost']);
    await serve(ca);
    await stack.nginx.start();

    expect(await notPassed()).toEqual(['private.ca-limits failed']);
  });

  test('says that the limits were not looked at where the key is not there', async () => {
    await stack.nginx.start();

    expect(await notPassed(() => undefined)).toEqual([
      `tls.chain.${name} failed`,
      'private.ca-limits skipped',
    ]);
  });

  test('takes up a renewed certificate by itself', async () => {
    await stack.nginx.start();
    const folder = join(stack.nginx.desired.places.certificates, 'local');
    const before = await readFile(join(folder, 'current', 'fullchain.pem'), 'utf8');
    await serve(ca);

    expect(await readFile(join(folder, 'current', 'fullchain.pem'), 'utf8')).not.toBe(before);
    // The check of the serial number waits until it is served.
    expect(await notPassed()).toEqual([]);
  });
});
