import { isIP } from 'node:net';
import { invalid } from '../answers.ts';

const bitsOf = { 4: 32, 6: 128 } as const;
const smallestIpv4Range = 28;

/**
 * A range in CIDR form with its host bits cleared, or undefined for an empty text.
 * @throws {ApiError} 422 when it is no CIDR range, or an IPv4 range smaller than /28.
 */
export function networkRange(text: string): string | undefined {
  if (text === '') return undefined;
  const range = parseCidr(text);
  if (range === undefined) {
    const why = text.includes('/') ? 'not an address with a prefix length' : "no '/'";
    throw invalid(`invalid cidr format: netip.parseprefix("${text}"): ${why}`);
  }
  if (range.family === 4 && range.prefix > smallestIpv4Range) {
    throw invalid('network range too small: minimum size is /28 for ipv4');
  }
  return range.family === 4 ? `${clearedIpv4(range.address, range.prefix)}/${range.prefix}` : text;
}

export interface Cidr {
  readonly address: string;
  readonly family: 4 | 6;
  readonly prefix: number;
}

/** Address and prefix length of a CIDR range, or undefined when `text` is none. */
export function parseCidr(text: string): Cidr | undefined {
  const [address = '', prefixText, ...more] = text.split('/');
  const family = isIP(address);
  if ((family !== 4 && family !== 6) || prefixText === undefined || more.length > 0) return undefined;
  const prefix = Number(prefixText);
  return /^\d{1,3}$/.test(prefixText) && prefix <= bitsOf[family] ? { address, family, prefix } : undefined;
}

function clearedIpv4(address: string, prefix: number): string {
  const value = address.split('.').reduce((sum, part) => sum * 256 + Number(part), 0);
  const size = 2 ** (bitsOf[4] - prefix);
  const first = Math.floor(value / size) * size;
  return [24, 16, 8, 0].map((shift) => Math.floor(first / 2 ** shift) % 256).join('.');
}
