import type { CertificateFacts, Judgement } from '../policy.ts';
import { heldUntil, type Attempts } from './attempts.ts';
import { isToBeAsked, renewalOf, type Advice } from './schedule.ts';

/*
 * What the renewer does next, and when it looks again. Pure; instants in ms since the epoch.
 */

const dayMs = 86_400_000;

/** issue a certificate · remove TXT records of ended runs · ask the authority when to renew · nothing */
export type Act = 'issue' | 'sweep' | 'ask' | 'rest';

interface Seen {
  readonly judgement: Judgement;
  /** Left out where there is no certificate, or none that can be read. */
  readonly facts: CertificateFacts | undefined;
  readonly advice: Advice | undefined;
  readonly attempts: Attempts | undefined;
  /** What is wanted, as one word. */
  readonly wish: string;
  /** The directory that is wanted: about certificates of another one it is not asked. */
  readonly directory: string;
  /** TXT records that ended runs wrote down. */
  readonly leftovers: number;
}

/** What to do now, and the next moment at which something is to be done, as far as is known. */
export const nextAct = (seen: Seen, nowMs: number): { readonly act: Act; readonly wakeAtMs: number } => {
  const { judgement, facts, advice, attempts, wish } = seen;
  const heldMs = judgement.due ? heldUntil(attempts, wish, nowMs) : undefined;
  const isKnown = facts !== undefined && facts.directory === seen.directory;
  const moments = [
    judgement.due ? heldMs : judgement.renewAtMs,
    isKnown && advice?.serial === facts.serial && nowMs < facts.notAfterMs ? advice.askAtMs : undefined,
  ].filter((ms) => ms !== undefined);
  const wakeAtMs = Math.max(nowMs, Math.min(...moments));
  if (judgement.due && heldMs === undefined) return { act: 'issue', wakeAtMs: nowMs };
  if (seen.leftovers > 0) return { act: 'sweep', wakeAtMs };
  return { act: isKnown && isToBeAsked(facts, advice, nowMs) ? 'ask' : 'rest', wakeAtMs };
};

/**
 * True where a certificate should have been renewed, or should have been there at all, more than a day ago: then the service
 * is not healthy.
 */
export const isOverdue = (
  {
    facts,
    advice,
    missingSinceMs = Infinity,
  }: Pick<Seen, 'facts' | 'advice'> & { readonly missingSinceMs?: number | undefined },
  nowMs: number,
): boolean =>
  nowMs > missingSinceMs + dayMs ||
  (facts !== undefined &&
    nowMs > renewalOf(facts, advice?.serial === facts.serial ? advice : undefined).atMs + dayMs);
