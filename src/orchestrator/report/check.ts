/** One check of a proof, of doctor or of status. A check that did not run is skipped with its reason, never passed. */
export interface Check {
  /** Stable, such as `oidc.issuer`. */
  readonly id: string;
  /** The rule it checks, as a sentence: `the issuer is exactly the configured one`. */
  readonly title: string;
  readonly status: 'passed' | 'failed' | 'skipped';
  /** What was seen; for skipped, why it did not run. */
  readonly detail: string;
  /** What to do, where it failed. */
  readonly fix?: string;
  /** How to see that it is mended, where that is more than running it again. */
  readonly confirm?: string;
  /** A required check that was skipped keeps the report from passing. */
  readonly required: boolean;
}

export interface Report {
  readonly subject: string;
  readonly checks: readonly Check[];
}

/** 0 all required checks ran and passed · 2 one failed · 3 one that is required did not run. */
export const exitCodeOfReport = (report: Report): number => {
  if (report.checks.some((check) => check.status === 'failed')) return 2;
  if (
    report.checks.length === 0 ||
    report.checks.some((check) => check.status === 'skipped' && check.required)
  )
    return 3;
  return 0;
};
