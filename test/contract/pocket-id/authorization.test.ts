import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { skipWithoutPostgres, startPostgres, type TestPostgres } from '../../support/postgres.ts';
import {
  type Api,
  beginFlow,
  createApi,
  createClient,
  createPerson,
  logIn,
  redeem,
  sentBack,
  signIn,
} from '../support/pocket-id-api.ts';
import { type RunningStandIn, startStandIn } from '../support/pocket-id-stand-in.ts';

describe.skipIf(skipWithoutPostgres())('authorization by the stand-in, beyond the recordings', () => {
  let postgres: TestPostgres;
  let standIn: RunningStandIn;
  let api: Api;
  let session: string;
  let aheadMs = 0;

  beforeAll(async () => {
    postgres = await startPostgres();
    standIn = await startStandIn(postgres.url, { DISABLE_RATE_LIMITING: 'true' }, () => Date.now() + aheadMs);
    api = createApi(standIn.base);
    session = await signIn(api, await createPerson(api, 'alice'));
    await createClient(api, 'open');
    await createClient(api, 'asking', { skipConsent: false });
    await createClient(api, 'closed', { isGroupRestricted: true });
  });

  afterAll(async () => {
    await standIn.pocketId.close();
    await postgres.stop();
  });

  test('a short nonce passes the authorization endpoint and fails at the token endpoint', async () => {
    const answer = await logIn(api, 'open', session, { nonce: 'abc' });
    expect([answer.status, answer.body.error]).toEqual([400, 'insufficient_entropy']);
  });

  test('a code is worth nothing after a wrong verifier', async () => {
    const { path, verifier } = beginFlow('open');
    const code = sentBack(await api('GET', path, { bearer: session })).get('code') ?? '';
    expect((await redeem(api, 'open', code, 'x'.repeat(43))).body.error).toBe('invalid_grant');
    expect((await redeem(api, 'open', code, verifier)).body.error).toBe('invalid_grant');
  });

  test('a code belongs to its client and its redirect address, and ends after 15 minutes', async () => {
    const { path, verifier } = beginFlow('open');
    const codeOf = async () => sentBack(await api('GET', path, { bearer: session })).get('code') ?? '';
    expect((await redeem(api, 'closed', await codeOf(), verifier)).body.error).toBe('invalid_grant');
    const elsewhere = await api('POST', '/api/oidc/token', {
      form: {
        grant_type: 'authorization_code',
        client_id: 'open',
        redirect_uri: 'https://app.lab.test/other',
        code: await codeOf(),
        code_verifier: verifier,
      },
    });
    expect(elsewhere.body.error).toBe('invalid_grant');
    const late = await codeOf();
    aheadMs += 15 * 60_000;
    expect((await redeem(api, 'open', late, verifier)).body.error).toBe('invalid_grant');
  });

  test('a person who is not signed in authenticates first and then consents', async () => {
    const { path, verifier } = beginFlow('asking');
    const id = sentBack(await api('GET', path, { key: '' })).get('interaction') ?? '';
    const complete = (step: string) =>
      api('POST', `/api/oidc/interactions/${id}/complete`, { bearer: session, json: { step } });
    expect((await api('GET', `/api/oidc/interactions/${id}`, { key: '' })).body).toMatchObject({
      currentStep: 'authenticate',
      requiredSteps: ['authenticate'],
    });
    expect((await complete('authenticate')).body).toMatchObject({
      interaction: { requiredSteps: ['consent'] },
    });
    const resume = `/authorize?interaction=${id}`;
    const early = await api('GET', resume, { bearer: session });
    expect(early.headers.get('location')).toBe(`/interaction?interaction=${id}`);
    expect((await complete('consent')).body).toEqual({ redirectUrl: resume });
    const code = sentBack(await api('GET', resume, { bearer: session })).get('code') ?? '';
    expect((await redeem(api, 'asking', code, verifier)).status).toBe(200);
    const again = await api('GET', resume, { bearer: session });
    expect(again.headers.get('location')).toContain('/interaction/error?error=');
  });

  test('prompt=none asks nothing: the client learns that consent is missing', async () => {
    await createClient(api, 'silent', { skipConsent: false });
    const { path } = beginFlow('silent', { prompt: 'none' });
    expect(sentBack(await api('GET', path, { bearer: session })).get('error')).toBe('consent_required');
  });

  test('a person outside the group is sent to the error page, with prompt=none too', async () => {
    for (const prompt of ['', 'none']) {
      const answer = await api('GET', beginFlow('closed', { prompt }).path, { bearer: session });
      expect([answer.status, answer.headers.get('location')]).toEqual([
        302,
        '/interaction/error?error=You+are+not+allowed+to+access+this+service.',
      ]);
    }
  });

  test('the API key is nobody at the authorization endpoint', async () => {
    const answer = await api('GET', beginFlow('open').path);
    expect(answer.headers.get('location')).toMatch(/^\/interaction\?interaction=/);
  });

  test('a step that takes a passkey cannot be completed', async () => {
    const id = sentBack(
      await api('GET', beginFlow('open', { prompt: 'login' }).path, { bearer: session }),
    ).get('interaction');
    const answer = await api('POST', `/api/oidc/interactions/${id}/complete`, {
      bearer: session,
      json: { step: 'reauthenticate' },
    });
    expect([answer.status, answer.body.code]).toEqual([400, 'validation_failed']);
  });

  test('a refresh ends the access token before it', async () => {
    const first = await logIn(api, 'open', session);
    const second = await api('POST', '/api/oidc/token', {
      form: { grant_type: 'refresh_token', refresh_token: first.body.refresh_token, client_id: 'open' },
    });
    const statusOf = async (bearer: string) => (await api('GET', '/api/oidc/userinfo', { bearer })).status;
    expect(await statusOf(first.body.access_token)).toBe(401);
    expect(await statusOf(second.body.access_token)).toBe(200);
  });

  test('an ID token and a session token open no userinfo', async () => {
    const { id_token } = (await logIn(api, 'open', session)).body;
    for (const bearer of [id_token, session])
      expect((await api('GET', '/api/oidc/userinfo', { bearer })).status).toBe(401);
  });

  test('an access token and an ID token are no session', async () => {
    const tokens = (await logIn(api, 'open', session)).body;
    for (const bearer of [tokens.access_token, tokens.id_token])
      expect((await api('GET', '/api/users/me', { bearer })).status).toBe(401);
  });

  test('a person outside the group cannot approve a device', async () => {
    const asked = await api('POST', '/api/oidc/device/authorize', {
      form: { client_id: 'closed', scope: 'openid' },
    });
    const verify = `/api/oidc/device/verify?code=${String(asked.body.user_code)}`;
    const refused = await api('POST', verify, { bearer: session });
    expect([refused.status, Object.keys(refused.body)]).toEqual([403, ['error']]);
  });

  test('a device code is approved once, redeemed once, and ends after 15 minutes', async () => {
    const ask = async () =>
      (await api('POST', '/api/oidc/device/authorize', { form: { client_id: 'open', scope: 'openid' } }))
        .body;
    const poll = (deviceCode: string) =>
      api('POST', '/api/oidc/token', {
        form: {
          grant_type: 'urn:ietf:params:oauth:grant-type:device_code',
          device_code: deviceCode,
          client_id: 'open',
        },
      });
    const { device_code: deviceCode, user_code: userCode } = await ask();
    const verify = `/api/oidc/device/verify?code=${String(userCode).toLowerCase()}`;
    expect((await api('POST', verify, { bearer: session })).status).toBe(204);
    expect((await api('POST', verify, { bearer: session })).body.code).toBe('oidc_invalid_device_code');
    expect((await poll(deviceCode)).status).toBe(200);
    expect((await poll(deviceCode)).body.error).toBe('invalid_grant');
    const late = await ask();
    aheadMs += 15 * 60_000;
    expect((await poll(late.device_code)).body.error).toBe('expired_token');
  });

  test('a token request without a known client or grant type is refused', async () => {
    const unknown = await api('POST', '/api/oidc/token', {
      form: { grant_type: 'refresh_token', client_id: 'none' },
    });
    expect([unknown.status, unknown.body.error]).toEqual([401, 'invalid_client']);
    const other = await api('POST', '/api/oidc/token', {
      form: { grant_type: 'password', client_id: 'open' },
    });
    expect([other.status, other.body.error]).toEqual([400, 'unsupported_grant_type']);
  });
});
