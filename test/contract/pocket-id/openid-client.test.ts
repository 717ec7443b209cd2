import * as oidc from 'openid-client';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { skipWithoutPostgres, startPostgres, type TestPostgres } from '../../support/postgres.ts';
import { type Api, createApi, createClient, createPerson, signIn } from '../support/pocket-id-api.ts';
import { type RunningStandIn, startStandIn } from '../support/pocket-id-stand-in.ts';

const issuer = 'https://id.lab.test';

describe.skipIf(skipWithoutPostgres())('a certified client library with the stand-in', () => {
  let postgres: TestPostgres;
  let standIn: RunningStandIn;
  let api: Api;
  let config: oidc.Configuration;
  let person: string;

  beforeAll(async () => {
    postgres = await startPostgres();
    standIn = await startStandIn(postgres.url);
    api = createApi(standIn.base);
    person = await createPerson(api, 'alice');
    await createClient(api, 'app');
    // The library dials the issuer; here it is another address without TLS.
    const dial: oidc.CustomFetch = (url, options) =>
      fetch(url.replace(issuer, standIn.base), options as RequestInit);
    config = await oidc.discovery(new URL(issuer), 'app', undefined, oidc.None(), {
      [oidc.customFetch]: dial,
    });
  });

  afterAll(async () => {
    await standIn.pocketId.close();
    await postgres.stop();
  });

  test('logs in by code with PKCE, reads userinfo and refreshes', async () => {
    const verifier = oidc.randomPKCECodeVerifier();
    const [state, nonce] = [oidc.randomState(), oidc.randomNonce()];
    const url = oidc.buildAuthorizationUrl(config, {
      redirect_uri: 'https://app.lab.test/cb',
      scope: 'openid profile email groups',
      state,
      nonce,
      code_challenge: await oidc.calculatePKCECodeChallenge(verifier),
      code_challenge_method: 'S256',
    });
    const answer = await api('GET', `${url.pathname}${url.search}`, { bearer: await signIn(api, person) });
    const callback = new URL(answer.headers.get('location') ?? '');
    const tokens = await oidc.authorizationCodeGrant(config, callback, {
      pkceCodeVerifier: verifier,
      expectedState: state,
      expectedNonce: nonce,
      idTokenExpected: true,
    });
    expect(tokens.claims()).toMatchObject({ sub: person, groups: [], amr: ['otp'], email: 'alice@lab.test' });
    const claims = await oidc.fetchUserInfo(config, tokens.access_token, person);
    expect(claims.preferred_username).toBe('alice');
    const refreshed = await oidc.refreshTokenGrant(config, tokens.refresh_token ?? '');
    expect(refreshed.claims()?.sub).toBe(person);
  });

  test('logs in by device flow', async () => {
    const device = await oidc.initiateDeviceAuthorization(config, { scope: 'openid' });
    const verify = `/api/oidc/device/verify?code=${device.user_code}`;
    expect((await api('POST', verify, { bearer: await signIn(api, person) })).status).toBe(204);
    const tokens = await oidc.pollDeviceAuthorizationGrant(config, { ...device, interval: 0 });
    expect(tokens.claims()?.sub).toBe(person);
  });
});
