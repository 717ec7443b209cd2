import { join } from 'node:path';
import type { TxtRecord } from '../orchestrator/ports.ts';
import { monotonicMs, nowMs, within } from '../shared/clock.ts';
import { asStackError, isAbort, isStackError, StackError } from '../shared/errors.ts';
import { withHeartbeatLock } from '../shared/heartbeat-lock.ts';
import {
  connect,
  createKey,
  createRequest,
  preload,
  type Authority,
  type Challenge,
  type Order,
} from './client.ts';
import type { AcmeDesired } from './policy.ts';
import { failed } from './renewal/attempts.ts';
import { certificateId } from './renewal/certificate-id.ts';
import { checked } from './renewal/checked.ts';
import { lookAtStore, random, wishOf, type Standing } from './renewal/look.ts';
import { removeLeftovers, removeMade, together, writeJournal, type Context } from './renewal/records.ts';
import { readOpenOrder, saveAttempts, saveOpenOrder } from './renewal/state.ts';
import { accountFile, placeOf, probeStore, readStored, saveCertificate, type Roots } from './store.ts';

/*
 * INVARIANTS
 * - One order at a time: everything here happens inside the lock of the store, which host and renewer share.
 * - No TXT record exists that is not in the journal first. What a killed run left is removed before the next order.
 * - An order is written down with its key as soon as it is made, and goes on in the next run where this one ends.
 * - Nothing is stored that was not held against the wishes and the trusted roots.
 * - A failure is written down before it is told, so that no other process tries again too soon.
 */

const propagationTimeoutMs = 120_000;
/** What is done after a failure or an abort has a time of its own: the signal it would follow is spent. */
const deactivationTimeoutMs = 5000;

/** The authority as it was just read: who signs its https address, and the roots its certificates must chain to. */
export interface Surroundings {
  readonly directoryCa: readonly string[];
  readonly roots: Roots;
}

/** The lock of the store, which host and renewer share. */
export const lockPath = (certificates: string): string => join(certificates, 'store.lock');

/** True where an order is written down whose certificate is stored: the run was ended between the two. */
export const isOrderDone = async (desired: AcmeDesired): Promise<boolean> => {
  const open = await readOpenOrder(placeOf(desired));
  const stored = await readStored(desired.certificates, desired.domain);
  return stored !== undefined && 'pair' in stored && stored.pair.keyPem === open?.key;
};

/** Removes the TXT records of ended runs, and an order that is done. @throws {StackError} DNS_API_*, LOCK_HELD, DISK_* */
export const sweep = async (context: Context, signal: AbortSignal): Promise<void> => {
  const { desired, effects } = context;
  await withHeartbeatLock(
    lockPath(desired.certificates),
    { who: context.ports.who, guards: 'the certificates' },
    signal,
    async (held) => {
      await removeLeftovers(context, held);
      if (await isOrderDone(desired)) await saveOpenOrder(placeOf(desired), undefined, effects);
    },
  );
};

/** Gives up what was not earned; the authority counts it as pending otherwise. What it answers changes nothing. */
const giveUp = async (
  challenges: readonly Challenge[],
  again: (signal: AbortSignal) => Promise<Authority>,
): Promise<void> => {
  await within(undefined, deactivationTimeoutMs, async (signal) => {
    const authority = await again(signal);
    await together(challenges, signal, authority.deactivate);
  }).catch(() => undefined);
};

/**
 * Makes the TXT records, waits until every authoritative server shows them, and has the authority look at them.
 * Whatever happens, they are removed; what cannot be removed stays in the journal.
 */
const earnAll = async (
  context: Context,
  authority: Authority,
  challenges: readonly Challenge[],
  again: (signal: AbortSignal) => Promise<Authority>,
  signal: AbortSignal,
): Promise<void> => {
  const { desired, ports, effects } = context;
  const comment = `${desired.mark} ${new Date(nowMs()).toISOString()}`;
  let planned: readonly { readonly domain: string; readonly name: string; readonly value: string }[] = [];
  const made: TxtRecord[] = [];
  const earned = new Set<Challenge>();
  try {
    planned = await together(challenges, signal, async ({ recordName, recordValue: value }, stop) => ({
      ...(await ports.txt.locate(recordName, stop)),
      value,
    }));
    await writeJournal(context, planned);
    await together(planned, signal, async ({ name, value }, stop) => {
      made.push(await ports.txt.present(name, value, comment, effects, stop));
    });
    await writeJournal(
      context,
      made.map((record) => ({ domain: domainOf(planned, record), ...record })),
    );
    await together(planned, signal, async ({ name, value }, stop) =>
      ports.txt.untilPropagated(name, value, propagationTimeoutMs, stop),
    );
    await together(challenges, signal, async (challenge, stop) => {
      await authority.earn(challenge, stop);
      earned.add(challenge);
    });
  } finally {
    const pending = challenges.filter((challenge) => !earned.has(challenge));
    await Promise.all([
      pending.length === 0 ? undefined : giveUp(pending, again),
      // Where this fails the journal still names them: the next look plans a sweep, which says why it fails.
      planned.length === 0 ? undefined : removeMade(context, made, planned.length).catch(() => undefined),
    ]);
  }
};

const domainOf = (
  planned: readonly { readonly domain: string; readonly name: string }[],
  { name }: TxtRecord,
) => planned.find((one) => one.name === name)?.domain ?? '';

/** An order with the key its certificate will have. */
interface Ordered {
  readonly order: Order;
  /** What is still to be earned of it. */
  readonly challenges: readonly Challenge[];
  readonly keyPem: string;
  readonly isResumed: boolean;
  readonly withoutProfile: boolean;
}

/** The identifier of the stored certificate, where this authority issued it for one of the names: the new one takes its place. */
const replacedBy = async ({ desired }: Context, { stored, facts }: Standing): Promise<string | undefined> => {
  if (stored === undefined || facts?.directory !== desired.directory) return undefined;
  if (!facts.names.some((name) => desired.names.includes(name))) return undefined;
  return certificateId(stored.pair.chainPem).catch(() => undefined);
};

const undefinedIfRefused = (error: unknown): undefined => {
  if (!isStackError(error) || error.code !== 'CA_REFUSED') throw error;
};

/** Goes on with the order of an earlier run, or makes a new one and writes it down. */
const orderAnew = async (context: Context, authority: Authority, standing: Standing): Promise<Ordered> => {
  const { desired, effects } = context;
  const { directory, names, profile } = desired;
  const place = placeOf(desired);
  const open = await readOpenOrder(place);
  if (open?.directory === directory && open.profile === profile && open.names.join() === [...names].join()) {
    const order = await authority.resume(open.url, names);
    // Its authorizations may be over while it is not; then nothing can be made of it.
    const challenges = order && (await authority.challenges(order).catch(undefinedIfRefused));
    if (order !== undefined && challenges !== undefined) {
      const withoutProfile = open.without_profile === true;
      return { order, challenges, keyPem: open.key, isResumed: true, withoutProfile };
    }
  }
  const keyPem = await createKey();
  const replaces = await replacedBy(context, standing);
  const { order, withoutProfile } = await authority.order({ names, profile, replaces });
  const written = { directory, names: [...names], url: order.url, key: keyPem };
  const wished = profile === undefined ? {} : { profile, without_profile: withoutProfile };
  await saveOpenOrder(place, { ...written, ...wished }, effects);
  const challenges = await authority.challenges(order);
  return { order, challenges, keyPem, isResumed: false, withoutProfile };
};

const issue = async (
  context: Context,
  around: Surroundings,
  standing: Standing,
  signal: AbortSignal,
): Promise<void> => {
  const { desired, ports, effects } = context;
  const { directory, certificates, domain, names, contact, profile } = desired;
  const place = placeOf(desired);
  const http = ports.http(around.directoryCa);
  const account = accountFile(certificates, directory);
  const connected = async (stop: AbortSignal) =>
    connect({ directory, http, account, contact, effects, signal: stop });
  const finished = async (authority: Authority, { order, challenges, keyPem }: Ordered) => {
    if (challenges.length > 0) await earnAll(context, authority, challenges, connected, signal);
    const chainPem = await authority.collect(order, await createRequest(names, keyPem));
    const pair = { keyPem, chainPem };
    return { pair, serial: checked(pair, context, around.roots) };
  };
  try {
    const authority = await connected(signal);
    let ordered = await orderAnew(context, authority, standing);
    let { pair, serial } = await finished(authority, ordered);
    if (ordered.isResumed && serial === standing.facts?.serial) {
      // The run before stored this one already and was ended right after.
      await saveOpenOrder(place, undefined, effects);
      ordered = await orderAnew(context, authority, standing);
      ({ pair, serial } = await finished(authority, ordered));
    }
    const meta = {
      directory,
      names: [...names],
      serial,
      issued_at: new Date(nowMs()).toISOString(),
      public: desired.trust === 'system',
      ...(ordered.withoutProfile && profile !== undefined ? { without_profile: profile } : {}),
    };
    await saveCertificate(certificates, domain, { pair, meta }, effects);
    await saveOpenOrder(place, undefined, effects);
  } catch (error) {
    // What was refused cannot be finished; what was broken off can.
    const isOver = isStackError(error) && ['CA_REFUSED', 'CERTIFICATE_INVALID'].includes(error.code);
    if (isOver) await saveOpenOrder(place, undefined, effects);
    throw error;
  } finally {
    http.close();
  }
};

/** What ended an order, as one of our errors; undefined where somebody wanted it to end. */
const failureOf = (error: unknown, signal: AbortSignal, startedMs: number): StackError | undefined => {
  const reason: unknown = signal.aborted ? signal.reason : error;
  const isLate = signal.aborted ? reason instanceof Error && reason.name === 'TimeoutError' : isAbort(reason);
  if (!isLate) return signal.aborted ? undefined : asStackError(error);
  const seconds = Math.round((monotonicMs() - startedMs) / 1000);
  return new StackError('DEADLINE', `the certificate was not issued within ${seconds} s`, {
    hint: 'nothing: it is tried again, and goes on where it stopped',
    cause: error,
  });
};

/** Issues, and keeps account of failures in a row. */
const issueCounted = async (
  context: Context,
  around: Surroundings,
  standing: Standing,
  signal: AbortSignal,
): Promise<void> => {
  const { desired, effects } = context;
  const place = placeOf(desired);
  const startedMs = monotonicMs();
  // It takes longer than the two questions to the provider that come first.
  preload();
  try {
    await removeLeftovers(context, signal);
    await issue(context, around, standing, signal);
  } catch (error) {
    const failure = failureOf(error, signal, startedMs);
    if (failure === undefined) throw error;
    const clock = { nowMs: nowMs(), notAfterMs: standing.facts?.notAfterMs, random: random() };
    const attempts = failed(standing.attempts, wishOf(desired), failure, clock);
    // A disk that does not take this has failed the order too, and that is what is told.
    await saveAttempts(place, attempts, effects).catch(() => undefined);
    throw failure;
  }
  await saveAttempts(place, undefined, effects);
};

/**
 * Puts a valid certificate into the store: `present` where another process has done so meanwhile. `force` orders one even
 * if the stored one is still good. The disk is tried out first, so that nothing is ordered that could not be stored.
 * @throws {StackError} CA_*, DNS_*, CERTIFICATE_INVALID, CERTIFICATE_KEPT, LOCK_HELD, DISK_*
 */
export const obtain = async (
  context: Context,
  around: Surroundings,
  force: boolean,
  signal: AbortSignal,
): Promise<'issued' | 'present'> => {
  const { desired, ports, effects } = context;
  const { certificates, domain } = desired;
  const before = await lookAtStore(desired, around.roots);
  await probeStore(certificates, domain, effects);
  const lock = { who: ports.who, guards: 'the certificates' };
  return withHeartbeatLock(lockPath(certificates), lock, signal, async (held) => {
    const standing = await lookAtStore(desired, around.roots);
    const isSame = standing.stored?.version === before.stored?.version;
    const { due, kept } = standing.judgement;
    if (kept !== undefined && context.replaceTrusted !== new URL(desired.directory).host)
      throw new StackError('CERTIFICATE_KEPT', kept.text, { hint: kept.hint });
    if (!due && kept === undefined && (!force || !isSame)) return 'present';
    const { attempts } = standing;
    if (!force && attempts?.wish === wishOf(desired) && attempts.lastMs !== before.attempts?.lastMs) {
      // While we waited for the lock another process has tried, and failed.
      throw new StackError(attempts.code, attempts.message, { hint: attempts.hint });
    }
    await issueCounted(context, around, standing, held);
    return 'issued';
  });
};
