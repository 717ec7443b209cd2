import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { skipWithoutPostgres, startPostgres, type TestPostgres } from '../../support/postgres.ts';
import {
  type Api,
  beginFlow,
  createApi,
  createClient,
  createPerson,
  logIn,
  signIn,
} from '../support/pocket-id-api.ts';
import { type RunningStandIn, startStandIn } from '../support/pocket-id-stand-in.ts';

describe.skipIf(skipWithoutPostgres())('people, groups and clients of the stand-in', () => {
  let postgres: TestPostgres;
  let standIn: RunningStandIn;
  let api: Api;

  beforeAll(async () => {
    postgres = await startPostgres();
    standIn = await startStandIn(postgres.url, { DISABLE_RATE_LIMITING: 'true' });
    api = createApi(standIn.base);
  });

  afterAll(async () => {
    await standIn.pocketId.close();
    await postgres.stop();
  });

  test('the set-up page makes the first administrator, signed in, and then closes', async () => {
    const fresh = await startStandIn(await postgres.createDatabase());
    const call = createApi(fresh.base);
    const json = { username: 'first', email: 'first@lab.test', firstName: 'First' };
    const made = await call('POST', '/api/signup/setup', { key: '', json });
    expect(made.status).toBe(200);
    expect(made.body).toMatchObject({ username: 'first', isAdmin: true, emailVerified: false });
    expect(made.headers.get('set-cookie')).toContain('__Host-access_token=');
    expect((await call('POST', '/api/signup/setup', { key: '', json })).status).toBe(409);
    expect((await call('GET', '/api/signup/setup')).status).toBe(404);
    await fresh.pocketId.close();
  });

  test('of ten who reach the set-up page at once, one becomes the administrator', async () => {
    const fresh = await startStandIn(await postgres.createDatabase());
    const call = createApi(fresh.base);
    // With its database connections open already, the ten really run side by side.
    await Promise.all(Array.from({ length: 10 }, () => call('GET', '/api/signup/setup')));
    const attempts = Array.from({ length: 10 }, (_, index) =>
      call('POST', '/api/signup/setup', {
        key: '',
        json: { username: `u${index}`, email: `u${index}@lab.test` },
      }),
    );
    const statuses = (await Promise.all(attempts)).map((answer) => answer.status);
    expect(statuses.toSorted((a, b) => a - b)).toEqual([200, ...Array.from({ length: 9 }, () => 409)]);
    await fresh.pocketId.close();
  });

  test('with an http address the cookie loses its prefix and stays Secure', async () => {
    const plain = await startStandIn(await postgres.createDatabase(), { APP_URL: 'http://localhost:1411' });
    const made = await createApi(plain.base)('POST', '/api/signup/setup', {
      key: '',
      json: { username: 'first', email: 'first@lab.test' },
    });
    expect(made.headers.get('set-cookie')).toMatch(
      /^access_token=[^;]+; Path=\/; Max-Age=3600; HttpOnly; Secure; SameSite=Lax$/,
    );
    await plain.pocketId.close();
  });

  test('a wrong API key is answered like none', async () => {
    const answer = await api('GET', '/api/users', { key: 'another-static-api-key' });
    expect([answer.status, answer.body.code]).toEqual([401, 'not_signed_in']);
    expect(answer.headers.get('x-request-id')).toBe(answer.body.request_id);
  });

  test('a session decides alone, even next to a valid API key', async () => {
    const session = await signIn(api, await createPerson(api, 'plain'));
    const answer = await api('GET', '/api/users', { bearer: session, key: 'contract-static-api-key' });
    expect([answer.status, answer.body.code]).toEqual([403, 'forbidden']);
  });

  test('updating a person replaces everything: what is left out is lost', async () => {
    const id = await createPerson(api, 'chief', { isAdmin: true });
    const json = { username: 'chief', email: 'chief@lab.test' };
    const updated = await api('PUT', `/api/users/${id}`, { json });
    expect(updated.body).toMatchObject({ isAdmin: false, firstName: '', displayName: '' });
    const without = await api('PUT', `/api/users/${id}`, { json: { username: 'chief' } });
    expect([without.status, without.body.details.fields[0].field]).toEqual([400, 'email']);
  });

  test('a taken address is a conflict that names it', async () => {
    await createPerson(api, 'owner');
    const json = { username: 'other', email: 'owner@lab.test' };
    const answer = await api('POST', '/api/users', { json });
    expect([answer.status, answer.body.details]).toEqual([409, { property: 'email' }]);
  });

  test('a deleted person is gone with session and tokens', async () => {
    await createClient(api, 'leaver-app');
    const id = await createPerson(api, 'leaver');
    const session = await signIn(api, id);
    const tokens = await logIn(api, 'leaver-app', session);
    expect((await api('DELETE', `/api/users/${id}`)).status).toBe(204);
    expect((await api('GET', `/api/users/${id}`)).status).toBe(404);
    expect((await api('DELETE', `/api/users/${id}`)).status).toBe(404);
    expect((await api('GET', '/api/users/me', { bearer: session })).status).toBe(401);
    const refreshed = await api('POST', '/api/oidc/token', {
      form: {
        grant_type: 'refresh_token',
        refresh_token: tokens.body.refresh_token,
        client_id: 'leaver-app',
      },
    });
    expect([refreshed.status, refreshed.body.error]).toEqual([400, 'invalid_grant']);
    const claims = await api('GET', '/api/oidc/userinfo', { bearer: tokens.body.access_token });
    expect(claims.status).toBe(401);
  });

  test('a person made anew under an old id inherits no one-time token', async () => {
    const details = { id: 'abcdef00-0000-4000-8000-000000000001' };
    const id = await createPerson(api, 'phoenix', details);
    const link = await api('POST', `/api/users/${id}/one-time-access-token`, { json: { ttl: '1h' } });
    await api('DELETE', `/api/users/${id}`);
    await createPerson(api, 'phoenix', details);
    expect((await api('POST', `/api/one-time-access-token/${link.body.token}`)).status).toBe(401);
  });

  test('nobody has a passkey', async () => {
    const id = await createPerson(api, 'keyless');
    const answer = await api('GET', `/api/users/${id}/webauthn-credentials`);
    expect([answer.status, answer.body]).toEqual([200, []]);
  });

  test('a deleted group leaves its members and its clients', async () => {
    const person = await createPerson(api, 'member');
    await createClient(api, 'grouped', { isGroupRestricted: true });
    const group = await api('POST', '/api/user-groups', { json: { name: 'team', friendlyName: 'Team' } });
    const id = String(group.body.id);
    await api('PUT', `/api/user-groups/${id}/users`, { json: { userIds: [person, 'nobody'] } });
    await api('PUT', '/api/oidc/clients/grouped/allowed-user-groups', {
      json: { userGroupIds: [id, 'none'] },
    });
    expect((await api('GET', `/api/user-groups/${id}`)).body).toMatchObject({
      users: [{ id: person }],
      allowedOidcClients: [{ id: 'grouped' }],
    });
    const listed = await api('GET', '/api/user-groups?search=team');
    expect(listed.body.data).toMatchObject([{ name: 'team', userCount: 1 }]);
    const preview = `/api/oidc/clients/grouped/preview/${person}`;
    expect((await api('GET', preview)).status).toBe(200);
    expect((await api('DELETE', `/api/user-groups/${id}`)).status).toBe(204);
    expect((await api('GET', preview)).status).toBe(403);
    expect((await api('GET', '/api/oidc/clients?search=grouped')).body.data).toMatchObject([
      { id: 'grouped', allowedUserGroupsCount: 0 },
    ]);
    expect((await api('GET', `/api/users/${person}`)).body.userGroups).toEqual([]);
    expect((await api('GET', '/api/oidc/clients/grouped')).body.allowedUserGroups).toEqual([]);
  });

  test('a second group of the same name is a conflict', async () => {
    const json = { name: 'twice', friendlyName: 'Twice' };
    expect((await api('POST', '/api/user-groups', { json })).status).toBe(201);
    const again = await api('POST', '/api/user-groups', { json });
    expect([again.status, again.body.details]).toEqual([409, { property: 'name' }]);
  });

  test('updating a client without its restriction opens it and forgets its groups', async () => {
    await createClient(api, 'closed', { isGroupRestricted: true, accessTokenDurationMinutes: 5 });
    const group = await api('POST', '/api/user-groups', { json: { name: 'few', friendlyName: 'Few' } });
    await api('PUT', '/api/oidc/clients/closed/allowed-user-groups', {
      json: { userGroupIds: [group.body.id] },
    });
    const updated = await api('PUT', '/api/oidc/clients/closed', { json: { name: 'closed' } });
    expect(updated.body).toMatchObject({
      isGroupRestricted: false,
      allowedUserGroups: [],
      callbackURLs: [],
      isPublic: false,
      accessTokenDurationMinutes: 60,
    });
  });

  test('a public client always demands PKCE', async () => {
    await createClient(api, 'public', { pkceEnabled: false });
    expect((await api('GET', '/api/oidc/clients/public')).body.pkceEnabled).toBe(true);
  });

  test('a deleted client is unknown to everyone', async () => {
    await createClient(api, 'brief');
    expect((await api('DELETE', '/api/oidc/clients/brief')).status).toBe(204);
    expect((await api('GET', '/api/oidc/clients/brief')).body.code).toBe('not_found');
    const answer = await api('GET', beginFlow('brief').path);
    expect(answer.headers.get('location')).toContain('Client+does+not+exist');
  });

  test('a client made anew under an old id inherits no tokens', async () => {
    await createClient(api, 'reborn');
    const tokens = await logIn(api, 'reborn', await signIn(api, await createPerson(api, 'loyal')));
    await api('DELETE', '/api/oidc/clients/reborn');
    await createClient(api, 'reborn');
    const refreshed = await api('POST', '/api/oidc/token', {
      form: { grant_type: 'refresh_token', refresh_token: tokens.body.refresh_token, client_id: 'reborn' },
    });
    expect([refreshed.status, refreshed.body.error]).toEqual([400, 'invalid_grant']);
  });

  test.each([
    ['a space in the id', { id: 'a b', name: 'x' }, 'id'],
    ['no name', { id: 'nameless' }, 'name'],
    ['an address that runs code', { name: 'x', callbackURLs: ['javascript:alert(1)'] }, 'callbackURLs'],
    [
      'a lifetime of ten years',
      { name: 'x', refreshTokenDurationMinutes: 5_256_000 },
      'refreshTokenDurationMinutes',
    ],
  ])('a client with %s is refused by field', async (_what, json, field) => {
    const answer = await api('POST', '/api/oidc/clients', { json });
    expect([answer.status, answer.body.code, answer.body.details.fields[0].field]).toEqual([
      400,
      'validation_failed',
      field,
    ]);
  });

  test.each([
    ['a list', []],
    ['a number for a name', { name: 5 }],
    ['a text for a list', { name: 'x', callbackURLs: 'https://app.lab.test/cb' }],
  ])('a body that is %s is no valid body', async (_what, json) => {
    const answer = await api('POST', '/api/oidc/clients', { json });
    expect([answer.status, answer.body.code]).toEqual([400, 'invalid_request_body']);
  });

  test('lists hold 20 items unless asked, at most 100, and end at the last page', async () => {
    const page = async (query: string) => (await api('GET', `/api/oidc/clients?${query}`)).body.pagination;
    const { totalItems } = await page('');
    expect(await page('')).toMatchObject({ currentPage: 1, itemsPerPage: 20 });
    expect(await page('pagination[limit]=500')).toMatchObject({ itemsPerPage: 100 });
    expect(await page('pagination[limit]=1&pagination[page]=99')).toEqual({
      totalPages: totalItems,
      totalItems,
      currentPage: totalItems,
      itemsPerPage: 1,
    });
    expect(await page('search=there-is-no-such-client')).toMatchObject({ totalPages: 1, totalItems: 0 });
  });

  test('people are searched, filtered and sorted', async () => {
    await createPerson(api, 'zoe-sorted', { isAdmin: true });
    await createPerson(api, 'adam-sorted');
    const names = async (query: string): Promise<string[]> => {
      const answer = await api('GET', `/api/users?search=sorted&${query}`);
      return answer.body.data.map((user: { username: string }) => user.username);
    };
    expect(await names('sort[column]=username&sort[direction]=asc')).toEqual(['adam-sorted', 'zoe-sorted']);
    expect(await names('sort[column]=username&sort[direction]=desc')).toEqual(['zoe-sorted', 'adam-sorted']);
    expect(await names('filters[isAdmin]=true')).toEqual(['zoe-sorted']);
  });

  test('pages say that this is a stand-in; unknown API addresses are JSON', async () => {
    for (const path of ['/lc/abcdefghjkmn', '/login', '/anything/else']) {
      const page = await api('GET', path);
      expect([page.status, page.text.includes('This is a stand-in for Pocket ID')]).toEqual([200, true]);
    }
    const moved = await api('GET', '/api/users/');
    expect([moved.status, moved.headers.get('location')]).toEqual([301, '/api/users']);
  });
});
