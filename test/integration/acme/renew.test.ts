import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { createAcmeArea, readSurroundings } from '../../../src/acme/area.ts';
import { obtain } from '../../../src/acme/issue.ts';
import type { AcmeDesired } from '../../../src/acme/policy.ts';
import { readRenewerFiles, renewLoop } from '../../../src/acme/renew.ts';
import { renewOnce, workOnce } from '../../../src/acme/renewal/round.ts';
import { forRenewer } from '../../../src/acme/render.ts';
import { readAdvice } from '../../../src/acme/renewal/state.ts';
import { placeOf, readCertificate } from '../../../src/acme/store.ts';
import { zoneName } from '../../support/cloudflare.ts';
import { findPebble, type PebbleOptions } from '../../support/pebble.ts';
import { portsFor } from './ports.ts';
import { names, recordedEffects, settle, startWorld, until, type TestWorld } from './world.ts';

const program = await findPebble();
/** Nothing here is left in a zone that is out of reach. */
const warn = (text: string) => {
  throw new Error(text);
};

describe.skipIf('missing' in program)('the renewer', () => {
  let world: TestWorld | undefined;
  const stop = { now: async (): Promise<void> => Promise.resolve() };
  afterEach(async () => {
    await stop.now();
    await world?.stop();
    world = undefined;
  });

  /** Lets it run with rounds of 100 ms; `wishes` may be changed while it does. */
  const renewing = async (options: Partial<PebbleOptions> = {}) => {
    world = await startWorld(options);
    const here = world;
    const abort = new AbortController();
    const effects = recordedEffects();
    const state = { desired: here.wishes(), said: [] as string[] };
    const heartbeat = join(here.folder, 'heartbeat');
    const loop = renewLoop({
      load: async () => Promise.resolve({ desired: state.desired, ports: portsFor(state.desired) }),
      work: async (signal) =>
        workOnce({ desired: state.desired, ports: portsFor(state.desired), warn }, effects, signal),
      effects,
      heartbeat,
      say: (level, text) => state.said.push(`${level}: ${text}`),
      signal: abort.signal,
      roundMs: 100,
    });
    stop.now = async () => {
      abort.abort();
      await loop;
    };
    const orders = () => effects.done.filter((what) => what.startsWith('POST newOrder')).length;
    const stored = async () => readCertificate(state.desired, zoneName);
    const pulse = async () => JSON.parse(await readFile(heartbeat, 'utf8')) as Record<string, string>;
    return { here, state, orders, stored, pulse };
  };

  test('issues where there is nothing, says until when it is good, and then leaves it alone', async () => {
    const { orders, stored, pulse, state } = await renewing();
    await until('a certificate', async () => (await stored()) !== undefined);
    await until('a good state', async () => (await pulse())['state'] === 'good');
    const { at = '' } = await pulse();
    await until(
      'ten more rounds',
      async () => Date.parse((await pulse())['at'] ?? '') > Date.parse(at) + 1000,
    );

    expect(orders()).toBe(1);
    expect(Date.parse((await pulse())['renew_at'] ?? '')).toBeGreaterThan(Date.now() + 50 * 86_400_000);
    expect(state.said).toEqual([
      `note: new certificate for ${names.join(', ')}`,
      expect.stringMatching(/^note: good until /),
    ]);
  });

  test('renews by itself when half of a short lifetime is over', async () => {
    const { stored } = await renewing({ certificateValidityPeriod: 20 });
    await until(
      'a second certificate',
      async () => ((await stored())?.version ?? 'versions/1') !== 'versions/1',
    );

    const { notBeforeMs = 0, notAfterMs = 0 } = (await stored()) ?? {};
    expect(Date.now()).toBeLessThan(notAfterMs);
    expect(notAfterMs - notBeforeMs).toBeLessThan(25_000);
  });

  test('notices that the authority began anew, and writes down its new root for others', async () => {
    const { here, stored, state, pulse } = await renewing();
    await until(
      'a good state',
      async () => (await stored()) !== undefined && (await pulse())['state'] === 'good',
    );
    await here.pebble.restart();
    await until('another certificate', async () => (await stored())?.version !== 'versions/1');

    const root = await here.pebble.rootPem();
    expect(await readFile(join(state.desired.certificates, 'roots', 'trust.pem'), 'utf8')).toBe(root);
    expect((await settle(state.desired)).planned).toEqual([]);
  });

  test('leaves a refusal alone for a minute, but tries new settings at once', async () => {
    const { here, state, orders, stored, pulse } = await renewing({
      domainBlocklist: [`blocked.${zoneName}`],
    });
    state.desired = here.wishes([`blocked.${zoneName}`], 'refused');
    await until('a refusal', async () => state.said.some((line) => line.includes('rejectedIdentifier')));
    const after = orders();
    const { at = '' } = await pulse();
    await until(
      'ten more rounds',
      async () => Date.parse((await pulse())['at'] ?? '') > Date.parse(at) + 1000,
    );

    expect(orders()).toBe(after);
    expect(state.said.filter((line) => line.includes('rejectedIdentifier'))).toHaveLength(1);

    state.desired = here.wishes(names, 'mended');
    await until('a certificate', async () => (await stored()) !== undefined);
  });

  test('says once that the authority is away, in however many ways that shows', async () => {
    const { here, state, stored, pulse } = await renewing();
    await until(
      'a good state',
      async () => (await stored()) !== undefined && (await pulse())['state'] === 'good',
    );
    await here.pebble.stop();
    const shows = async (errno: string) =>
      until(errno, async () => String((await pulse())['why']).includes(errno));
    await shows('ECONNREFUSED');
    const resetting = createServer((socket) => void socket.resetAndDestroy());
    resetting.listen(Number(new URL(here.pebble.managementUrl).port), '127.0.0.1');
    await shows('ECONNRESET');
    resetting.close();
    await shows('ECONNREFUSED');

    expect(await pulse()).toMatchObject({ state: 'failing', error: 'CA_UNREACHABLE' });
    expect(state.said).toEqual([
      `note: new certificate for ${names.join(', ')}`,
      expect.stringMatching(/^note: good until /),
      expect.stringContaining('cannot reach the certificate authority'),
    ]);
  });

  test('asks Pebble when to renew, and tells it what a new certificate comes after; a second follower is made without', async () => {
    world = await startWorld();
    const wanted = world.wishes();
    await settle(wanted);
    const renewer = { desired: wanted, ports: portsFor(wanted), warn };
    const { signal } = new AbortController();
    await workOnce(renewer, recordedEffects(), signal);
    const advice = await readAdvice(placeOf(wanted));
    const { notBeforeMs = 0, notAfterMs = 0, serial } = (await readCertificate(wanted, zoneName)) ?? {};

    expect(advice).toMatchObject({ serial });
    expect(advice?.renewAtMs).toBeGreaterThan(notBeforeMs);
    expect(advice?.renewAtMs).toBeLessThan(notAfterMs);

    const first = join(world.folder, 'before');
    await cp(wanted.certificates, first, { recursive: true, verbatimSymlinks: true });
    const follower = recordedEffects();
    await renewOnce(renewer, follower, signal);
    const again = recordedEffects();
    const twin = { ...wanted, certificates: first };
    await renewOnce({ desired: twin, ports: portsFor(twin), warn }, again, signal);

    const orders = ({ done }: { done: readonly string[] }) =>
      done.filter((what) => what.startsWith('POST newOrder')).length;
    expect([orders(follower), orders(again)]).toEqual([1, 2]);
  });

  test('orders now when it is told to, due or not', async () => {
    world = await startWorld();
    const wanted = world.wishes();
    await settle(wanted);
    const before = await readCertificate(wanted, zoneName);

    const ports = portsFor(wanted);
    const { signal } = new AbortController();
    const effects = recordedEffects();
    const around = await readSurroundings(wanted, ports, signal);

    const unforced = await obtain({ desired: wanted, ports, effects, warn }, around, false, signal);
    const outcome = await renewOnce({ desired: wanted, ports, warn }, effects, signal);

    expect(unforced).toBe('present');
    expect(outcome).toBe('issued');
    const after = await readCertificate(wanted, zoneName);
    expect(after?.version).toBe('versions/2');
    expect(after?.serial).not.toBe(before?.serial);
  });
});

describe('what the renewer reads', () => {
  const wanted: AcmeDesired = {
    domain: 'example.org',
    names: ['netbird.example.org', 'pocketid.example.org'],
    directory: 'https://acme.example.net/directory',
    directoryCa: { file: '/home/skylab/ca.pem' },
    trust: 'system',
    certificates: '/var/lib/skylab-home/certificates',
    mark: 'skylab-home acme',
    cloudflare: { api: 'https://api.cloudflare.com/client/v4' },
    dns: { resolvers: [], authoritative: [], ttl_seconds: 300 },
  };

  test('is what the area renders, with the token beside it', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'skylab-renewer-'));
    try {
      await mkdir(folder, { recursive: true });
      const area = createAcmeArea({
        http: () => {
          throw new Error('rendering reaches nothing');
        },
        txt: portsFor(wanted).txt,
        who: 'a test',
      });
      for (const { path, content } of area.files(wanted)) {
        const text = content.map((part) => (typeof part === 'string' ? part : 'the-token\n')).join('');
        await writeFile(join(folder, path), text);
      }

      const { desired, token } = await readRenewerFiles(folder);

      expect(desired).toEqual(forRenewer(wanted));
      expect(desired).toMatchObject({
        certificates: '/etc/skylab-certificates',
        directoryCa: { file: '/etc/skylab-certificates/roots/directory-ca.pem' },
      });
      expect(await token()).toBe('the-token');
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });

  test('is missing or broken: the error says who writes it', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'skylab-renewer-'));
    try {
      await expect(readRenewerFiles(folder)).rejects.toMatchObject({ code: 'SETTINGS_MISSING' });
      await writeFile(join(folder, 'settings.json'), '{"domain": 1}');
      await expect(readRenewerFiles(folder)).rejects.toMatchObject({
        code: 'SETTINGS_INVALID',
        hint: expect.stringContaining('npm run up') as unknown,
      });
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });
});
