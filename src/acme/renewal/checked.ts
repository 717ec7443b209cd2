import { nowMs } from '../../shared/clock.ts';
import { StackError } from '../../shared/errors.ts';
import { judge } from '../policy.ts';
import { describe, type Pair, type Roots } from '../store.ts';
import type { Context } from './records.ts';

/**
 * Holds what an authority issued against the wishes and the trusted roots; returns its serial number.
 * @throws {StackError} CERTIFICATE_INVALID
 */
export const checked = (pair: Pair, { desired }: Context, roots: Roots): string => {
  const now = nowMs();
  const facts = describe(pair, desired.directory, roots, now);
  const { valid, why } = judge(facts, desired, now);
  if (valid && typeof facts !== 'string') return facts.serial;
  const { host } = new URL(desired.directory);
  const isAsAsked =
    typeof facts !== 'string' &&
    facts.keyMatches &&
    desired.names.every((name) => facts.names.includes(name));
  throw new StackError('CERTIFICATE_INVALID', `the certificate that ${host} issued cannot be used: ${why}`, {
    hint: isAsAsked
      ? 'check that certificates.trust holds the roots of certificates.directory, and the clock of this machine'
      : 'the authority did not do what it was asked: choose another certificates.directory, or ask those who run it',
    data: { directory: desired.directory, names: desired.names, why },
  });
};
