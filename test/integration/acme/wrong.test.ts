import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { AcmeDesired } from '../../../src/acme/policy.ts';
import { readOpenOrder } from '../../../src/acme/renewal/state.ts';
import { placeOf, readCertificate } from '../../../src/acme/store.ts';
import { zoneName } from '../../support/cloudflare.ts';
import { startLocalWorld, type LocalWorld } from './local-world.ts';

/*
 * An authority that answers, and not with what was asked for; and what an earlier run left there that is of no use now.
 */

const dayMs = 86_400_000;

describe('an authority that answers', () => {
  let world: LocalWorld;
  let stores = 0;
  beforeAll(async () => {
    world = await startLocalWorld();
  });
  afterAll(async () => {
    await world.stop();
  });
  afterEach(() => {
    Object.assign(world.authority, {
      nowMs: () => Date.now(),
      refusal: undefined,
      forgery: undefined,
      shows: undefined,
      unauthorized: undefined,
      processing: undefined,
      fault: undefined,
    });
    world.provider.faults.clear();
  });

  /** A store of its own with a certificate that is good, and due. */
  const storeOf = async (more: Partial<AcmeDesired> = {}) => {
    stores += 1;
    const wanted = world.wishes(`store-${stores}`, more);
    world.authority.nowMs = () => Date.now() - 70 * dayMs;
    expect(await world.order(wanted)).toMatchObject({ outcome: 'issued' });
    world.authority.nowMs = () => Date.now();
    world.authority.requests.length = 0;
    return wanted;
  };
  const orders = () => world.authority.requests.filter((one) => one === 'POST /newOrder').length;
  const version = async (wanted: AcmeDesired) => (await readCertificate(wanted, zoneName))?.version;

  test.each([
    [
      'for other names',
      { names: [`other.${zoneName}`] },
      /does not cover netbird\.skylab\.test/,
      /authority did not/,
    ],
    ['for another key', { otherKey: true }, /its key does not belong to it/, /authority did not/],
    ['that is over', { shiftMs: -100 * dayMs }, /it expired at/, /clock of this machine/],
    ['that has not begun', { shiftMs: 2 * dayMs }, /it begins at .* only/, /clock of this machine/],
  ])(
    'with a certificate %s: it is not stored, the old one stays, and the next order is a new one',
    async (_case, forgery, says, hints) => {
      const wanted = await storeOf();
      world.authority.forgery = forgery;

      const { error } = await world.order(wanted);
      const kept = await version(wanted);
      world.authority.forgery = undefined;
      const next = await world.order(wanted);

      expect(error).toMatchObject({
        code: 'CERTIFICATE_INVALID',
        message: expect.stringMatching(says) as unknown,
        hint: expect.stringMatching(hints) as unknown,
      });
      expect(kept).toBe('versions/1');
      expect(next.outcome).toBe('issued');
      expect(orders()).toBe(2);
      expect(world.txtNames()).toEqual([]);
    },
  );

  test('with more names than were wanted: nothing is told from what was not asked for', async () => {
    const wanted = await storeOf();
    world.authority.shows = (names) => [...names, `more.${zoneName}`];

    const { error } = await world.order(wanted);

    expect(error).toMatchObject({
      code: 'CA_REFUSED',
      message: expect.stringContaining(`it is for netbird.${zoneName}, more.${zoneName}`) as unknown,
    });
    expect(await version(wanted)).toBe('versions/1');
    expect(world.txtNames()).toEqual([]);
  });

  test('with the same names in another case: they are the same names', async () => {
    const wanted = await storeOf();
    world.authority.shows = (names) => names.map((name) => name.toUpperCase());

    expect(await world.order(wanted)).toMatchObject({ outcome: 'issued' });
  });

  test.each([
    [
      'that DNSSEC is broken',
      { type: 'dns', detail: 'DNSSEC: DNSKEY Missing' },
      /DS record at the registrar/,
    ],
    ['that CAA forbids it', { type: 'caa', detail: 'CAA record for skylab.test prevents it' }, /CAA records/],
  ])('%s: the error has its words, and the way out', async (_case, unauthorized, hints) => {
    const wanted = await storeOf();
    world.authority.unauthorized = unauthorized;

    const { error } = await world.order(wanted);

    expect(error).toMatchObject({
      code: 'CA_REFUSED',
      message: expect.stringContaining(unauthorized.detail) as unknown,
      hint: expect.stringMatching(hints) as unknown,
    });
    expect(await version(wanted)).toBe('versions/1');
    expect(world.txtNames()).toEqual([]);
  });

  test('that it wants an account made by hand: it is said', async () => {
    const wanted = await storeOf();
    world.authority.refusal = () => 'externalAccountRequired';

    expect((await world.order(wanted)).error).toMatchObject({
      code: 'CA_REFUSED',
      hint: expect.stringContaining('choose another certificates.directory') as unknown,
    });
  });

  test('and its body does not come to an end: the old certificate stays, and nothing is left', async () => {
    const wanted = await storeOf();
    world.authority.fault = ({ path }) => (path.startsWith('/challenge/') ? { kind: 'stall' } : undefined);

    const { error } = await world.order(wanted, false, undefined, true);

    expect(error).toMatchObject({ code: 'CA_UNREACHABLE' });
    expect(await version(wanted)).toBe('versions/1');
    expect(world.txtNames()).toEqual([]);
  });

  test('to a name of more than 64 characters, which no common name could hold', async () => {
    const long = `${'a'.repeat(60)}.${'b'.repeat(60)}.${zoneName}`;
    const wanted = await storeOf({ names: [long, `xn--mllr-0ra.${zoneName}`] });

    expect((await readCertificate(wanted, zoneName))?.names).toEqual([long, `xn--mllr-0ra.${zoneName}`]);
  });

  describe('about an order of an earlier run', () => {
    /** A store whose last run ended while the authority was still at work. */
    const brokenOff = async () => {
      const wanted = await storeOf();
      world.authority.fault = ({ path }) =>
        path.startsWith('/challenge/') ? { kind: 'problem', status: 503, type: 'serverInternal' } : undefined;
      expect((await world.order(wanted)).error).toMatchObject({ code: 'CA_UNREACHABLE' });
      world.authority.fault = undefined;
      expect(await readOpenOrder(placeOf(wanted))).toBeDefined();
      world.authority.requests.length = 0;
      return wanted;
    };

    test.each<[string, () => void]>([
      [
        'that it does not know it',
        () => {
          let asked = 0;
          world.authority.fault = ({ path }) => {
            if (!path.startsWith('/order/')) return undefined;
            asked += 1;
            return asked === 1 ? { kind: 'problem', status: 404, type: 'malformed' } : undefined;
          };
        },
      ],
      [
        'that it is over',
        () => {
          const last = world.authority.orders.at(-1);
          if (last !== undefined) last.status = 'invalid';
        },
      ],
      [
        'that its authorizations have expired, though it has not',
        () => {
          for (const one of world.authority.authorizations.values()) one.status = 'expired';
          const last = world.authority.orders.at(-1);
          if (last !== undefined) last.status = 'pending';
        },
      ],
    ])('%s: a new one is made in the same run', async (_case, happen) => {
      const wanted = await brokenOff();
      happen();

      const { outcome, error } = await world.order(wanted);

      expect({ outcome, error }).toEqual({ outcome: 'issued', error: undefined });
      expect(orders()).toBe(1);
      expect(await version(wanted)).toBe('versions/2');
      expect(world.txtNames()).toEqual([]);
    });
  });

  test('to an account whose key was lost here: another one is made', async () => {
    const wanted = await storeOf();
    const { host } = new URL(world.authority.directoryUrl);
    await rm(join(wanted.certificates, 'accounts', host, 'key.pem'));

    const { outcome, error } = await world.order(wanted);

    expect({ outcome, error }).toEqual({ outcome: 'issued', error: undefined });
    expect(world.authority.requests.filter((one) => one === 'POST /newAccount')).toHaveLength(1);
  });
});
