import { wantedAddress, type WantedAddress } from '../settings/public-address.ts';
import type { Settings } from '../settings/settings.ts';

/** What should be at the DNS provider. */
export interface DnsDesired {
  readonly domain: string;
  /** Full names that need an address record. */
  readonly names: readonly string[];
  readonly address: WantedAddress;
  readonly ttlSeconds: number;
  /** The comment that makes a record ours; `skylab-<host>` is its first word. */
  readonly comment: string;
  /** Address of the provider's API. */
  readonly api: string;
  /** True: records of other makers that are in the way are taken over. */
  readonly adopt: boolean;
}

/** The first word of every comment of ours, also of the TXT records made for certificates. */
const markOf = (settings: Settings): string => settings.project;

export const desiredDns = (settings: Settings, adopt: boolean): DnsDesired => {
  const { mesh, identity, turn } = settings.addresses;
  return {
    domain: settings.domain,
    names: [mesh, identity, turn],
    address: wantedAddress(settings),
    ttlSeconds: settings.dns.ttl_seconds,
    comment: `${markOf(settings)} address`,
    api: settings.cloudflare.api,
    adopt,
  };
};
