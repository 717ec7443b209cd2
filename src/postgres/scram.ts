import { createHash, createHmac, pbkdf2Sync, randomBytes, timingSafeEqual } from 'node:crypto';

/*
 * Passwords as PostgreSQL keeps them (SCRAM-SHA-256: RFC 5802 §3, RFC 7677). Made and checked here, so that a password
 * travels neither to the server nor into its log. Our passwords are ASCII, which SASLprep (RFC 4013) leaves as it is.
 */

const iterations = 4096;
const keyBytes = 32;

const keysOf = (password: string, salt: Buffer, rounds: number): { stored: Buffer; server: Buffer } => {
  const salted = pbkdf2Sync(password, salt, rounds, keyBytes, 'sha256');
  const hmac = (text: string) => createHmac('sha256', salted).update(text).digest();
  return { stored: createHash('sha256').update(hmac('Client Key')).digest(), server: hmac('Server Key') };
};

/** What PostgreSQL keeps of a password: `SCRAM-SHA-256$<iterations>:<salt>$<StoredKey>:<ServerKey>`, in base64. */
export const makeVerifier = (password: string, salt: Buffer = randomBytes(16)): string => {
  const { stored, server } = keysOf(password, salt, iterations);
  return `SCRAM-SHA-256$${iterations}:${salt.toString('base64')}$${stored.toString('base64')}:${server.toString('base64')}`;
};

/** True where a login with this password would succeed; false for every other form, such as md5. */
export const fits = (password: string, verifier: string | null): boolean => {
  const match = /^SCRAM-SHA-256\$(\d+):([^$]+)\$([^:]+):(.+)$/.exec(verifier ?? '');
  if (match === null) return false;
  const [rounds = '', salt = '', wantedStored = '', wantedServer = ''] = match.slice(1);
  const { stored, server } = keysOf(password, Buffer.from(salt, 'base64'), Number(rounds));
  const same = (a: Buffer, text: string) => {
    const b = Buffer.from(text, 'base64');
    return a.length === b.length && timingSafeEqual(a, b);
  };
  return same(stored, wantedStored) && same(server, wantedServer);
};
