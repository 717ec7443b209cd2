import { describe, expect, test } from 'vitest';
import type { Session } from './session.ts';

/*
 * Credentials that no recording holds. Seen on the real server.
 */

const invalid = { status: 401, json: { message: 'token invalid', code: 401 } };
const future = 9_999_999_999;

const idTokenWays = (session: () => Session): void => {
  const withClaims = async (claims: Readonly<Record<string, unknown>>, keyId?: string) => {
    const token = await session().target.issuer.sign({ sub: 'nobody', ...claims }, keyId);
    return session().call('GET', '/api/users', undefined, `Bearer ${token}`);
  };

  test.each([
    ['another issuer', { iss: 'https://id.elsewhere.test' }],
    ['the issuer with a slash at the end', { iss: 'https://id.elsewhere.test/' }],
    ['another audience', { aud: ['immich'] }],
    ['no audience', { aud: undefined }],
    ['a time of expiry that is over', { exp: 1000 }],
    ['a time of expiry that is no number', { exp: null }],
    ['a time of issue in the future', { iat: future }],
    ['a time before which it is not valid', { nbf: future }],
    ['an empty subject', { sub: '' }],
    ['a subject that is no text', { sub: 5 }],
  ])('a token with %s is refused', async (_what, claims) => {
    expect(await withClaims(claims)).toMatchObject(invalid);
  });

  test('a token signed with a key that the issuer does not publish is refused', async () => {
    expect(await withClaims({}, 'unknown-key')).toMatchObject(invalid);
  });

  test('a token that never expires is accepted', async () => {
    expect(await withClaims({ exp: undefined })).toMatchObject({ status: 200 });
  });

  test('one audience of several is enough', async () => {
    expect(await withClaims({ aud: ['immich', 'netbird'] })).toMatchObject({ status: 200 });
  });

  test('keys that may not be cached are fetched for every token', async () => {
    const before = session().target.issuer.keyFetches();
    await withClaims({});
    await withClaims({});

    expect(session().target.issuer.keyFetches()).toBe(before + 2);
  });
};

const headerWays = (session: () => Session): void => {
  test.each([
    ['no header', '', 'no valid authentication provided'],
    ['another scheme', 'Basic YTpi', 'no valid authentication provided'],
    ['a scheme alone', 'Bearer', 'token invalid'],
    ['no token of ours', 'Token abc', 'token invalid'],
    ['no JWT', 'Bearer abc', 'token invalid'],
    ['a wrong checksum', `Token nbp_${'A'.repeat(36)}`, 'token invalid'],
  ])('%s is refused', async (_what, header, message) => {
    expect(await session().call('GET', '/api/accounts', undefined, header)).toMatchObject({
      status: 401,
      json: { message, code: 401 },
    });
  });

  test('the scheme may be in any case, and Bearer also takes a personal access token', async () => {
    const token = session().serviceToken();
    for (const scheme of ['token', 'TOKEN', 'Bearer', 'bearer']) {
      expect(await session().call('GET', '/api/peers', undefined, `${scheme} ${token}`)).toMatchObject({
        status: 200,
      });
    }
  });
};

const accessTokenWays = (session: () => Session): void => {
  interface Made {
    readonly plain_token: string;
    readonly personal_access_token: { readonly id: string };
  }
  const makeServiceUser = async (name: string): Promise<string> => {
    const user = { name, role: 'user', is_service_user: true, auto_groups: [] };
    return ((await session().call('POST', '/api/users', user)).json as { readonly id: string }).id;
  };
  const makeToken = async (id: string): Promise<Made> =>
    (await session().call('POST', `/api/users/${id}/tokens`, { name: 'once', expires_in: 1 })).json as Made;
  const unknown = {
    status: 404,
    json: { message: expect.stringMatching(/^invalid token: pat: \S+ not found$/) },
  };

  test('a deleted token, and one of a deleted user, are unknown: 404, not 401', async () => {
    const id = await makeServiceUser('leaving');
    const [first, second] = [await makeToken(id), await makeToken(id)];
    const use = (made: Made) => session().call('GET', '/api/peers', undefined, `Token ${made.plain_token}`);
    expect(await use(first)).toMatchObject({ status: 200 });

    await session().call('DELETE', `/api/users/${id}/tokens/${first.personal_access_token.id}`);
    expect(await use(first)).toMatchObject(unknown);
    expect(await use(second)).toMatchObject({ status: 200 });

    await session().call('DELETE', `/api/users/${id}`);
    expect(await use(second)).toMatchObject(unknown);
  });

  test('an administrator makes tokens for service users and itself, not for people', async () => {
    const owner = session().bindings.live('<uuid:alice>');
    const body = { name: 'x', expires_in: 1 };

    expect(await session().call('POST', `/api/users/${owner}/tokens`, body)).toMatchObject({
      status: 403,
      json: { message: 'admin role required to perform this action' },
    });
    expect(await session().call('POST', '/api/users/nope/tokens', body)).toMatchObject({
      status: 404,
      json: { message: 'user: nope not found' },
    });
  });
};

/** Registers tests of what is taken as a credential. Leaves everything as it was. */
export const credentialWays = (session: () => Session): void => {
  describe('ID tokens', () => {
    idTokenWays(session);
  });
  describe('the Authorization header', () => {
    headerWays(session);
  });
  describe('personal access tokens', () => {
    accessTokenWays(session);
  });
};
