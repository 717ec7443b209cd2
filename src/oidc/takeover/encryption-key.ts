import { createDecipheriv, createHmac } from 'node:crypto';
import { parseEnvFile } from '../../settings/identity-env.ts';
import { StackError } from '../../shared/errors.ts';

/*
 * Pocket ID uses ENCRYPTION_KEY byte for byte (backend/internal/common/env_config.go): a line break at the end of the
 * file that ENCRYPTION_KEY_FILE names is part of the key, and one that a shell took away is not. Which one it was can be
 * tried on the signing key in the database.
 */

/** What was found in a key file. The first candidate is the file as it stands. */
export interface KeyFile {
  readonly candidates: readonly string[];
  /** APP_URL, where the file is an env file that has it. */
  readonly appUrl: string | undefined;
}

const leastBytes = 16;

const invalid = (name: string, seen: string, hint: string): StackError =>
  new StackError('SECRET_INVALID', `${name}: ${seen}`, { hint });

/**
 * Reads the key from the bytes of a file: an env file such as pocketid.env, or the key itself.
 * @throws {StackError} SECRET_INVALID, never with the key in it
 */
export const readKeyFile = (bytes: Buffer, name: string): KeyFile => {
  const text = bytes.toString('utf8');
  if (!Buffer.from(text, 'utf8').equals(bytes))
    throw invalid(
      name,
      'the key is no text (UTF-8), and this stack keeps keys as text',
      'change it on the old server first: pocket-id encryption-key-rotate; docs/pocketid.md',
    );
  const variables = parseEnvFile(text);
  const fromEnv = variables.get('ENCRYPTION_KEY');
  const isEnvFile = fromEnv !== undefined || /^[A-Z][A-Z0-9_]*=.*\n[A-Z][A-Z0-9_]*=/m.test(text);
  if (isEnvFile && fromEnv === undefined) {
    const pointed = variables.get('ENCRYPTION_KEY_FILE');
    throw invalid(
      name,
      pointed === undefined ? 'there is no ENCRYPTION_KEY in it' : `the key is not in it, but in ${pointed}`,
      pointed === undefined ? 'name the file that has the key' : `--key-file ${pointed}`,
    );
  }
  const bare = text.replace(/\r?\n$/, '');
  const candidates = fromEnv === undefined ? [...new Set([text, bare])] : [fromEnv];
  const usable = candidates.filter((one) => Buffer.byteLength(one) >= leastBytes);
  if (usable.length === 0)
    throw invalid(
      name,
      `the key has ${Buffer.byteLength(candidates[0] ?? '')} bytes, and Pocket ID takes none below ${leastBytes}`,
      'name the file that has the ENCRYPTION_KEY of the old server',
    );
  return { candidates: usable, appUrl: variables.get('APP_URL') };
};

/** The key of AES-256-GCM (backend/internal/utils/jwk/utils.go and crypto/key.go). */
export const sealingKey = (encryptionKey: string, instanceId: string): Buffer =>
  createHmac('sha3-256', Buffer.from(encryptionKey, 'utf8'))
    .update(`pocketid/${instanceId}/jwk-kek`)
    .digest();

const nonceBytes = 12;
const tagBytes = 16;

/** True where this encryption key opens the signing key of that instance. */
export const opens = (encryptionKey: string, instanceId: string, sealed: string): boolean => {
  const bytes = Buffer.from(sealed, 'base64');
  if (bytes.length < nonceBytes + tagBytes) return false;
  const decipher = createDecipheriv(
    'aes-256-gcm',
    sealingKey(encryptionKey, instanceId),
    bytes.subarray(0, nonceBytes),
  );
  decipher.setAuthTag(bytes.subarray(-tagBytes));
  try {
    decipher.update(bytes.subarray(nonceBytes, -tagBytes));
    decipher.final();
    return true;
  } catch {
    return false;
  }
};
