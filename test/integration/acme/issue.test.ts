import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { basename, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createAcmeArea } from '../../../src/acme/area.ts';
import type { AcmePorts } from '../../../src/acme/renewal/records.ts';
import { rootCopies } from '../../../src/acme/render.ts';
import { readCertificate } from '../../../src/acme/store.ts';
import { zoneName } from '../../support/cloudflare.ts';
import { findPebble } from '../../support/pebble.ts';
import { freePort } from '../../support/ports.ts';
import { portsFor } from './ports.ts';
import { names, settle, startWorld, type TestWorld } from './world.ts';

const program = await findPebble();
const signal = new AbortController().signal;
const isOrder = (what: string) => what.startsWith('POST newOrder');
const isAccount = (what: string) => what.startsWith('POST newAccount');

describe.skipIf('missing' in program)('issuing, against a real authority', () => {
  let world: TestWorld;
  beforeAll(async () => {
    world = await startWorld();
  });
  afterAll(async () => {
    await world.stop();
  });

  test('one order covers all names, and a second run finds nothing to do', async () => {
    const wanted = world.wishes(names, 'two');

    const first = await settle(wanted);
    const second = await settle(wanted);

    expect(first.planned).toEqual(['publish trusted roots', `issue certificate for ${zoneName}`]);
    expect(first.facts).toEqual({ [`certificate:${zoneName}`]: true, 'ca.api': true });
    expect(first.done.filter(isOrder)).toHaveLength(1);
    expect(world.txtNames()).toEqual([]);
    expect(second).toMatchObject({ planned: [], done: [] });
  });

  describe('an authority whose roots are not there yet', () => {
    /** Roots at an address where nobody listens until `atRefusal` calls were refused. */
    const lateRoots = async (store: string, atRefusal: number) => {
      const server = createServer((_, answer) => {
        void world.pebble.rootPem().then((pem) => answer.end(pem));
      });
      const port = await freePort();
      const url = `http://127.0.0.1:${port}/roots`;
      const wanted = { ...world.wishes(names, store), trust: { url } };
      const ports = portsFor(wanted);
      let refused = 0;
      const http: AcmePorts['http'] = (ca) => {
        const inner = ports.http(ca);
        return {
          ...inner,
          async call(method, address, call) {
            try {
              return await inner.call(method, address, call);
            } catch (error) {
              if (address === url) refused += 1;
              if (refused === atRefusal && !server.listening) {
                server.listen(port, '127.0.0.1');
                await once(server, 'listening');
              }
              throw error;
            }
          },
        };
      };
      return { wanted, ports: { ...ports, http }, close: () => server.close() };
    };

    test('is waited for: what can be read already is published with the rest, and nothing fails', async () => {
      // The first call is the look, the second one that of the step.
      const { wanted, ports, close } = await lateRoots('late', 2);
      const { planned, facts } = await settle(wanted, ports);
      close();

      expect(planned).toEqual(['publish trusted roots', `issue certificate for ${zoneName}`]);
      expect(facts).toEqual({ [`certificate:${zoneName}`]: true, 'ca.api': true });
    });

    test('fails the order where it stays away, after what could be read was published', async () => {
      const { wanted, ports } = await lateRoots('away', Number.POSITIVE_INFINITY);

      await expect(settle(wanted, ports)).rejects.toMatchObject({ code: 'CA_UNREACHABLE' });
      expect(await readdir(join(wanted.certificates, 'roots'))).toEqual([basename(rootCopies.directoryCa)]);
    });
  });

  test('the stored certificate has an own P-256 key, its names in the extension only, and its chain', async () => {
    const wanted = world.wishes(names, 'stored');
    await settle(wanted);
    const current = join(wanted.certificates, zoneName, 'current');
    const modeOf = async (path: string) => (await stat(path)).mode & 0o777;

    const stored = await readCertificate(wanted, zoneName);

    const leaf = new X509Certificate(stored?.chainPem ?? '');
    expect(leaf.publicKey.asymmetricKeyDetails).toEqual({ namedCurve: 'prime256v1' });
    const { subject } = leaf as { readonly subject?: string };
    expect(subject ?? '').not.toContain('CN=');
    expect(stored).toMatchObject({ names: [...names].sort(), serial: leaf.serialNumber, keyMatches: true });
    expect(stored?.chainPem.match(/BEGIN CERTIFICATE/g)?.length).toBeGreaterThan(1);
    expect(JSON.parse(await readFile(join(current, 'meta.json'), 'utf8'))).toMatchObject({
      directory: wanted.directory,
      names: wanted.names,
      serial: leaf.serialNumber,
    });
    expect(await modeOf(join(current, 'key.pem'))).toBe(0o400);
    expect(await modeOf(wanted.certificates)).toBe(0o700);
    const accounts = join(wanted.certificates, 'accounts', new URL(wanted.directory).host);
    expect(await modeOf(join(accounts, 'key.pem'))).toBe(0o600);
    const uid = process.getuid?.() === 0 ? 1000 : process.getuid?.();
    expect((await stat(join(current, 'key.pem'))).uid).toBe(uid);
    expect((await stat(accounts)).uid).toBe(uid);
  });

  test('a name and its wildcard are earned by two values at one name', async () => {
    const wanted = world.wishes([zoneName, `*.${zoneName}`], 'wildcard');

    const { facts, done } = await settle(wanted);

    expect(facts[`certificate:${zoneName}`]).toBe(true);
    expect(done.filter((what) => what === `create TXT _acme-challenge.${zoneName}`)).toHaveLength(2);
    expect(world.txtNames()).toEqual([]);
  });

  test('another set of names is ordered with the same account, and the version before stays', async () => {
    const store = 'growing';
    await settle(world.wishes(names, store));
    const more = world.wishes([...names, `immich.${zoneName}`], store);

    const { planned, done } = await settle(more);

    expect(planned).toEqual([`issue certificate for ${zoneName}`]);
    expect(done.filter(isAccount)).toEqual([]);
    expect(await readCertificate(more, zoneName)).toMatchObject({ version: 'versions/2', names: more.names });
    await stat(join(more.certificates, zoneName, 'versions', '1', 'key.pem'));
    await settle(world.wishes(names, store));
    await expect(stat(join(more.certificates, zoneName, 'versions', '1'))).rejects.toThrow('ENOENT');
  });

  test('an account whose address was lost is found again by its key', async () => {
    const wanted = world.wishes(names, 'address-lost');
    await settle(wanted);
    const account = join(wanted.certificates, 'accounts', new URL(wanted.directory).host, 'account.json');
    const before = await readFile(account, 'utf8');
    await writeFile(account, 'not JSON');

    const { done } = await settle(world.wishes([zoneName], 'address-lost'));

    expect(done.filter(isAccount)).toHaveLength(1);
    expect(await readFile(account, 'utf8')).toBe(before);
  });

  test('a certificate whose key is another one, or cut off, is replaced', async () => {
    const wanted = world.wishes(names, 'damaged');
    await settle(wanted);
    const area = createAcmeArea(portsFor(wanted));
    const key = join(wanted.certificates, zoneName, 'current', 'key.pem');
    const other = join(world.folder, 'two', 'accounts', new URL(wanted.directory).host, 'key.pem');
    await writeFile(key, await readFile(other, 'utf8'));
    const withOtherKey = await area.observe(wanted, signal);
    await writeFile(key, (await readFile(other, 'utf8')).slice(0, 60));
    const withHalfAKey = await area.observe(wanted, signal);

    const { facts } = await settle(wanted);

    expect(withOtherKey.certificate).toMatchObject({ valid: false, why: 'its key does not belong to it' });
    expect(withHalfAKey.certificate).toMatchObject({ valid: false, due: true });
    expect(facts[`certificate:${zoneName}`]).toBe(true);
  });
});

describe.skipIf('missing' in program)('an authority that starts anew', () => {
  test('has a new root and knows no account: a new certificate comes by itself', async () => {
    const world = await startWorld();
    try {
      const wanted = world.wishes();
      await settle(wanted);
      const before = await readCertificate(wanted, zoneName);
      await world.pebble.restart();

      const { planned, done, facts } = await settle(wanted);

      expect(planned).toEqual(['publish trusted roots', `issue certificate for ${zoneName}`]);
      expect(done.filter(isAccount)).toHaveLength(1);
      expect(facts[`certificate:${zoneName}`]).toBe(true);
      expect((await readCertificate(wanted, zoneName))?.serial).not.toBe(before?.serial);
      expect(await readFile(join(wanted.certificates, 'roots', 'trust.pem'), 'utf8')).toBe(
        await world.pebble.rootPem(),
      );
    } finally {
      await world.stop();
    }
  });

  test('refuses every second nonce, and five names are issued all the same', async () => {
    const world = await startWorld({ nonceRejectPercent: 50 });
    try {
      const wanted = world.wishes(['a', 'b', 'c', 'd', 'e'].map((label) => `${label}.${zoneName}`));

      const { facts } = await settle(wanted);

      expect(facts[`certificate:${zoneName}`]).toBe(true);
      expect(world.txtNames()).toEqual([]);
    } finally {
      await world.stop();
    }
  });

  test('re-uses authorizations, and no TXT record is made for them', async () => {
    const world = await startWorld({ authzReusePercent: 100 });
    try {
      await settle(world.wishes(names));

      const { done, facts } = await settle(world.wishes(names.slice(0, 1)));

      expect(done.filter((what) => what.startsWith('create TXT'))).toEqual([]);
      expect(facts[`certificate:${zoneName}`]).toBe(true);
    } finally {
      await world.stop();
    }
  });
});
