import type { Seal } from './seal.ts';
import type { Store } from './store.ts';
import type { UserRecord } from './model.ts';

/** What every handler works with. */
export interface World {
  readonly store: Store;
  readonly seal: Seal;
  /** `--single-account-mode-domain`: the domain a new account gets. */
  readonly accountDomain: string;
  /** `--dns-domain`: the domain of peers where the account names none. */
  readonly dnsDomain: string;
  readonly disableDefaultPolicy: boolean;
  now(): Date;
}

/** One request that found its route and whose caller is known. */
export interface Call {
  readonly params: Readonly<Record<string, string>>;
  readonly query: URLSearchParams;
  readonly body: string;
  readonly caller: UserRecord;
}

/** What Go prints for a time that was never set. */
export const neverAt = '0001-01-01T00:00:00Z';

/** The wire form of an instant: RFC 3339 without trailing zeros in the fraction, as Go writes it. */
export const timestamp = (at: Date): string =>
  at.toISOString().replace(/\.(\d*?)0*Z$/, (_, digits: string) => (digits === '' ? 'Z' : `.${digits}Z`));
