import { BlockList, isIP } from 'node:net';

/** Ranges that nobody on the internet can dial, by the word for them. */
const ranges = [
  ['10.0.0.0', 8, 'private'],
  ['172.16.0.0', 12, 'private'],
  ['192.168.0.0', 16, 'private'],
  ['100.64.0.0', 10, 'carrier'],
  ['169.254.0.0', 16, 'local'],
  ['127.0.0.0', 8, 'local'],
  ['fc00::', 7, 'private'],
  ['fe80::', 10, 'local'],
  ['::1', 128, 'local'],
] as const;

const familyOf = (address: string): 'ipv4' | 'ipv6' => (address.includes(':') ? 'ipv6' : 'ipv4');

const lists = ranges.map(([base, bits, kind]) => {
  const list = new BlockList();
  list.addSubnet(base, bits, familyOf(base));
  return { list, kind };
});

/**
 * `public`, or why an address cannot be dialled from the internet. `private`: RFC 1918, RFC 4193. `carrier`: shared by the
 * customers of a provider, RFC 6598. `local`: of this machine or this cable.
 */
export const kindOfAddress = (address: string): 'public' | 'private' | 'carrier' | 'local' =>
  (isIP(address) === 0
    ? undefined
    : lists.find(({ list }) => list.check(address, familyOf(address)))?.kind) ?? 'public';
