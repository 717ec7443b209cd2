import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { skipWithoutPostgres, startPostgres, type TestPostgres } from '../../support/postgres.ts';
import { type Api, createApi, createClient, createPerson, logIn, signIn } from '../support/pocket-id-api.ts';
import { type RunningStandIn, startStandIn } from '../support/pocket-id-stand-in.ts';

describe.skipIf(skipWithoutPostgres())('how tokens and secrets of the stand-in end', () => {
  let postgres: TestPostgres;
  let standIn: RunningStandIn;
  let api: Api;
  let alice: string;
  let bob: string;
  let aheadMs = 0;

  beforeAll(async () => {
    postgres = await startPostgres();
    standIn = await startStandIn(postgres.url, {}, () => Date.now() + aheadMs);
    api = createApi(standIn.base);
    alice = await signIn(api, await createPerson(api, 'alice'));
    bob = await signIn(api, await createPerson(api, 'bob'));
    await createClient(api, 'app', {
      logoutCallbackURLs: ['https://app.lab.test/', 'https://app.lab.test/bye'],
    });
  });

  afterAll(async () => {
    await standIn.pocketId.close();
    await postgres.stop();
  });

  const isLive = async (accessToken: string): Promise<boolean> =>
    (await api('GET', '/api/oidc/userinfo', { bearer: accessToken })).status === 200;

  const endSession = (idToken: string, more: Readonly<Record<string, string>>, bearer?: string) => {
    const query = new URLSearchParams({ id_token_hint: idToken, ...more });
    return api(
      'GET',
      `/api/oidc/end-session?${query.toString()}`,
      bearer === undefined ? { key: '' } : { bearer },
    );
  };

  test('end-session revokes what was issued with its ID token, and nothing else', async () => {
    const ended = (await logIn(api, 'app', alice)).body;
    const other = (await logIn(api, 'app', alice)).body;
    const answer = await endSession(ended.id_token, { post_logout_redirect_uri: 'https://app.lab.test/bye' });
    expect(answer.headers.get('location')).toBe('https://app.lab.test/bye');
    expect([await isLive(ended.access_token), await isLive(other.access_token)]).toEqual([false, true]);
    const refreshed = await api('POST', '/api/oidc/token', {
      form: { grant_type: 'refresh_token', refresh_token: ended.refresh_token, client_id: 'app' },
    });
    expect(refreshed.body.error).toBe('invalid_grant');
  });

  test('end-session without an address goes to the first registered one', async () => {
    const { id_token: idToken } = (await logIn(api, 'app', alice)).body;
    expect((await endSession(idToken, { state: 'a b' })).headers.get('location')).toBe(
      'https://app.lab.test/?state=a+b',
    );
  });

  test("another person's session, another client or an access token ends nothing", async () => {
    const { id_token: idToken, access_token: accessToken } = (await logIn(api, 'app', alice)).body;
    const answers = [
      await endSession(idToken, {}, bob),
      await endSession(idToken, { client_id: 'other' }),
      await endSession(accessToken, {}),
      await endSession(`${String(idToken)}AAAA`, {}),
    ];
    for (const answer of answers) {
      expect(answer.headers.get('location')).toBe('https://id.lab.test/logout');
      expect(answer.headers.get('set-cookie')).toBeNull();
    }
    expect(await isLive(accessToken)).toBe(true);
  });

  test('introspection knows access and refresh tokens of the asking client alone', async () => {
    const secretOf = async (id: string): Promise<string> => {
      await createClient(api, id, { isPublic: false, pkceEnabled: true });
      return String((await api('POST', `/api/oidc/clients/${id}/secrets`)).body.secret);
    };
    const secrets = { one: await secretOf('one'), two: await secretOf('two') };
    const ask = async (id: keyof typeof secrets, token: string) => {
      const basic = Buffer.from(`${id}:${secrets[id]}`).toString('base64');
      const headers = { Authorization: `Basic ${basic}` };
      return (await api('POST', '/api/oidc/introspect', { key: '', headers, form: { token } })).body;
    };
    const tokens = (await logIn(api, 'one', alice, {}, secrets.one)).body;
    expect(await ask('one', tokens.access_token)).toMatchObject({ active: true, client_id: 'one' });
    expect(await ask('one', tokens.refresh_token)).toMatchObject({ active: true, client_id: 'one' });
    expect(await ask('two', tokens.access_token)).toEqual({ active: false });
    expect(await ask('two', tokens.refresh_token)).toEqual({ active: false });
    const bearer = (token: string) =>
      api('POST', '/api/oidc/introspect', { bearer: tokens.access_token, form: { token } });
    expect((await bearer(tokens.refresh_token)).body.active).toBe(true);
    expect((await bearer(tokens.access_token)).status).toBe(401);
  });

  test('a token without the openid scope opens no userinfo', async () => {
    const { access_token: bearer, id_token: idToken } = (await logIn(api, 'app', alice, { scope: 'profile' }))
      .body;
    expect(idToken).toBeUndefined();
    expect((await api('GET', '/api/oidc/userinfo', { bearer })).status).toBe(403);
  });

  test('a client secret that has expired opens nothing', async () => {
    await createClient(api, 'timed', { isPublic: false, pkceEnabled: true });
    const expiresAt = new Date(Date.now() + aheadMs + 600_000).toISOString();
    const { secret } = (await api('POST', '/api/oidc/clients/timed/secrets', { json: { expiresAt } })).body;
    expect((await logIn(api, 'timed', alice, {}, secret)).status).toBe(200);
    aheadMs += 600_000;
    expect((await logIn(api, 'timed', alice, {}, secret)).body.error).toBe('invalid_client');
    expect((await api('GET', '/api/oidc/clients/timed/secrets')).body).toMatchObject([{ isActive: false }]);
  });
});
