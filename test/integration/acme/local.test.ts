import { X509Certificate } from 'node:crypto';
import { mkdir, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createLocalArea, type LocalStep } from '../../../src/acme/local/area.ts';
import { signFor } from '../../../src/acme/local/authority.ts';
import { permittedDomains } from '../../../src/acme/local/constraints.ts';
import { renewPrivateNames } from '../../../src/acme/local/renewer.ts';
import { readRoot } from '../../../src/acme/local/root.ts';
import { readCertificate, saveCertificate } from '../../../src/acme/store.ts';
import type { Effects } from '../../../src/orchestrator/effects.ts';
import { ownSecrets } from '../../../src/settings/own-secrets.ts';
import type { Settings } from '../../../src/settings/settings.ts';
import { isStackError } from '../../../src/shared/errors.ts';
import { testSettings } from '../../support/settings.ts';
import { recordedEffects } from './world.ts';

const dayMs = 86_400_000;
let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'skylab-local-'));
  await mkdir(join(folder, 'skylab-lab', 'certificates'), { recursive: true });
});
afterEach(async () => rm(folder, { recursive: true, force: true }));

const settingsFor = (names: string): Settings => testSettings(folder, `private_names: { ${names} }`);
const newKey = (settings: Settings): string =>
  ownSecrets(settings)
    .find((one) => one.name === 'local-ca-key')
    ?.generate() ?? '';

/** What one run does: looks, and takes each planned step, until nothing is planned. Returns errors by code. */
const run = async (settings: Settings, key: string | undefined) => {
  const area = createLocalArea({ key: async () => Promise.resolve(key), who: 'a test' });
  const wanted = area.desired(settings);
  const effects = recordedEffects();
  const signal = AbortSignal.timeout(30_000);
  const planned: string[] = [];
  for (;;) {
    const world = await area.observe(wanted, signal);
    const facts = area.facts(wanted, world);
    const [step] = area.plan(wanted, world);
    if (step === undefined || planned.length > 5)
      return { planned, facts, done: effects.done, error: undefined };
    planned.push(step.id);
    const apply = area.apply[step.kind] as (one: LocalStep, to: Effects, stop: AbortSignal) => Promise<void>;
    try {
      await apply(step, effects, signal);
    } catch (error) {
      if (!isStackError(error)) throw error;
      return { planned, facts, done: effects.done, error };
    }
  }
};
const rootOf = async (settings: Settings) => readFile(settings.paths.localCaRoot, 'utf8');
const stored = async (settings: Settings) => readCertificate(settings.paths, 'local');

describe('the local CA', () => {
  test('is made once with one certificate for all private names; a second run does nothing', async () => {
    const settings = settingsFor('pocketid.skylab.local: identity, netbird.skylab.local: mesh');
    const key = newKey(settings);

    const first = await run(settings, key);
    const second = await run(settings, key);

    expect(first.planned).toEqual([
      'make the local CA',
      'issue certificate for netbird.skylab.local, pocketid.skylab.local',
    ]);
    expect(first.facts).toEqual({ 'certificate:local-ca': true, 'certificate:local': true });
    expect([second.planned, second.done]).toEqual([[], []]);
    const { notAfterMs = 0, notBeforeMs = 0, names } = (await stored(settings)) ?? {};
    expect(names).toEqual(['netbird.skylab.local', 'pocketid.skylab.local']);
    expect(notAfterMs - notBeforeMs).toBeLessThanOrEqual(398 * dayMs);
    const root = new X509Certificate(await rootOf(settings));
    expect(root.subject).toMatch(/CN=skylab-lab local CA [0-9a-f]{8}$/m);
    expect(readRoot(root.toString())).toMatchObject({ permitted: ['skylab.local'] });
  });

  test('has nothing to do, and no secret, where there are no private names', async () => {
    const settings = settingsFor('');

    expect(await run(settings, undefined)).toMatchObject({ planned: [], facts: {}, done: [] });
    expect(newKey(settings)).toBe('');
  });

  test('signs anew for names that come and go within its domain, and stays itself', async () => {
    const one = settingsFor('pocketid.skylab.local: identity');
    const key = newKey(one);
    await run(one, key);
    const root = await rootOf(one);

    const more = settingsFor('pocketid.skylab.local: identity, netbird.skylab.local: mesh');
    const { planned } = await run(more, key);
    const less = await run(one, key);

    expect(planned).toHaveLength(1);
    expect(less.planned).toHaveLength(1);
    expect((await stored(one))?.names).toEqual(['pocketid.skylab.local']);
    expect(await rootOf(one)).toBe(root);
  });

  test('is not replaced for a name outside its domain: the error says how to make a new one', async () => {
    const one = settingsFor('pocketid.skylab.local: identity');
    const key = newKey(one);
    await run(one, key);
    const root = await rootOf(one);
    const other = settingsFor('pocketid.skylab.local: identity, id.home.arpa: identity');

    const { planned, error, done, facts } = await run(other, key);

    expect([planned, done]).toEqual([['settle the local CA'], []]);
    expect(error).toMatchObject({ code: 'LOCAL_CA_UNFIT' });
    expect(error?.message).toContain('it may sign for skylab.local only, and not for id.home.arpa');
    expect(error?.hint).toContain(`mv ${one.paths.localCaRoot} `);
    expect(facts['certificate:local']).toMatchObject({ because: 'conflict' });
    expect(await rootOf(one)).toBe(root);

    await rename(one.paths.localCaRoot, `${one.paths.localCaRoot}.old`);
    const mended = await run(other, key);

    expect(mended.error).toBeUndefined();
    expect(mended.facts['certificate:local']).toBe(true);
    expect(new X509Certificate(await rootOf(one)).subject).not.toBe(new X509Certificate(root).subject);
  });

  test.each([
    ['is gone', undefined],
    ['is another one', 'other'],
  ])('says so where its key %s, and serves on with the certificate it made', async (_what, kind) => {
    const settings = settingsFor('pocketid.skylab.local: identity');
    await run(settings, newKey(settings));

    const { error, facts } = await run(settings, kind === undefined ? undefined : newKey(settings));

    expect(error).toMatchObject({
      code: 'LOCAL_CA_UNFIT',
      hint: expect.stringContaining('put the secret local-ca-key back from a backup') as unknown,
    });
    expect(facts['certificate:local']).toBe(true);
  });

  test('is not taken for one of ours where it is limited less than ours are', async () => {
    const settings = settingsFor('pocketid.skylab.local: identity');
    const key = newKey(settings);
    await run(settings, key);
    const own = (await rootOf(settings)).replaceAll(/-----[^-]+-----|\s/g, '');
    const der = Buffer.from(own, 'base64');
    const at = der.indexOf(Buffer.from([0x06, 0x03, 0x55, 0x1d, 0x1e, 0x01, 0x01, 0xff]));

    const edited = Buffer.from(der);
    // The last of the masks: no longer every IPv6 address is excluded.
    edited[der.indexOf(Buffer.alloc(32), at) + 31] = 1;

    expect(permittedDomains(der)).toEqual(['skylab.local']);
    expect(permittedDomains(edited)).toEqual([]);
  });
});

describe('the renewer', () => {
  const mounted = async (settings: Settings, key: string): Promise<string> => {
    const place = join(folder, 'mounted');
    await mkdir(place);
    const area = createLocalArea({ key: async () => Promise.resolve(key), who: 'a test' });
    for (const { path, content } of area.files(area.desired(settings))) {
      const text = content.map((part) => (typeof part === 'string' ? part : key)).join('');
      // What the container has mounted elsewhere is here.
      await writeFile(
        join(place, path),
        text.replaceAll('/etc/skylab-certificates', settings.paths.certificates),
      );
    }
    return place;
  };

  test('renews by the same code when a third of the lifetime is left, and not before', async () => {
    const settings = settingsFor('pocketid.skylab.local: identity');
    const key = newKey(settings);
    await run(settings, key);
    const place = await mounted(settings, key);
    const effects = recordedEffects();
    const { signal } = new AbortController();

    expect(await renewPrivateNames(place, effects, signal)).toEqual([]);

    const rootPem = await rootOf(settings);
    const old = await signFor(['pocketid.skylab.local'], { rootPem, keyPem: key }, Date.now() - 61 * dayMs);
    const meta = { directory: 'local-ca', names: [], serial: '', issued_at: '' };
    await saveCertificate(settings.paths.certificates, 'local', { pair: old, meta }, effects);

    expect(await renewPrivateNames(place, effects, signal)).toEqual(['pocketid.skylab.local']);
    expect((await stored(settings))?.notBeforeMs).toBeGreaterThan(Date.now() - 2 * dayMs);
    expect(await renewPrivateNames(place, effects, signal)).toEqual([]);
  });

  test('does nothing where there are no private names', async () => {
    expect(await renewPrivateNames(folder, recordedEffects(), new AbortController().signal)).toEqual([]);
  });

  test('never makes a CA', async () => {
    const settings = settingsFor('pocketid.skylab.local: identity');
    const place = await mounted(settings, newKey(settings));

    await expect(
      renewPrivateNames(place, recordedEffects(), new AbortController().signal),
    ).rejects.toMatchObject({
      code: 'LOCAL_CA_UNFIT',
      hint: expect.stringContaining('npm run up') as unknown,
    });
  });
});
