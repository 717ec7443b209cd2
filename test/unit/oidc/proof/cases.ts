import type { ProofPorts } from '../../../../src/oidc/proof/ports.ts';
import type { Lie } from '../support/liar.ts';

/** One way to misbehave, and the checks that must notice; those that need them are skipped, all others pass. */
export interface Case {
  readonly how: string;
  readonly noticedBy: readonly string[];
  readonly lies?: readonly Lie[];
  readonly change?: (ports: ProofPorts) => ProofPorts;
}

export const issuer = 'https://pocketid.lab.test:18443';
export const callback = 'https://netbird.lab.test:18443/auth/callback';

/** An address with other parameters; null takes one out. */
export const withQuery = (landing: URL, change: Record<string, string | null>): URL => {
  const to = new URL(landing);
  for (const [name, value] of Object.entries(change)) {
    if (value === null) to.searchParams.delete(name);
    else to.searchParams.set(name, value);
  }
  return to;
};
