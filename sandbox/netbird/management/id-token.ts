import { createLocalJWKSet, jwtVerify, type JSONWebKeySet, type JWTPayload } from 'jose';
import type { Log } from '../running.ts';
import type { ManagementConfig } from './config.ts';

/** Claims of a token that passed every check, and the subject among them. */
export interface Verified {
  readonly subject: string;
  readonly claims: JWTPayload;
}

/** Checks a token; throws, for whatever reason, when it must not be accepted. */
export type VerifyIdToken = (token: string) => Promise<Verified>;

const algorithms = ['RS256', 'RS384', 'RS512', 'ES256', 'ES384', 'ES512'];
const fetchTimeoutMs = 5000;

/**
 * Checks what the real server checks: signature by a known key with that `kid`, RSA or EC, exact issuer, an audience
 * of ours; `exp` and `nbf` where there are any, and an `iat` that is not in the future. Keys are fetched once at start, where a failure only
 * warns, and again when their cache lifetime is over if `refreshKeys` is set; while the location is unreachable the
 * keys at hand go on. Upstream: shared/auth/jwt/validator.go.
 */
export async function createIdTokenVerifier(config: ManagementConfig, log: Log): Promise<VerifyIdToken> {
  let keys: JSONWebKeySet = { keys: [] };
  let freshUntilMs = 0;
  const refresh = async (): Promise<void> => {
    try {
      const response = await fetch(config.keysLocation, { signal: AbortSignal.timeout(fetchTimeoutMs) });
      if (!response.ok) throw new Error(`HTTP ${response.status}`);
      keys = (await response.json()) as JSONWebKeySet;
      freshUntilMs = Date.now() + maxAgeMs(response.headers.get('cache-control') ?? '');
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      log(`WARN could not get keys from location ${config.keysLocation}: ${why}`);
    }
  };
  await refresh();
  return async (token) => {
    if (config.refreshKeys && Date.now() >= freshUntilMs) await refresh();
    const find = createLocalJWKSet(keys);
    const { payload } = await jwtVerify(
      token,
      (header, jws) => {
        if (header.kid === undefined) throw new Error('the token names no key');
        return find(header, jws);
      },
      {
        algorithms,
        issuer: config.issuer,
        audience: [...config.audiences],
      },
    );
    const subject = payload[config.userIdClaim];
    if (typeof subject !== 'string' || subject === '') throw new Error('the token has no subject');
    if (payload.iat !== undefined && payload.iat > Date.now() / 1000) throw new Error('issued in the future');
    return { subject, claims: payload };
  };
}

const maxAgeMs = (cacheControl: string): number =>
  Number(/(?:^|,)\s*max-age=(\d+)/.exec(cacheControl)?.[1] ?? 0) * 1000;
