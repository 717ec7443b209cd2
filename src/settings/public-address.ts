import type { HostSettings } from './schema.ts';

/*
 * Which address the names lead to and coturn gives to others; and where the renewer, who follows one that changes, hands
 * it to coturn.
 */

/** A given address, this host's in its own network, or the one the internet sees. */
export type WantedAddress =
  | { readonly from: 'settings'; readonly address: string }
  | { readonly from: 'lan' }
  | { readonly from: 'internet' };

/** Addresses that mean "all" or "this machine itself": nothing a device at home could dial. */
const isUndialable = (address: string): boolean =>
  address === '0.0.0.0' || address === '::' || address === '::1' || address.startsWith('127.');

/** The address that is wanted; only `internet` can change without a word of the operator, and is followed. */
export const wantedAddress = ({ reachability }: Pick<HostSettings, 'reachability'>): WantedAddress => {
  const { mode, address, bind } = reachability;
  if (address !== 'auto') return { from: 'settings', address };
  if (mode !== 'lan') return { from: 'internet' };
  return isUndialable(bind) ? { from: 'lan' } : { from: 'settings', address: bind };
};

/** Where the containers of the renewer, who writes, and of coturn have the folder with the followed address. */
export const followedInContainer = '/etc/skylab-public-address';

/** What stands in that folder: one line with the address, for coturn; and what `status` shows. */
export const followedFiles = { address: 'address', state: 'state.json' } as const;
