import { jwtVerify } from 'jose';

import type { Grant } from './documents.ts';
import type { Service } from './service.ts';

/** An access token that is signed by us, current and not revoked. */
interface LiveAccessToken {
  readonly grant: Grant;
  readonly audience: readonly string[];
  readonly issuedAtS: number;
  readonly expiresAtS: number;
}

/** What an access token stands for, `undefined` when it is no good for whatever reason. */
export const readAccessToken = async (
  service: Service,
  token: string,
): Promise<LiveAccessToken | undefined> => {
  const verified = await jwtVerify(token, service.signingKey.publicKey, {
    issuer: service.options.appUrl,
    typ: 'at+jwt',
    algorithms: ['RS256'],
    currentDate: new Date(service.now()),
  }).catch(() => undefined);
  if (verified === undefined) return undefined;
  const { jti, aud, iat, exp } = verified.payload;
  if (jti === undefined || iat === undefined || exp === undefined) return undefined;
  const grant = await service.store.find('grant', 'accessTokenId', jti);
  if (grant === undefined || grant.revoked) return undefined;
  return { grant, audience: [aud ?? []].flat(), issuedAtS: iat, expiresAtS: exp };
};

/** The token of an `Authorization: Bearer` header; empty when there is none. */
export const bearerOf = (header: string | undefined): string =>
  /^Bearer (.+)$/i.exec(header ?? '')?.[1] ?? '';
