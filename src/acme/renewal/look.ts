import { randomInt } from 'node:crypto';
import type { Effects } from '../../orchestrator/effects.ts';
import { nowMs } from '../../shared/clock.ts';
import { digestOf } from '../../shared/files.ts';
import type { Http } from '../../shared/http.ts';
import {
  isPublicDirectory,
  judge,
  type AcmeDesired,
  type CertificateFacts,
  type Judgement,
} from '../policy.ts';
import { describe, placeOf, readStored, type Roots, type Stored } from '../store.ts';
import { askWhenToRenew } from './ask.ts';
import type { Attempts } from './attempts.ts';
import { advised, isToBeAsked, type Advice } from './schedule.ts';
import { readAdvice, readAttempts, readMissingSince, saveAdvice, saveMissingSince } from './state.ts';

/** From 0 to below 1. */
export const random = (): number => randomInt(1_000_000) / 1_000_000;

/**
 * What is ordered, as one word: failures belong to it, and for something else the first try is made at once. Places on
 * disk are left out, since host and container name them differently.
 */
export const wishOf = (wanted: AcmeDesired): string => {
  const { domain, names, directory, contact, profile, cloudflare, dns } = wanted;
  return digestOf(JSON.stringify([domain, names, directory, contact, profile, cloudflare.api, dns])).slice(
    0,
    16,
  );
};

/** What one look at the store showed of a certificate. */
export interface Standing {
  readonly stored: Exclude<Stored, { readonly damaged: string }>;
  /** Left out where there is none, or none that can be read. */
  readonly facts: CertificateFacts | undefined;
  readonly judgement: Judgement;
  readonly advice: Advice | undefined;
  readonly attempts: Attempts | undefined;
  /** Since when the renewer has seen no valid certificate, in ms since the epoch. */
  readonly missingSinceMs?: number | undefined;
}

/** What the stored certificate is worth, held against these roots and what its authority suggests. */
export const lookAtStore = async (wanted: AcmeDesired, roots: Roots): Promise<Standing> => {
  const place = placeOf(wanted);
  const [stored, advice, attempts, missingSinceMs] = await Promise.all([
    readStored(wanted.certificates, wanted.domain),
    readAdvice(place),
    readAttempts(place),
    readMissingSince(place),
  ]);
  const now = nowMs();
  if (stored === undefined || 'damaged' in stored) {
    const judgement = judge(stored?.damaged, wanted, now);
    return { stored: undefined, facts: undefined, judgement, advice, attempts, missingSinceMs };
  }
  const { directory, public: wasPublic } = stored.meta ?? {};
  const seen = describe(stored.pair, directory, roots, now);
  const isPublic = wasPublic ?? isPublicDirectory(directory);
  const facts = typeof seen === 'string' ? seen : { ...seen, isPublic };
  const judgement = judge(facts, wanted, now, advice);
  return {
    stored,
    facts: typeof facts === 'string' ? undefined : facts,
    judgement,
    advice,
    attempts,
    missingSinceMs,
  };
};

/** Remembers since when there is no valid certificate. It never fails: what cannot be written fails where it matters. */
export const rememberMissing = async (
  wanted: AcmeDesired,
  standing: Standing,
  effects: Effects,
): Promise<Standing> => {
  const { judgement, missingSinceMs: before } = standing;
  const now = nowMs();
  // A moment that a clock which was set back has left ahead of us would hide a day.
  const since = judgement.valid ? undefined : before === undefined || before > now ? now : before;
  if (since !== before) await saveMissingSince(placeOf(wanted), since, effects).catch(() => undefined);
  return { ...standing, missingSinceMs: since };
};

/**
 * Asks the authority when to renew, where it is time to ask, and keeps what it says. Never fails for what it answers.
 * @throws {StackError} DISK_*
 */
export const refreshAdvice = async (
  wanted: AcmeDesired,
  { stored, facts, advice: before }: Standing,
  http: Http,
  effects: Effects,
  signal: AbortSignal,
): Promise<boolean> => {
  if (stored === undefined || facts === undefined || facts.directory !== wanted.directory) return false;
  const place = placeOf(wanted);
  if (!isToBeAsked(facts, before, nowMs())) return false;
  const { directory } = wanted;
  const answer = await askWhenToRenew({ directory, chainPem: stored.pair.chainPem, http, signal });
  await saveAdvice(place, advised(facts.serial, before, answer, nowMs(), random()), effects);
  return true;
};
