import type { Check } from '../../orchestrator/report/check.ts';
import { isStackError } from '../../shared/errors.ts';

/** What a check looks at and promises. */
export interface Rule {
  /** Stable, such as `oidc.issuer`. */
  readonly id: string;
  /** The rule as a sentence. */
  readonly title: string;
  /** What to do where it fails. */
  readonly fix: string;
}

/** What a check leaves for those after it; missing where it did not pass, with the reason they are skipped for. */
export type Result<T> = { readonly value: T } | { readonly missing: string };

/** A check that passed: what was seen, and what later checks need of it. */
export interface Finding<T> {
  readonly seen: string;
  readonly value: T;
}

/** Thrown inside a check: the rule does not hold. */
class RuleBroken extends Error {
  override readonly name = 'RuleBroken';
}

/** Ends the check that runs as failed; `seen` says what was seen and what was wanted, without secrets. */
export const broken = (seen: string): never => {
  throw new RuleBroken(seen);
};

/** For a first check, or one that needs nothing of the others. */
export const nothing: Result<undefined> = { value: undefined };

/** Both results, or the reason of the first that is missing. */
export const both = <A, B>(a: Result<A>, b: Result<B>): Result<readonly [A, B]> => {
  if ('missing' in a) return a;
  return 'missing' in b ? b : { value: [a.value, b.value] };
};

/**
 * Runs checks one after the other and remembers how they ended. One whose input is missing is skipped, with the reason.
 * A check that meets an error has failed: what it looks at does not answer as it should.
 */
export const createChecks = (signal: AbortSignal) => {
  const checks: Check[] = [];

  const check = async <I, O>(
    rule: Rule,
    input: Result<I>,
    look: (input: I) => Promise<Finding<O>> | Finding<O>,
  ): Promise<Result<O>> => {
    const { id, title, fix } = rule;
    if ('missing' in input) {
      checks.push({ id, title, status: 'skipped', detail: input.missing, required: true });
      return input;
    }
    signal.throwIfAborted();
    try {
      const { seen, value } = await look(input.value);
      checks.push({ id, title, status: 'passed', detail: seen, required: true });
      return { value };
    } catch (error) {
      signal.throwIfAborted();
      const detail = error instanceof Error ? error.message : String(error);
      const hint = isStackError(error) ? error.hint : fix;
      checks.push({ id, title, status: 'failed', detail, fix: hint, required: true });
      return { missing: `did not run, because this failed: ${title}` };
    }
  };

  return { check, checks: (): readonly Check[] => checks };
};

export type Checks = ReturnType<typeof createChecks>;
