import { createHash, randomInt } from 'node:crypto';
import { crc32 } from 'node:zlib';

const alphabet = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
const prefix = 'nbp_';
const secretLength = 30;
const checksumLength = 6;

/** A new personal access token: `nbp_`, 30 random base62 characters, then their CRC-32 in six base62 characters. */
export function newPersonalAccessToken(): string {
  const secret = Array.from({ length: secretLength }, () => alphabet[randomInt(alphabet.length)]).join('');
  return prefix + secret + checksum(secret);
}

/** True when `text` has the form of a token and its checksum is right: nothing is said about whether it was issued. */
export function isPersonalAccessToken(text: string): boolean {
  const secret = text.slice(prefix.length, prefix.length + secretLength);
  return text.startsWith(prefix) && text === prefix + secret + checksum(secret);
}

/** What is kept of a token: base64 of its SHA-256. */
export const hashOf = (token: string): string => createHash('sha256').update(token).digest('base64');

function checksum(secret: string): string {
  let left = crc32(secret);
  let text = '';
  while (left > 0) {
    text = (alphabet[left % alphabet.length] ?? '') + text;
    left = Math.floor(left / alphabet.length);
  }
  return text.padStart(checksumLength, '0');
}
