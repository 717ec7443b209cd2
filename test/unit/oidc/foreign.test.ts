import { describe, expect, test } from 'vitest';
import { byHand, household, one } from './support/household.ts';
import { lookOnce, never, setStage, settle } from './support/stage.ts';

describe('what is not ours', () => {
  test('is not touched: users, groups and clients that the settings do not name', async () => {
    const stage = await setStage({ identity: household });
    await byHand(stage, 'POST', '/api/users', {
      username: 'carol',
      email: 'carol@lab.test',
      firstName: 'Carol',
      displayName: 'Carol',
    });
    await byHand(stage, 'POST', '/api/user-groups', { name: 'chess', friendlyName: 'Chess' });
    await byHand(stage, 'POST', '/api/oidc/clients', { id: 'wiki', name: 'Wiki', callbackURLs: [] });
    const others = () => [
      one(stage, 'user', 'username', 'carol'),
      one(stage, 'group', 'name', 'chess'),
      one(stage, 'client', 'id', 'wiki'),
    ];
    const before = others();

    await settle(stage);

    expect(others()).toEqual(before);
  });

  test('stops only its own step, and says who decides', async () => {
    const stage = await setStage({ identity: household });
    await byHand(stage, 'POST', '/api/user-groups', { name: 'family', friendlyName: 'Theirs' });
    await byHand(stage, 'POST', '/api/users', {
      username: 'Bob',
      email: 'b@lab.test',
      firstName: 'B',
      displayName: 'B',
    });
    await byHand(stage, 'POST', '/api/oidc/clients', { id: 'photos', name: 'Theirs', callbackURLs: [] });
    const before = [
      one(stage, 'group', 'name', 'family'),
      one(stage, 'user', 'username', 'Bob'),
      one(stage, 'client', 'id', 'photos'),
    ];

    expect(await settle(stage)).toEqual([
      'create group netbird-users',
      'create user alice',
      'create client netbird',
    ]);

    const { facts, steps } = await lookOnce(stage);
    expect(steps.map((step) => [step.id, step.why])).toEqual([
      ['adopt group family', 'there is a group "family" that this stack did not make'],
      ['adopt user bob', 'there is a user "Bob" whom this stack did not make'],
      ['adopt client photos', 'there is a client "photos" that this stack did not make'],
    ]);
    expect(steps.every((step) => step.needs.includes('identity.settings'))).toBe(true);
    expect(facts).toMatchObject({
      'identity.owned': true,
      'identity.client': true,
      'identity.settings': {
        because: 'conflict',
        text: 'there is a group "family" that this stack did not make',
      },
    });
    expect([
      one(stage, 'group', 'name', 'family'),
      one(stage, 'user', 'username', 'Bob'),
      one(stage, 'client', 'id', 'photos'),
    ]).toEqual(before);
  });

  test('is taken over where the operator says so, and then repaired', async () => {
    const stage = await setStage({ identity: household, adopt: true });
    await byHand(stage, 'POST', '/api/user-groups', { name: 'family', friendlyName: 'Theirs' });
    const { id } = await byHand(stage, 'POST', '/api/users', {
      username: 'bob',
      email: 'b@lab.test',
      firstName: 'B',
      displayName: 'B',
    });
    await byHand(stage, 'POST', '/api/oidc/clients', { id: 'photos', name: 'Theirs', callbackURLs: [] });

    const ran = await settle(stage);

    expect(ran).toEqual(
      expect.arrayContaining(['adopt group family', 'adopt user bob', 'adopt client photos']),
    );
    expect(one(stage, 'user', 'id', String(id))).toMatchObject({ username: 'bob', email: 'bob@lab.test' });
    expect((await lookOnce(stage)).facts['identity.settings']).toBe(true);
  });

  test('keeps the mesh waiting where it has the name of the group', async () => {
    const stage = await setStage();
    await byHand(stage, 'POST', '/api/user-groups', { name: 'netbird-users', friendlyName: 'Theirs' });

    await settle(stage);

    const { facts } = await lookOnce(stage);
    expect(facts['identity.owned']).toBe(true);
    expect(facts['identity.client']).toMatchObject({ because: 'conflict' });
    expect(one(stage, 'client', 'id', 'netbird')).toMatchObject({
      isGroupRestricted: true,
      allowedGroupIds: [],
    });
  });

  test('keeps the mesh waiting where it has the name of the administrator', async () => {
    const stage = await setStage();
    await byHand(stage, 'POST', '/api/users', {
      username: 'alice',
      email: 'a@elsewhere.test',
      firstName: 'A',
      displayName: 'A',
    });

    await settle(stage);

    const { facts } = await lookOnce(stage);
    expect(facts['identity.owned']).toMatchObject({ because: 'conflict' });
    expect(facts['identity.client']).toMatchObject({ because: 'conflict' });
    expect(one(stage, 'user', 'username', 'alice')).toMatchObject({ isAdmin: false, groupIds: [] });
  });

  test('keeps its place in a client that was set up by hand with that very group', async () => {
    const stage = await setStage();
    const group = await byHand(stage, 'POST', '/api/user-groups', {
      name: 'netbird-users',
      friendlyName: 'Theirs',
    });
    await byHand(stage, 'POST', '/api/oidc/clients', {
      id: 'netbird',
      name: 'Netbird',
      isGroupRestricted: true,
    });
    await byHand(stage, 'PUT', '/api/oidc/clients/netbird/allowed-user-groups', {
      userGroupIds: [group['id']],
    });

    await settle(stage);

    expect(one(stage, 'client', 'id', 'netbird')['allowedGroupIds']).toEqual([group['id']]);
  });

  test('is not taken over for an e-mail address alone', async () => {
    const stage = await setStage({ identity: household, adopt: true });
    await byHand(stage, 'POST', '/api/users', {
      username: 'robert',
      email: 'BOB@lab.test',
      firstName: 'R',
      displayName: 'R',
    });

    const ran = await settle(stage);

    expect(ran).not.toContain('adopt user bob');
    expect((await lookOnce(stage)).facts['identity.settings']).toMatchObject({
      because: 'conflict',
      text: 'the user "robert" has the e-mail address that the settings give to "bob"',
    });
  });

  test('is a conflict, also where it appears between plan and step', async () => {
    const stage = await setStage({ identity: household });
    const { steps } = await lookOnce(stage);
    await byHand(stage, 'POST', '/api/user-groups', { name: 'netbird-users', friendlyName: 'Theirs' });
    await byHand(stage, 'POST', '/api/users', {
      username: 'alice',
      email: 'a@lab.test',
      firstName: 'A',
      displayName: 'A',
    });
    await byHand(stage, 'POST', '/api/oidc/clients', { id: 'photos', name: 'Theirs', callbackURLs: [] });

    for (const id of ['create group netbird-users', 'create user alice', 'create client photos']) {
      const step = steps.find((each) => each.id === id);
      const run = stage.area.apply[step?.kind ?? 'group'](step as never, stage.effects, never);
      await expect(run).rejects.toMatchObject({ code: 'IDENTITY_CONFLICT' });
    }
    expect(stage.writes).toEqual([]);
  });
});
