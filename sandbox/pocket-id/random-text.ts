import { randomInt } from 'node:crypto';

/** No I, L or O in either case: nobody can mistake them for 1 and 0. */
export const unambiguous = '0123456789ABCDEFGHJKMNPQRSTUVWXYZabcdefghjkmnpqrstuvwxyz';
export const unambiguousCapitals = '0123456789ABCDEFGHJKMNPQRSTUVWXYZ';
export const alphanumeric = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789';

export const randomText = (length: number, alphabet: string): string =>
  Array.from({ length }, () => alphabet.charAt(randomInt(alphabet.length))).join('');
