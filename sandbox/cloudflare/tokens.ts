import { createHash } from 'node:crypto';
import { ApiRefusal } from './envelope.ts';

/** A token of the API, and what it may do. */
export interface Token {
  readonly value: string;
  /** Names of the zones it sees; left out: every zone. */
  readonly zones?: readonly string[];
  /** `read`: sees records and may not write them. Default `edit`. */
  readonly rights?: 'edit' | 'read';
  /** `account`: `/user/tokens/verify` answers 401 although the token works (cloudflare/cloudflare-docs#29486). */
  readonly owner?: 'user' | 'account';
  /** What a look-up of a zone outside `zones` gets: an empty list (default), or 403. Both have been seen. */
  readonly outside?: 'empty' | 'forbidden';
  /** When it ends, as an ISO date. Left out: never. */
  readonly endsOn?: string;
}

/** Hex digest of 32 characters, the form of the API's identifiers. */
export const identifierOf = (text: string): string =>
  createHash('sha256').update(text).digest('hex').slice(0, 32);

const malformed = () =>
  new ApiRefusal(400, {
    code: 6003,
    message: 'Invalid request headers',
    error_chain: [{ code: 6111, message: 'Invalid format for Authorization header' }],
  });

/** The text of the token in an Authorization header. @throws {ApiRefusal} 9106 missing, 6003 malformed */
export const bearerOf = (header: string | undefined): string => {
  if (header === undefined) {
    throw new ApiRefusal(400, {
      code: 9106,
      message: 'Missing X-Auth-Key, X-Auth-Email or Authorization headers',
    });
  }
  const match = /^Bearer ([A-Za-z0-9_-]+)$/.exec(header);
  if (match?.[1] === undefined) throw malformed();
  return match[1];
};

export const seesZone = (token: Token, zoneName: string): boolean => token.zones?.includes(zoneName) ?? true;

/** @throws {ApiRefusal} 10000 where the token may only read */
export const mustEdit = (token: Token): void => {
  if (token.rights === 'read') throw new ApiRefusal(403, { code: 10000, message: 'Authentication error' });
};

/** What a look-up by a token gets that is refused instead of answered with an empty list. */
export const zoneListForbidden = (token: Token): ApiRefusal =>
  new ApiRefusal(403, {
    code: 0,
    message: `Actor 'com.cloudflare.api.token.${identifierOf(token.value)}' requires permission 'com.cloudflare.api.account.zone.list' to list zones`,
  });
