import { createHash } from 'node:crypto';

import { type JWTVerifyGetKey, decodeProtectedHeader, jwtVerify } from 'jose';

import type { Bindings } from './pocket-id-bindings.ts';
import { matchJson } from './pocket-id-match.ts';
import type { RecordedToken } from './pocket-id-recording.ts';

const lifetimeOf = (claims: Readonly<Record<string, unknown>>): number =>
  Number(claims['exp']) - Number(claims['iat']);

/** Compares a live JWT with a recorded one: signature, header, claims, lifetime. Returns what differs. */
export const matchToken = async (
  recorded: RecordedToken,
  live: string,
  accessToken: string,
  keys: JWTVerifyGetKey,
  bindings: Bindings,
): Promise<readonly string[]> => {
  const { payload } = await jwtVerify(live, keys);
  const differences = [
    ...matchJson(recorded.head, decodeProtectedHeader(live), bindings, `${recorded.name} header`),
    ...matchJson(recorded.body, payload, bindings, recorded.name),
  ];
  const lifetimeS = lifetimeOf(payload);
  if (Math.abs(lifetimeS - lifetimeOf(recorded.body)) > 1)
    differences.push(`${recorded.name}: lives ${lifetimeS} s, not ${lifetimeOf(recorded.body)} s`);
  const hash = createHash('sha256').update(accessToken).digest().subarray(0, 16).toString('base64url');
  if ('at_hash' in recorded.body && payload['at_hash'] !== hash)
    differences.push(`${recorded.name}.at_hash is not the hash of the access token`);
  return differences;
};
