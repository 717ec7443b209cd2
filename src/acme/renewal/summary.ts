import { X509Certificate } from 'node:crypto';
import { instant, type AcmeDesired } from '../policy.ts';
import { wishOf, type Standing } from './look.ts';

/*
 * A certificate for people: names, issuer, days left, what comes next and when; and where orders fail, who must do what
 * by when. Pure.
 */

const dayMs = 86_400_000;

/** Instants as ISO 8601. */
export interface CertificateSummary {
  readonly names: readonly string[];
  readonly issuer: string;
  readonly notAfter: string;
  readonly days: number;
  /** Left out where it is due already. */
  readonly renewAt?: string;
  /** True: the authority chose that moment. */
  readonly suggested: boolean;
  /** When the authority is asked again whether that moment still holds. */
  readonly asksAt?: string;
  /** The profile that was wanted and that the authority does not offer. */
  readonly withoutProfile?: string;
  /** Why it is served on although the settings lead to another one, and what to do. */
  readonly kept?: string;
}

export interface FailureSummary {
  readonly code: string;
  readonly failures: number;
  readonly since: string;
  readonly nextAt: string;
  /** One sentence: who must do what by when. */
  readonly sentence: string;
}

const iso = (ms: number): string => new Date(ms).toISOString();

/** The issuer as people know it: its organisation and common name. */
const issuerOf = (chainPem: string): string => {
  const parts = new Map(
    new X509Certificate(chainPem).issuer.split('\n').map((line) => {
      const at = line.indexOf('=');
      return [line.slice(0, at), line.slice(at + 1)] as const;
    }),
  );
  return [parts.get('O'), parts.get('CN')].filter((part) => part !== undefined).join(' ');
};

/** Undefined where there is no certificate that can be read. */
export const summaryOf = (standing: Standing, nowMs: number): CertificateSummary | undefined => {
  const { stored, facts, judgement, advice } = standing;
  if (stored === undefined || facts === undefined) return undefined;
  const about = advice?.serial === facts.serial ? advice : undefined;
  const withoutProfile = stored.meta?.without_profile;
  return {
    names: facts.names,
    issuer: issuerOf(stored.pair.chainPem),
    notAfter: iso(facts.notAfterMs),
    days: Math.floor((facts.notAfterMs - nowMs) / dayMs),
    suggested: about?.renewAtMs !== undefined && about.renewAtMs === judgement.renewAtMs,
    ...(judgement.due || judgement.renewAtMs === undefined ? {} : { renewAt: iso(judgement.renewAtMs) }),
    ...(about === undefined ? {} : { asksAt: iso(about.askAtMs) }),
    ...(withoutProfile === undefined ? {} : { withoutProfile }),
    ...(judgement.kept === undefined ? {} : { kept: `${judgement.kept.text}: ${judgement.kept.hint}` }),
  };
};

/** Errors that pass by themselves, where nobody here can do more than wait. */
export const passing: ReadonlySet<string> = new Set([
  'CA_UNREACHABLE',
  'CA_LIMITED',
  'DNS_API_UNREACHABLE',
  'DNS_API_LIMITED',
  'DNS_API_FAILED',
  'DEADLINE',
  'LOCK_HELD',
]);

/** Where orders fail: since when, and who must do what by when. */
export const failureOf = (wanted: AcmeDesired, standing: Standing): FailureSummary | undefined => {
  const { attempts, judgement, facts } = standing;
  if (attempts === undefined || !judgement.due || attempts.wish !== wishOf(wanted)) return undefined;
  const { code, failures, message, hint, sinceMs, untilMs } = attempts;
  const byWhen =
    judgement.valid && facts !== undefined
      ? `by ${instant(facts.notAfterMs)}, when the certificate ends`
      : 'now: no valid certificate is served';
  const what = passing.has(code)
    ? `nobody here has to do anything yet, it is tried again at ${instant(untilMs)}; if it stays so, ${hint}, ${byWhen}`
    : `you have to act ${byWhen}: ${hint}; then npm run -s renew -- --now`;
  return {
    code,
    failures,
    since: iso(sinceMs),
    nextAt: iso(untilMs),
    sentence: `orders fail since ${instant(sinceMs)} (${message}): ${what}`,
  };
};

/** The lines of `status`. */
export const summaryLines = (
  summary: CertificateSummary | undefined,
  failure: FailureSummary | undefined,
): readonly string[] => {
  const minute = (text: string): string => instant(Date.parse(text));
  if (summary === undefined) return failure === undefined ? ['none'] : ['none', failure.sentence];
  const { names, issuer, days, notAfter, renewAt, suggested, asksAt, withoutProfile, kept } = summary;
  const renewal =
    kept !== undefined
      ? kept
      : renewAt === undefined
        ? 'to be renewed now'
        : `renewed at ${minute(renewAt)}${suggested ? ', as its authority suggests' : ''}`;
  const asks = asksAt === undefined ? '' : `; the authority is asked again at ${minute(asksAt)}`;
  return [
    `${names.join(', ')}: ${days} days left (${notAfter.slice(0, 10)}), from ${issuer}`,
    `${renewal}${asks}`,
    ...(withoutProfile === undefined
      ? []
      : [
          `it was ordered without the profile "${withoutProfile}", which its authority does not offer: change certificates.profile`,
        ]),
    ...(failure === undefined ? [] : [failure.sentence]),
  ];
};
