import { instant } from '../acme/policy.ts';
import { readStanding } from '../dns/follow/state.ts';
import type { Standing, Trouble } from '../dns/follow/standing.ts';
import { wantedAddress } from '../settings/public-address.ts';
import type { Settings } from '../settings/settings.ts';

/** The followed address as the renewer wrote it down; instants as ISO 8601. */
export interface FollowedSummary {
  readonly address?: string;
  readonly since?: string;
  /** The last look that showed it. */
  readonly seen?: string;
  /** What keeps it from being known, or the records from leading there. */
  readonly failure?: {
    readonly of: 'address' | 'records';
    readonly since: string;
    readonly message: string;
    readonly hint: string;
  };
}

const iso = (ms: number): string => new Date(ms).toISOString();

const failureOf = ({ trouble }: Standing): FollowedSummary['failure'] => {
  const told = (of: 'address' | 'records', { message, hint, sinceMs }: Trouble) => ({
    of,
    since: iso(sinceMs),
    message,
    hint,
  });
  if (trouble.records !== undefined) return told('records', trouble.records);
  return trouble.address === undefined ? undefined : told('address', trouble.address);
};

/** For `status`; undefined where the address is a given one. Costs one small file. */
export const followedOf = async (settings: Settings): Promise<FollowedSummary | undefined> => {
  if (wantedAddress(settings).from !== 'internet') return undefined;
  const standing = await readStanding(settings.paths.publicAddress);
  const { address } = standing;
  const failure = failureOf(standing);
  return {
    ...(address === undefined
      ? {}
      : { address: address.text, since: iso(address.sinceMs), seen: iso(address.seenMs) }),
    ...(failure === undefined ? {} : { failure }),
  };
};

/** The same in one line. */
export const followedText = ({ address, since, seen, failure }: FollowedSummary): string => {
  const minute = (text: string): string => instant(Date.parse(text));
  const known =
    address === undefined || since === undefined || seen === undefined
      ? 'not known yet: the service certs looks for it'
      : `${address} since ${minute(since)}, last seen ${minute(seen)}`;
  if (failure === undefined) return known;
  const { of, message, hint } = failure;
  const what = of === 'records' ? 'the records do not follow' : 'nothing newer is known';
  return `${known}; ${what} since ${minute(failure.since)}: ${message} (${hint})`;
};
