import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { identifierOf } from '../../../sandbox/cloudflare/tokens.ts';
import { readJournal } from '../../../src/acme/renewal/records.ts';
import type { AcmeDesired } from '../../../src/acme/policy.ts';
import { zoneName } from '../../support/cloudflare.ts';
import { startLocalWorld, type LocalWorld } from './local-world.ts';
import { settle } from './world.ts';

/** A zone at the provider that the token no longer sees. */
const lostZone = 'given-away.test';
const lostName = `_acme-challenge.netbird.${lostZone}`;
const journalOf = (wanted: AcmeDesired) => join(wanted.certificates, 'txt-records.json');

describe('the list of TXT records of an ended run', () => {
  let world: LocalWorld;
  let stores = 0;
  beforeAll(async () => {
    world = await startLocalWorld();
  });
  afterEach(() => {
    world.provider.faults.clear();
    world.warned.length = 0;
  });
  afterAll(async () => {
    await world.stop();
  });

  /** A store of its own in which an ended run has left this. */
  const storeWith = async (journal: string, isIssued = false) => {
    stores += 1;
    const wanted = world.wishes(`store-${stores}`);
    if (isIssued) expect(await world.order(wanted)).toMatchObject({ outcome: 'issued' });
    await mkdir(wanted.certificates, { recursive: true });
    await writeFile(journalOf(wanted), journal);
    return wanted;
  };
  const made = { id: 'a'.repeat(32), zoneId: identifierOf(`zone ${lostZone}`) };
  const lost = (more: object = {}) =>
    JSON.stringify([{ domain: lostZone, name: lostName, value: 'v', ...more }]);

  describe.each([
    ['that was made in a zone which the token no longer sees', lost(made)],
    ['that may have been made in such a zone', lost()],
  ])('names one %s', (_case, journal) => {
    test('an order is made all the same; it is told once, with record and zone, and forgotten', async () => {
      const wanted = await storeWith(journal);

      const { outcome, error } = await world.order(wanted);
      await world.work(wanted);

      expect({ outcome, error }).toEqual({ outcome: 'issued', error: undefined });
      expect(world.warned).toEqual([
        `the TXT record ${lostName} in the zone ${lostZone} is left from an ended run, and the token cannot reach that zone`,
      ]);
      expect(await readJournal(wanted.certificates)).toEqual([]);
    });

    test('up sweeps and ends well, with a warning', async () => {
      const wanted = await storeWith(journal, true);

      const { planned, facts } = await settle(wanted);
      const again = await settle(wanted);

      expect(planned).toEqual(['publish trusted roots', 'sweep what an ended run left']);
      expect(facts).toMatchObject({
        [`certificate:${zoneName}`]: true,
        'challenge.records': {
          because: 'unreachable',
          text: expect.stringContaining(lostName) as unknown,
          hint: expect.stringContaining('by hand') as unknown,
        },
      });
      expect(again).toMatchObject({ planned: [] });
      expect(again.facts).not.toHaveProperty('challenge.records');
    });

    test('the renewer sweeps, and tells', async () => {
      const wanted = await storeWith(journal, true);

      await world.work(wanted);

      expect(world.warned).toHaveLength(1);
      expect(await readJournal(wanted.certificates)).toEqual([]);
    });
  });

  test('names one in our own zone that the token may not remove: that is an error, and it stays on the list', async () => {
    const zoneId = identifierOf(`zone ${zoneName}`);
    const name = `_acme-challenge.netbird.${zoneName}`;
    const wanted = await storeWith(JSON.stringify([{ ...made, zoneId, domain: zoneName, name, value: 'v' }]));
    world.provider.faults.set({
      http: [{ method: 'DELETE', answer: { kind: 'error', status: 403, code: 10_000, message: 'no' } }],
    });

    const { error } = await world.order(wanted);

    expect(error).toMatchObject({ code: 'DNS_API_DENIED' });
    expect(await readJournal(wanted.certificates)).toHaveLength(1);
    expect(world.warned).toEqual([]);
  });

  test('names one in another zone while the provider is away: that is an error, and it stays on the list', async () => {
    const wanted = await storeWith(lost(made));
    world.provider.faults.set({ http: [{ method: 'DELETE', answer: { kind: 'html', status: 502 } }] });

    const { error } = await world.order(wanted);

    expect(error).toMatchObject({ code: 'DNS_API_FAILED' });
    expect(await readJournal(wanted.certificates)).toHaveLength(1);
  });

  test.each([
    ['is no JSON', '[{"domain": "sky'],
    ['is of another form', '{"records": 7}'],
  ])(
    '%s: it counts as none, with one warning, and what carries our mark is removed',
    async (_case, journal) => {
      const wanted = await storeWith(journal, true);
      await world.marked(`_acme-challenge.netbird.${zoneName}`, `${wanted.mark} 2026-11-22T12:00:00Z`);

      const { planned, facts } = await settle(wanted);
      await world.work(wanted);

      expect(planned).toEqual(['publish trusted roots', 'sweep what an ended run left']);
      expect(facts['challenge.records']).toMatchObject({
        because: 'unreachable',
        text: expect.stringContaining(journalOf(wanted)) as unknown,
      });
      expect(world.txtNames()).toEqual([]);
      expect(world.warned).toEqual([]);
    },
  );
});
