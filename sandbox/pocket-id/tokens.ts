import { randomUUID } from 'node:crypto';

import { type JWTPayload, SignJWT } from 'jose';

import { accessTokenHash, userClaims } from './claims.ts';
import type { Client, Grant, Group, User } from './documents.ts';
import { type Service, nowS } from './service.ts';
import type { Documents } from './store.ts';

const idTokenLifetimeS = 3600;

/** What tokens are made from. */
export interface TokenSubject {
  readonly client: Client;
  readonly user: User;
  readonly groups: readonly Group[];
  readonly grant: Pick<Grant, 'scopes' | 'amr' | 'authenticatedAtS' | 'requestedAtS'>;
  /** Only in the first ID token of a code; refreshed ones have none. */
  readonly nonce: string | null;
}

/** Claims of an access token (RFC 9068 §2.2, with `scp` beside `scope`). */
export const accessTokenClaims = (service: Service, subject: TokenSubject) => {
  const { appUrl } = service.options;
  const { client, user, grant } = subject;
  const issuedAtS = nowS(service);
  return {
    aud: grant.scopes.length > 0 ? [client.id, appUrl] : [client.id],
    client_id: client.id,
    exp: issuedAtS + client.accessTokenDurationMinutes * 60,
    iat: issuedAtS,
    iss: appUrl,
    jti: randomUUID(),
    scope: grant.scopes.join(' '),
    scp: grant.scopes,
    sub: user.id,
  };
};

/** Claims of an ID token without `at_hash` (OpenID Connect Core 1.0 §2). */
export const idTokenClaims = (service: Service, subject: TokenSubject) => {
  const { client, user, groups, grant, nonce } = subject;
  const issuedAtS = nowS(service);
  return {
    ...(grant.amr.length > 0 ? { amr: grant.amr } : {}),
    aud: [client.id],
    auth_time: grant.authenticatedAtS,
    exp: issuedAtS + idTokenLifetimeS,
    iat: issuedAtS,
    iss: service.options.appUrl,
    jti: randomUUID(),
    ...(nonce === null ? {} : { nonce }),
    rat: grant.requestedAtS,
    type: 'id-token',
    ...userClaims(service, user, groups, grant.scopes),
  };
};

const sign = (service: Service, claims: object, typ: string): Promise<string> =>
  new SignJWT(claims as JWTPayload)
    .setProtectedHeader({ alg: 'RS256', kid: service.signingKey.kid, typ })
    .sign(service.signingKey.privateKey);

/** The answer of the token endpoint; a refresh token always comes along. */
export interface TokenAnswer {
  readonly access_token: string;
  readonly expires_in: number;
  readonly id_token?: string;
  readonly refresh_token: string;
  readonly scope: string;
  readonly token_type: 'bearer';
}

/** Signs new tokens for a grant and makes them its current ones: earlier access tokens stop working. */
export const issueTokens = async (
  service: Service,
  documents: Documents,
  grantId: string,
  subject: TokenSubject,
): Promise<TokenAnswer> => {
  const { client, grant } = subject;
  const access = accessTokenClaims(service, subject);
  const accessToken = await sign(service, access, 'at+jwt');
  const identity = grant.scopes.includes('openid')
    ? { ...idTokenClaims(service, subject), at_hash: accessTokenHash(accessToken) }
    : undefined;
  const idToken = identity === undefined ? undefined : await sign(service, identity, 'JWT');
  const refresh = service.opaqueTokens.mint('refresh-token');
  await documents.insert('refresh-token', refresh.id, {
    grantId,
    clientId: client.id,
    used: false,
    issuedAtS: access.iat,
    expiresAtMs: service.now() + client.refreshTokenDurationMinutes * 60_000,
  });
  const stored = await documents.lock('grant', grantId);
  if (stored !== undefined)
    await documents.replace('grant', grantId, {
      ...stored,
      accessTokenId: access.jti,
      idTokenId: identity?.jti ?? null,
    });
  return {
    access_token: accessToken,
    expires_in: client.accessTokenDurationMinutes * 60,
    ...(idToken === undefined ? {} : { id_token: idToken }),
    refresh_token: refresh.token,
    scope: grant.scopes.join(' '),
    token_type: 'bearer',
  };
};
