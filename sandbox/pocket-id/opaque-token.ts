import { createHash, createHmac, randomBytes, timingSafeEqual } from 'node:crypto';

/** What an opaque token is for, and the prefix that says so. */
const prefixes = {
  'authorization-code': 'pocket_id_ac_',
  'refresh-token': 'pocket_id_rt_',
  'device-code': 'pocket_id_dc_',
} as const;

type Purpose = keyof typeof prefixes;

/** Codes and refresh tokens: `<prefix><random>.<HMAC-SHA-256>`, each half 43 characters of base64url. */
export interface OpaqueTokens {
  /** `id` is the half that is stored; the token itself never is. */
  mint(purpose: Purpose): { readonly token: string; readonly id: string };
  /** The stored id of a token that we made, `undefined` for anything else. */
  idOf(purpose: Purpose, token: string): string | undefined;
}

export const createOpaqueTokens = (encryptionKey: Uint8Array): OpaqueTokens => {
  const key = createHash('sha256').update('opaque tokens').update(encryptionKey).digest();
  const sign = (random: string): Buffer => createHmac('sha256', key).update(random).digest();
  return {
    mint: (purpose) => {
      const random = randomBytes(32).toString('base64url');
      const id = sign(random).toString('base64url');
      return { token: `${prefixes[purpose]}${random}.${id}`, id };
    },
    idOf: (purpose, token) => {
      const prefix = prefixes[purpose];
      const [random, id, ...rest] = token.slice(prefix.length).split('.');
      if (!token.startsWith(prefix) || random === undefined || id === undefined || rest.length > 0)
        return undefined;
      const given = Buffer.from(id, 'base64url');
      const wanted = sign(random);
      return given.length === wanted.length && timingSafeEqual(given, wanted) ? id : undefined;
    },
  };
};

/** What is kept of a value that must be recognised but not known: SHA-256 in base64url. */
export const digest = (value: string): string => createHash('sha256').update(value).digest('base64url');
