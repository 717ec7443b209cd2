import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto';

import {
  type CryptoKey,
  type JWK,
  calculateJwkThumbprint,
  exportJWK,
  generateKeyPair,
  importJWK,
} from 'jose';

import { StartError } from './start-error.ts';
import type { Store } from './store.ts';

/** The one RS256 key that signs sessions and tokens. */
export interface SigningKey {
  readonly kid: string;
  readonly privateKey: CryptoKey | Uint8Array;
  readonly publicKey: CryptoKey | Uint8Array;
  /** As the JWKS shows it. */
  readonly publicJwk: JWK;
}

const algorithm = 'aes-256-gcm';
const ivBytes = 12;
const tagBytes = 16;

const sealingKey = (encryptionKey: Uint8Array): Uint8Array =>
  new Uint8Array(hkdfSync('sha256', encryptionKey, '', 'signing key', 32));

const seal = (text: string, encryptionKey: Uint8Array): string => {
  const iv = randomBytes(ivBytes);
  const cipher = createCipheriv(algorithm, sealingKey(encryptionKey), iv);
  const sealed = Buffer.concat([cipher.update(text, 'utf8'), cipher.final()]);
  return Buffer.concat([iv, cipher.getAuthTag(), sealed]).toString('base64');
};

const open = (text: string, encryptionKey: Uint8Array): string => {
  const bytes = Buffer.from(text, 'base64');
  const decipher = createDecipheriv(algorithm, sealingKey(encryptionKey), bytes.subarray(0, ivBytes));
  decipher.setAuthTag(bytes.subarray(ivBytes, ivBytes + tagBytes));
  return Buffer.concat([decipher.update(bytes.subarray(ivBytes + tagBytes)), decipher.final()]).toString(
    'utf8',
  );
};

const makeKey = async (): Promise<JWK> => {
  const { privateKey } = await generateKeyPair('RS256', { modulusLength: 2048, extractable: true });
  return exportJWK(privateKey);
};

const readKey = (sealed: string, encryptionKey: Uint8Array): JWK => {
  try {
    return JSON.parse(open(sealed, encryptionKey)) as JWK;
  } catch (error) {
    throw new StartError(
      'failed to decrypt private key: ENCRYPTION_KEY is not the one this database was made with',
      {
        cause: error,
      },
    );
  }
};

/**
 * The stored key, or a new one in an empty database.
 * @throws StartError when the stored key was sealed with another encryption key
 */
export const loadSigningKey = async (store: Store, encryptionKey: Uint8Array): Promise<SigningKey> => {
  const stored = await store.get('signing-key', 'RS256');
  const jwk = stored === undefined ? await makeKey() : readKey(stored.sealed, encryptionKey);
  if (stored === undefined)
    await store.insert('signing-key', 'RS256', { sealed: seal(JSON.stringify(jwk), encryptionKey) });
  const { kty, n, e } = jwk;
  if (kty === undefined || n === undefined || e === undefined)
    throw new StartError('the stored signing key is not RSA');
  const thumbprint = await calculateJwkThumbprint({ kty, n, e });
  const kid = Buffer.from(thumbprint, 'base64url').subarray(0, 8).toString('base64url');
  const publicJwk = { alg: 'RS256', e, kid, kty, n, use: 'sig' };
  return {
    kid,
    privateKey: await importJWK(jwk, 'RS256'),
    publicKey: await importJWK(publicJwk, 'RS256'),
    publicJwk,
  };
};
