import { cp, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { createAcmeArea } from '../../../src/acme/area.ts';
import type { AcmeDesired } from '../../../src/acme/policy.ts';
import { lookAtStore } from '../../../src/acme/renewal/look.ts';
import { placeOf, readCertificate, readStored } from '../../../src/acme/store.ts';
import { readAdvice, readAttempts } from '../../../src/acme/renewal/state.ts';
import { zoneName } from '../../support/cloudflare.ts';
import { portsFor } from './ports.ts';
import { startLocalWorld, type LocalWorld } from './local-world.ts';
import { until } from './world.ts';

const minuteMs = 60_000;
const hourMs = 60 * minuteMs;
const dayMs = 24 * hourMs;

describe('an authority that says more than yes', () => {
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
      lifetimeMs: 90 * dayMs,
      profiles: undefined,
      renewalInfo: undefined,
      refusal: undefined,
      forgery: undefined,
      shows: undefined,
      unauthorized: undefined,
      validating: undefined,
      processing: undefined,
      fault: undefined,
    });
    world.provider.faults.clear();
    world.authority.requests.length = 0;
  });

  /** A store of its own with a certificate of that age. */
  const storeOf = async (ageDays: number, more: Partial<AcmeDesired> = {}) => {
    stores += 1;
    const wanted = world.wishes(`store-${stores}`, more);
    world.authority.nowMs = () => Date.now() - ageDays * dayMs;
    expect(await world.order(wanted)).toMatchObject({ outcome: 'issued' });
    world.authority.nowMs = () => Date.now();
    world.authority.requests.length = 0;
    return wanted;
  };
  const orders = () => world.authority.requests.filter((one) => one === 'POST /newOrder').length;
  const polls = () => world.authority.requests.filter((one) => one.startsWith('GET /renewalInfo/')).length;
  const version = async (wanted: AcmeDesired) => (await readCertificate(wanted, zoneName))?.version;
  const look = async (wanted: AcmeDesired) => lookAtStore(wanted, [world.authority.rootPem]);
  const windowAt = (fromMs: number, toMs: number, explanationURL?: string) => ({
    status: 200,
    body: {
      suggestedWindow: { start: new Date(fromMs).toISOString(), end: new Date(toMs).toISOString() },
      ...(explanationURL === undefined ? {} : { explanationURL }),
    },
  });

  describe('about the moment of the renewal', () => {
    test('is asked by itself, once for a pause, and its moment outlives a restart', async () => {
      const wanted = await storeOf(1);
      const [from, to] = [Date.now() + 20 * dayMs, Date.now() + 22 * dayMs];
      world.authority.renewalInfo = () => ({ ...windowAt(from, to), retryAfter: '21600' });

      await world.work(wanted);
      const first = await readAdvice(placeOf(wanted));
      await world.work(wanted);

      expect(polls()).toBe(1);
      expect(first?.renewAtMs).toBeGreaterThanOrEqual(from - 1);
      expect(first?.renewAtMs).toBeLessThanOrEqual(to);
      expect(Math.abs((first?.askAtMs ?? 0) - Date.now() - 6 * hourMs)).toBeLessThan(minuteMs);
      expect((await look(wanted)).judgement).toMatchObject({ due: false, renewAtMs: first?.renewAtMs });
    });

    test('wants it at once, after a revocation: it is renewed, with the reason, as the follower of the old one', async () => {
      const wanted = await storeOf(2);
      const why = 'https://ca.example.net/incident';
      world.authority.renewalInfo = () => windowAt(Date.now() - 2 * dayMs, Date.now() - dayMs, why);

      await world.work(wanted);
      const { judgement } = await look(wanted);
      await world.work(wanted);

      expect(judgement).toMatchObject({ valid: true, due: true });
      expect(judgement.why).toContain(`as its authority suggests (${why})`);
      expect(await version(wanted)).toBe('versions/2');
      expect(world.authority.orders.at(-1)?.replaces).toMatch(/^[\w-]+\.[\w-]+$/);
      expect((await look(wanted)).judgement.due).toBe(false);
    });

    test.each([
      ['no such resource', undefined],
      ['nothing about it', () => ({ status: 404, body: {} })],
      ['something else', () => ({ status: 200, body: { suggestedWindow: 'soon' } })],
      ['no JSON at all', () => ({ status: 200, body: '{"suggestedWindow":' })],
      ['an end before the start', () => windowAt(Date.now(), Date.now() - dayMs)],
      ['HTTP 500', () => ({ status: 500, body: 'oops' })],
    ])('has %s: the age decides', async (_case, info) => {
      const wanted = await storeOf(1);
      world.authority.renewalInfo = info;

      await world.work(wanted);

      const { judgement, facts } = await look(wanted);
      expect(judgement).toMatchObject({ due: false, renewAtMs: (facts?.notAfterMs ?? 0) - 30 * dayMs });
      expect((await readAdvice(placeOf(wanted)))?.askAtMs).toBeGreaterThan(Date.now() + 50 * minuteMs);
    });

    test('is not asked about a certificate that is over', async () => {
      world.authority.lifetimeMs = 20_000;
      const wanted = await storeOf(0);
      world.authority.lifetimeMs = 90 * dayMs;
      world.authority.renewalInfo = () => windowAt(0, 1);
      await until('it is over', async () => (await look(wanted)).judgement.why.startsWith('it expired'));

      await world.work(wanted);

      expect(polls()).toBe(0);
      expect(await version(wanted)).toBe('versions/2');
    });
  });

  test.each(['alreadyReplaced', 'conflict', 'malformed', 'unauthorized', 'serverInternal'])(
    'refuses a follower as %s: the order is made once more without it',
    async (type) => {
      const wanted = await storeOf(70);
      world.authority.refusal = ({ replaces }) => (replaces === undefined ? undefined : type);

      const { outcome } = await world.order(wanted);

      expect(outcome).toBe('issued');
      expect(orders()).toBe(2);
    },
  );

  test('no longer has the profile: the certificate comes without it, and that is written down', async () => {
    world.authority.profiles = ['classic', 'tlsserver'];
    const wanted = await storeOf(70, { profile: 'tlsserver' });
    expect(world.authority.orders.at(-1)?.profile).toBe('tlsserver');
    world.authority.profiles = ['classic'];

    await world.order(wanted);

    expect(world.authority.orders.at(-1)?.profile).toBeUndefined();
    expect(await readStored(wanted.certificates, zoneName)).toMatchObject({
      meta: { without_profile: 'tlsserver' },
    });
    expect(orders()).toBe(1);
  });

  test('lists a profile and refuses it all the same: the certificate comes without it', async () => {
    world.authority.profiles = ['tlsserver'];
    world.authority.refusal = ({ profile }) => (profile === undefined ? undefined : 'invalidProfile');
    stores += 1;
    const wanted = world.wishes(`store-${stores}`, { profile: 'tlsserver' });

    expect(await world.order(wanted)).toMatchObject({ outcome: 'issued' });
  });

  test('has forgotten the account: it is made again, once', async () => {
    const wanted = await storeOf(70);
    world.authority.accounts.clear();

    expect(await world.order(wanted)).toMatchObject({ outcome: 'issued' });

    expect(world.authority.requests.filter((one) => one === 'POST /newAccount')).toHaveLength(1);
  });

  test.each(['authz', 'order'] as const)(
    'asks to be left alone for some seconds before the next look at an %s: it is',
    async (kind) => {
      const wanted = await storeOf(70);
      const pauseS = 3;
      const looks = { looks: 1, retryAfter: String(pauseS) };
      if (kind === 'authz') world.authority.validating = looks;
      else world.authority.processing = looks;
      const seen: { atMs: number; left: number }[] = [];
      world.authority.fault = ({ path }) => {
        if (path.startsWith(`/${kind}/`)) seen.push({ atMs: performance.now(), left: looks.looks });
        return undefined;
      };

      expect(await world.order(wanted)).toMatchObject({ outcome: 'issued' });

      const told = seen.findLast(({ left }) => left === 1);
      const next = seen.find(({ left }) => left === 0);
      expect((next?.atMs ?? 0) - (told?.atMs ?? Infinity)).toBeGreaterThanOrEqual(pauseS * 1000 - 50);
    },
  );

  test('takes its time: the run ends and says until when, and a later one finishes the same order', async () => {
    const wanted = await storeOf(70);
    world.authority.processing = { looks: 1, retryAfter: '7200' };

    const first = await world.order(wanted);
    const attempts = await readAttempts(placeOf(wanted));
    const second = await world.order(wanted);

    expect(first.error).toMatchObject({ code: 'CA_LIMITED', retryAfterMs: 7_200_000 });
    expect(Math.abs((attempts?.untilMs ?? 0) - Date.now() - 2 * hourMs)).toBeLessThan(10 * minuteMs);
    expect(second.outcome).toBe('issued');
    expect(orders()).toBe(1);
    expect(await readAttempts(placeOf(wanted))).toBeUndefined();
  });

  test('is not ready yet where it said so: it is asked again', async () => {
    const wanted = await storeOf(70);
    let refused = 0;
    world.authority.fault = ({ path }) => {
      if (!path.startsWith('/finalize/') || refused > 1) return undefined;
      refused += 1;
      return { kind: 'problem', status: 403, type: 'orderNotReady' };
    };

    expect(await world.order(wanted)).toMatchObject({ outcome: 'issued' });
    expect(refused).toBe(2);
  });

  test('limits for 34 hours: up makes no step and says until when; an order by hand is made', async () => {
    const wanted = await storeOf(70);
    world.authority.fault = ({ path }) =>
      path === '/newOrder'
        ? { kind: 'problem', status: 429, type: 'rateLimited', retryAfter: String(34 * 3600) }
        : undefined;
    const earliestMs = Date.now() + 34 * hourMs;
    await world.order(wanted);
    const latestMs = Date.now() + 34 * hourMs;
    world.authority.fault = undefined;
    const area = createAcmeArea(portsFor(wanted));

    const seen = await area.observe(wanted, new AbortController().signal);

    // Two days where midnight lies in between.
    const days = [earliestMs, latestMs].map((ms) => new Date(ms).toISOString().slice(0, 10)).join('|');
    expect(area.plan(wanted, seen).map((step) => step.kind)).not.toContain('issue');
    expect(area.facts(wanted, seen)).toMatchObject({
      [`certificate:${zoneName}`]: true,
      'ca.api': {
        because: 'unreachable',
        text: expect.stringMatching(`the next is made at (${days})`) as unknown,
        hint: expect.stringContaining('renew -- --now') as unknown,
      },
    });
    await world.work(wanted);
    expect(orders()).toBe(1);
    expect(await world.order(wanted, true)).toMatchObject({ outcome: 'issued' });
  });

  test('refuses: failures are counted over restarts, and other wishes begin anew', async () => {
    const wanted = await storeOf(70);
    world.authority.refusal = () => 'caa';
    await world.order(wanted);
    await world.order(wanted);
    const again = await readAttempts(placeOf(wanted));
    await world.order({ ...wanted, names: [`pocketid.${zoneName}`] });

    expect(again).toMatchObject({ failures: 2, code: 'CA_REFUSED' });
    expect((again?.untilMs ?? 0) - (again?.lastMs ?? 0)).toBeGreaterThanOrEqual(10 * minuteMs);
    expect((await readAttempts(placeOf(wanted)))?.failures).toBe(1);
    expect(await version(wanted)).toBe('versions/1');
  });

  test('does not answer in time: the old certificate stays, and its records are removed', async () => {
    const wanted = await storeOf(70);
    world.authority.fault = ({ path }) => (path.startsWith('/challenge/') ? { kind: 'hang' } : undefined);

    const { error } = await world.order(wanted);

    expect(error).toMatchObject({ code: 'CA_UNREACHABLE' });
    expect(await version(wanted)).toBe('versions/1');
    expect(world.txtNames()).toEqual([]);
  });

  test('an unfinished order whose key was stored already is not stored twice', async () => {
    const wanted = await storeOf(70);
    const copy = `${wanted.certificates}-copy`;
    world.authority.processing = { looks: 1, retryAfter: '7200' };
    await world.order(wanted);
    const order = join(wanted.certificates, zoneName, 'order.json');
    await cp(order, `${copy}.json`);
    await world.order(wanted);
    const { serial } = (await readCertificate(wanted, zoneName)) ?? {};
    await cp(`${copy}.json`, order);
    world.authority.requests.length = 0;

    const { outcome } = await world.order(wanted, true);

    expect(outcome).toBe('issued');
    expect((await readCertificate(wanted, zoneName))?.serial).not.toBe(serial);
    expect(orders()).toBe(1);
    await expect(readFile(order)).rejects.toThrow('ENOENT');
  });

  test('records of another maker at the same name stay, whatever happens to ours', async () => {
    const wanted = await storeOf(70);
    const name = `_acme-challenge.netbird.${zoneName}`;
    await world.foreign(zoneName, { type: 'TXT', name, content: '"of another client"' });

    await world.order(wanted);
    await world.order(wanted, true);

    expect(world.txtNames()).toEqual([name]);
  });
});
