import { randomUUID } from 'node:crypto';

import { SignJWT, jwtVerify } from 'jose';

import type { User } from './documents.ts';
import type { Call, Service } from './service.ts';
import { nowS } from './service.ts';

/** What a session token says about its bearer. */
export interface SessionClaims {
  readonly userId: string;
  readonly amr: readonly string[];
  readonly authenticatedAtS: number;
}

const tokenType = 'access-token';

/** With https the cookie is bound to its host by name (RFC 6265bis §4.1.3.2). */
export const sessionCookieName = (service: Service): string =>
  service.options.appUrl.startsWith('https://') ? '__Host-access_token' : 'access_token';

const cookieAttributes = 'HttpOnly; Secure; SameSite=Lax';

/** Signs the user in: a session JWT, sent as a cookie; it works as a Bearer token too. */
export const startSession = async (
  service: Service,
  call: Call,
  user: User,
  amr: readonly string[],
): Promise<void> => {
  const { appUrl, appConfig } = service.options;
  const lifetimeS = appConfig.sessionDurationMinutes * 60;
  const issuedAtS = nowS(service);
  const token = await new SignJWT({ type: tokenType, amr, ...(user.isAdmin ? { isAdmin: true } : {}) })
    .setProtectedHeader({ alg: 'RS256', kid: service.signingKey.kid, typ: 'JWT' })
    .setIssuer(appUrl)
    .setAudience(appUrl)
    .setSubject(user.id)
    .setJti(randomUUID())
    .setIssuedAt(issuedAtS)
    .setExpirationTime(issuedAtS + lifetimeS)
    .sign(service.signingKey.privateKey);
  call.header(
    'Set-Cookie',
    `${sessionCookieName(service)}=${token}; Path=/; Max-Age=${lifetimeS}; ${cookieAttributes}`,
  );
};

export const clearSessionCookie = (service: Service, call: Call): void => {
  call.header('Set-Cookie', `${sessionCookieName(service)}=; Path=/; ${cookieAttributes}`);
};

/** What a session token says, `undefined` for one that is not ours, altered or expired. */
export const verifySession = async (service: Service, token: string): Promise<SessionClaims | undefined> => {
  const { appUrl } = service.options;
  const verified = await jwtVerify(token, service.signingKey.publicKey, {
    issuer: appUrl,
    audience: appUrl,
    algorithms: ['RS256'],
    currentDate: new Date(service.now()),
  }).catch(() => undefined);
  if (verified === undefined) return undefined;
  const { sub, iat, type, amr } = verified.payload;
  if (type !== tokenType || sub === undefined || iat === undefined) return undefined;
  return {
    userId: sub,
    amr: Array.isArray(amr) ? amr.filter((each) => typeof each === 'string') : [],
    authenticatedAtS: iat,
  };
};
