import { describe, expect, test } from 'vitest';
import { createOidcArea } from '../../../src/oidc/area.ts';
import { household, one, settled } from './support/household.ts';
import { adapterTo, lookOnce, never, setStage, settle } from './support/stage.ts';

describe('an empty Pocket ID', () => {
  test('gets the administrator, groups, people and clients in few steps, and then nothing', async () => {
    const stage = await setStage({ identity: household });

    expect(await settle(stage)).toEqual([
      'create group netbird-users',
      'create group family',
      'create user alice',
      'create user bob',
      'create client netbird',
      'create client photos',
    ]);
    expect(await settle(stage)).toEqual([]);
    expect((await lookOnce(stage)).facts).toEqual({
      'identity.api': true,
      'identity.owned': true,
      'identity.client': true,
      'identity.settings': true,
    });
  });

  test('holds what was wanted afterwards', async () => {
    const stage = await settled({ identity: household });
    const [people, relatives] = ['netbird-users', 'family'].map((name) => one(stage, 'group', 'name', name));

    expect(one(stage, 'user', 'username', 'alice')).toMatchObject({
      email: 'alice@lab.test',
      emailVerified: true,
      displayName: 'Alice Lab',
      isAdmin: true,
      groupIds: [people?.['id']],
    });
    expect(one(stage, 'user', 'username', 'bob')).toMatchObject({
      emailVerified: true,
      displayName: 'Bob',
      isAdmin: false,
      groupIds: [relatives?.['id']],
    });
    expect(relatives?.['friendlyName']).toBe('Family');
    expect(one(stage, 'client', 'id', 'netbird')).toMatchObject({
      name: 'Netbird',
      isPublic: true,
      pkceEnabled: true,
      skipConsent: true,
      isGroupRestricted: true,
      allowedGroupIds: [people?.['id']],
      callbackURLs: [
        'https://netbird.lab.test:18443/auth/callback',
        'https://netbird.lab.test:18443/auth/silent-callback',
        'http://localhost:53000',
        'http://localhost:54000',
      ],
      logoutCallbackURLs: ['https://netbird.lab.test:18443', 'https://netbird.lab.test:18443/'],
    });
    expect(one(stage, 'client', 'id', 'photos')).toMatchObject({
      name: 'Photos',
      isPublic: false,
      isGroupRestricted: true,
      allowedGroupIds: [relatives?.['id']],
    });
  });

  test('is planned whole before it can be seen, and every step waits for it', async () => {
    const { area, settings } = await setStage({ identity: household });
    const desired = area.desired(settings);
    const away = adapterTo(
      () => {
        throw Object.assign(new Error('refused'), { code: 'ECONNREFUSED' });
      },
      (await setStage()).secrets,
    );
    const unseen = createOidcArea({ pocketId: away, secrets: (await setStage()).secrets, adopt: false });

    const world = await unseen.observe(desired, never);
    const steps = unseen.plan(desired, world);

    expect(steps.map((step) => [step.id, step.needs.join(' ')])).toEqual([
      ['wait until Pocket ID answers', 'healthy:pocket-id healthy:postgres'],
      ...[
        'create group netbird-users',
        'create group family',
        'create user alice',
        'create user bob',
        'create client netbird',
        'create client photos',
      ].map((id) => [id, 'healthy:pocket-id healthy:postgres identity.api']),
    ]);
    expect(steps.every((step) => step.assumed === true)).toBe(true);
    expect(unseen.facts(desired, world)['identity.api']).toEqual({
      because: 'absent',
      text: 'Pocket ID does not answer at http://127.0.0.1:1411 (ECONNREFUSED)',
    });
  });

  test('is unreachable, not absent, where it answers and does not take our key', async () => {
    const { area, settings, secrets } = await setStage();
    const desired = area.desired(settings);
    const strict = adapterTo(() => Response.json({ code: 'not_signed_in' }, { status: 401 }), secrets);
    const refused = createOidcArea({ pocketId: strict, secrets, adopt: false });

    const facts = refused.facts(desired, await refused.observe(desired, never));

    expect(facts['identity.api']).toMatchObject({ because: 'unreachable' });
    expect(facts['identity.client']).toMatchObject({ because: 'absent' });
  });

  test('is not known before its key was made', async () => {
    const { area, settings, server } = await setStage();
    const desired = area.desired(settings);
    const secrets = { read: async () => undefined, save: async () => undefined, names: async () => [] };
    const keyless = createOidcArea({ pocketId: adapterTo(server.fetch, secrets), secrets, adopt: false });

    expect(keyless.facts(desired, await keyless.observe(desired, never))['identity.api']).toMatchObject({
      because: 'absent',
      text: 'the API key for Pocket ID has not been made yet',
    });
  });
});

test('every step waits for the database, too, which the same run may replace under a healthy Pocket ID', async () => {
  const { steps } = await lookOnce(await setStage({ identity: household }));

  expect(steps.length).toBeGreaterThan(0);
  expect(steps.filter((step) => !step.needs.includes('healthy:postgres'))).toEqual([]);
});

test('waits for a Pocket ID that does not take our key yet, and no longer than it may', async () => {
  const { area, settings, effects, secrets, server } = await setStage();
  let refusals = 2;
  const slow = adapterTo((request) => {
    refusals -= 1;
    return refusals < 0 ? server.fetch(request) : Response.json({ code: 'not_signed_in' }, { status: 401 });
  }, secrets);
  const waiting = createOidcArea({ pocketId: slow, secrets, adopt: false });
  const [step] = area.plan(area.desired(settings), {
    answers: false,
    why: { because: 'unreachable', text: 'Pocket ID does not take our key (401)' },
  });

  await waiting.apply.await(step as never, effects, never);
  expect(refusals).toBeLessThan(0);

  refusals = 1_000_000;
  const late = new Error('too late');
  const ending = new AbortController();
  setTimeout(() => ending.abort(late), 5);
  await expect(waiting.apply.await(step as never, effects, ending.signal)).rejects.toBe(late);
});

test('notices that Pocket ID dropped a group it was told to let in', async () => {
  const stage = await setStage();
  const pocketId = { ...stage.pocketId, setAllowedGroups: async () => undefined };
  const forgetful = createOidcArea({ pocketId, secrets: stage.secrets, adopt: false });

  await expect(settle({ ...stage, area: forgetful })).rejects.toMatchObject({
    code: 'IDENTITY_REFUSED',
    message:
      'Pocket ID took the client "netbird" otherwise than it was written: netbird-users may not sign in',
  });
});
