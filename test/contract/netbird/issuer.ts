import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import type { RecordedToken } from './recording.ts';

/** A tiny issuer: it serves one RSA key and signs whatever claims a test needs. */
export interface TestIssuer {
  readonly issuer: string;
  readonly keysLocation: string;
  /** How often the keys were fetched so far. */
  keyFetches(): number;
  /** Signs a recorded token anew: with this issuer, the subject given, and times around now. */
  reissue(recorded: RecordedToken, subject: string): Promise<string>;
  /** Signs these claims on top of issuer, audience `netbird` and an hour's life; undefined leaves a claim out. */
  sign(claims: Readonly<Record<string, unknown>>, keyId?: string): Promise<string>;
  close(): Promise<void>;
}

const keyId = 'contract-key';
const lifetimeS = 3600;
/** One for all issuers of a process: making an RSA key takes long. */
const keyPair = generateKeyPair('RS256');

/** Opens an issuer on 127.0.0.1; port 0 takes any. Its keys may not be cached, like Pocket ID's. */
export const openIssuer = async (port: number): Promise<TestIssuer> => {
  const { privateKey, publicKey } = await keyPair;
  const keys = { keys: [{ ...(await exportJWK(publicKey)), kid: keyId, alg: 'RS256', use: 'sig' }] };
  let fetches = 0;
  const server = createServer((_request, response) => {
    fetches += 1;
    response.setHeader('content-type', 'application/json; charset=utf-8');
    response.setHeader('cache-control', 'private, no-store');
    response.end(JSON.stringify(keys));
  });
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

  const sign = async (claims: Readonly<Record<string, unknown>>, kid = keyId): Promise<string> => {
    const now = Math.floor(Date.now() / 1000);
    const whole = { iss: issuer, aud: ['netbird'], iat: now, exp: now + lifetimeS, ...claims };
    return new SignJWT(whole).setProtectedHeader({ alg: 'RS256', kid, typ: 'JWT' }).sign(privateKey);
  };
  return {
    issuer,
    keysLocation: `${issuer}/.well-known/jwks.json`,
    keyFetches: () => fetches,
    reissue: async ({ head, body }, subject) => {
      const now = Math.floor(Date.now() / 1000);
      const aud = (body['aud'] as readonly string[]).map((one) => (one === body['iss'] ? issuer : one));
      const claims = { ...body, iss: issuer, sub: subject, aud, iat: now, exp: now + lifetimeS };
      return new SignJWT(claims).setProtectedHeader({ ...head, alg: 'RS256', kid: keyId }).sign(privateKey);
    },
    sign,
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
};
