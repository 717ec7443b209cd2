import { describe, expect, test } from 'vitest';
import { byHand, family, household, one, settled, type Kept } from './support/household.ts';
import { lookOnce, setStage, settle } from './support/stage.ts';

describe('what is ours', () => {
  test('is repaired: a client that was opened to everyone and sent elsewhere', async () => {
    const stage = await settled();
    const client = await byHand(stage, 'GET', '/api/oidc/clients/netbird');
    await byHand(stage, 'PUT', '/api/oidc/clients/netbird', {
      ...client,
      name: 'Mesh',
      callbackURLs: ['https://evil.test/cb'],
      isGroupRestricted: false,
      skipConsent: false,
      launchURL: 'https://netbird.lab.test/',
      accessTokenDurationMinutes: 15,
    });

    const { facts, steps } = await lookOnce(stage);
    expect(facts['identity.client']).toMatchObject({ because: 'absent' });
    expect(steps.map((step) => step.id)).toEqual(['repair client netbird']);
    expect(steps[0]?.why).toContain('isGroupRestricted is false, wanted true');
    expect(await settle(stage)).toEqual(['repair client netbird']);

    const people = one(stage, 'group', 'name', 'netbird-users');
    expect(one(stage, 'client', 'id', 'netbird')).toMatchObject({
      name: 'Netbird',
      isGroupRestricted: true,
      skipConsent: true,
      allowedGroupIds: [people['id']],
      // Not ours to decide, so as the person left it.
      launchURL: 'https://netbird.lab.test/',
      accessTokenDurationMinutes: 15,
    });
  });

  test('is repaired with no more writes than it takes', async () => {
    const stage = await settled();
    const client = await byHand(stage, 'GET', '/api/oidc/clients/netbird');
    await byHand(stage, 'PUT', '/api/oidc/clients/netbird', { ...client, name: 'Mesh' });
    const before = stage.writes.length;

    await settle(stage);

    expect(stage.writes.slice(before)).toEqual(['PUT /api/oidc/clients/netbird']);
  });

  test('is repaired: another group that was let in', async () => {
    const stage = await settled({ identity: household });
    const groups = ['netbird-users', 'family'].map((name) => one(stage, 'group', 'name', name)['id']);
    await byHand(stage, 'PUT', '/api/oidc/clients/netbird/allowed-user-groups', { userGroupIds: groups });

    expect((await lookOnce(stage)).steps[0]?.why).toBe('family may sign in, and should not');
    expect(await settle(stage)).toEqual(['repair client netbird']);
    expect(one(stage, 'client', 'id', 'netbird')['allowedGroupIds']).toEqual([groups[0]]);
  });

  test('is repaired: an administrator who was demoted, renamed and taken out of the group', async () => {
    const stage = await settled();
    const user = one(stage, 'user', 'username', 'alice');
    const id = String(user['id']);
    await byHand(stage, 'PUT', `/api/users/${id}`, {
      ...user,
      isAdmin: false,
      username: 'alison',
      displayName: 'Queen of the lab',
      locale: 'de',
    });
    await byHand(stage, 'PUT', `/api/users/${id}/user-groups`, { userGroupIds: [] });

    expect((await lookOnce(stage)).facts['identity.owned']).toMatchObject({ because: 'absent' });
    expect(await settle(stage)).toEqual(['repair user alice', 'add alice to netbird-users']);
    expect(one(stage, 'user', 'id', id)).toMatchObject({
      username: 'alice',
      isAdmin: true,
      displayName: 'Queen of the lab',
      locale: 'de',
    });
  });

  test('is repaired: the title of a group', async () => {
    const stage = await settled({ identity: { groups: [family] } });
    const group = one(stage, 'group', 'name', 'family');
    await byHand(stage, 'PUT', `/api/user-groups/${String(group['id'])}`, {
      name: 'family',
      friendlyName: 'Them',
    });

    expect(await settle(stage)).toEqual(['repair group family']);
    expect(one(stage, 'group', 'name', 'family')['friendlyName']).toBe('Family');
  });

  test('is left alone where it differs by the case of an e-mail address or the order of a list', async () => {
    const stage = await settled();
    const user = one(stage, 'user', 'username', 'alice');
    await byHand(stage, 'PUT', `/api/users/${String(user['id'])}`, { ...user, email: 'Alice@Lab.test' });
    const client = await byHand(stage, 'GET', '/api/oidc/clients/netbird');
    const callbackURLs = (client['callbackURLs'] as string[]).toReversed();
    await byHand(stage, 'PUT', '/api/oidc/clients/netbird', { ...client, callbackURLs });

    expect(await settle(stage)).toEqual([]);
  });

  test('keeps members and rights that a person added', async () => {
    const stage = await settled({ identity: household });
    const carol = await byHand(stage, 'POST', '/api/users', {
      username: 'carol',
      email: 'carol@lab.test',
      firstName: 'Carol',
      displayName: 'Carol',
    });
    const [alice, people] = [
      one(stage, 'user', 'username', 'alice'),
      one(stage, 'group', 'name', 'netbird-users'),
    ];
    await byHand(stage, 'PUT', `/api/user-groups/${String(people['id'])}/users`, { userIds: [carol['id']] });
    const user = one(stage, 'user', 'username', 'bob');
    await byHand(stage, 'PUT', `/api/users/${String(user['id'])}`, {
      ...user,
      isAdmin: true,
      disabled: true,
    });

    expect(await settle(stage)).toEqual(['add alice to netbird-users']);
    for (const id of [alice['id'], carol['id']])
      expect(one(stage, 'user', 'id', String(id))['groupIds']).toEqual([people['id']]);
    expect(one(stage, 'user', 'username', 'bob')).toMatchObject({ isAdmin: true, disabled: true });
  });

  test('comes back with the same id where a person removed a user', async () => {
    const stage = await settled();
    const { id } = one(stage, 'user', 'username', 'alice');
    await byHand(stage, 'DELETE', `/api/users/${String(id)}`);

    expect(await settle(stage)).toEqual(['create user alice']);
    expect(one(stage, 'user', 'username', 'alice')['id']).toBe(id);
  });

  test('comes back where a person removed a group, with those who belong in it', async () => {
    const stage = await settled();
    const { id } = one(stage, 'group', 'name', 'netbird-users');
    await byHand(stage, 'DELETE', `/api/user-groups/${String(id)}`);

    expect(await settle(stage)).toEqual([
      'create group netbird-users',
      'add alice to netbird-users',
      'repair client netbird',
    ]);
  });

  test('is the client netbird by its id, also where a person made it', async () => {
    const stage = await setStage();
    await byHand(stage, 'POST', '/api/oidc/clients', { id: 'netbird', name: 'By hand', callbackURLs: [] });

    expect(await settle(stage)).toContain('repair client netbird');
    expect(one(stage, 'client', 'id', 'netbird')['name']).toBe('Netbird');
  });
});

describe('the secret of a confidential client', () => {
  test('is made once, kept, and never told', async () => {
    const stage = await settled({ identity: household });
    const secret = stage.secrets.kept.get('pocket-id-client-secret-photos') ?? '';

    expect(secret).toMatch(/^[0-9a-f]{48}$/);
    expect(one(stage, 'client', 'id', 'photos')['secrets']).toMatchObject([{ prefix: secret.slice(0, 4) }]);
    expect(stage.writes.join('\n')).not.toContain(secret);
    expect(JSON.stringify(await lookOnce(stage))).not.toContain(secret);
  });

  test('is added again where a person removed it, and others stay', async () => {
    const stage = await settled({ identity: household });
    const [ours] = one(stage, 'client', 'id', 'photos')['secrets'] as readonly Kept[];
    await byHand(stage, 'POST', '/api/oidc/clients/photos/secrets', { secret: 'made-by-a-person-0' });
    await byHand(stage, 'DELETE', `/api/oidc/clients/photos/secrets/${String(ours?.['id'])}`);

    expect(await settle(stage)).toEqual(['repair client photos']);
    expect(one(stage, 'client', 'id', 'photos')['secrets']).toMatchObject([
      { prefix: 'made' },
      { prefix: ours?.['prefix'] },
    ]);
  });
});
