import { BlockList, isIP } from 'node:net';

import { StartError } from './start-error.ts';

/** Says whether an address belongs to a proxy whose `X-Forwarded-For` is believed. */
export type TrustedProxies = (address: string) => boolean;

/** An IPv4 address as a dual-stack socket shows it (`::ffff:127.0.0.1`) in its plain form. */
const plain = (address: string): string => address.replace(/^::ffff:(?=\d+\.)/, '');

const familyOf = (address: string): 'ipv4' | 'ipv6' => (isIP(address) === 6 ? 'ipv6' : 'ipv4');

/**
 * Reads `TRUST_PROXY`: empty or false = nobody, true = everybody, else a comma list of addresses and CIDR blocks.
 * @throws StartError naming the entry that is neither
 */
export const parseTrustedProxies = (text: string): TrustedProxies => {
  if (['', '0', 'f', 'F', 'false', 'FALSE', 'False'].includes(text)) return () => false;
  if (['1', 't', 'T', 'true', 'TRUE', 'True'].includes(text)) return () => true;
  const list = new BlockList();
  for (const entry of text.split(',').map((each) => each.trim())) {
    const [address = '', bits] = entry.split('/');
    const size = bits === undefined ? undefined : Number(bits);
    const largest = isIP(address) === 6 ? 128 : 32;
    if (
      isIP(address) === 0 ||
      (size !== undefined && !(Number.isInteger(size) && size >= 0 && size <= largest))
    )
      throw new StartError(
        `TRUST_PROXY has ${JSON.stringify(entry)}, wanted true, false, addresses or CIDR blocks`,
      );
    if (size === undefined) list.addAddress(address, familyOf(address));
    else list.addSubnet(address, size, familyOf(address));
  }
  return (address) => isIP(plain(address)) !== 0 && list.check(plain(address), familyOf(plain(address)));
};

/**
 * The address that rate limits count: the last one in `X-Forwarded-For` that no trusted proxy wrote,
 * or the peer itself where it is not trusted.
 */
export const clientAddress = (
  peer: string,
  forwardedFor: string | undefined,
  trusted: TrustedProxies,
): string => {
  if (!trusted(peer) || forwardedFor === undefined) return plain(peer);
  const hops = forwardedFor.split(',').map((hop) => hop.trim());
  if (hops.some((hop) => isIP(hop) === 0)) return plain(peer);
  return hops.findLast((hop) => !trusted(hop)) ?? hops[0] ?? plain(peer);
};
