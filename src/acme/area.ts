import { join } from 'node:path';
import type { Area } from '../orchestrator/area.ts';
import type { Effects } from '../orchestrator/effects.ts';
import type { Trust } from '../settings/schema.ts';
import { monotonicMs, nowMs, sleep } from '../shared/clock.ts';
import { errnoOf, isStackError, StackError } from '../shared/errors.ts';
import { readText } from '../shared/files.ts';
import { heartbeatHolder } from '../shared/heartbeat-lock.ts';
import type { Http } from '../shared/http.ts';
import { isOrderDone, lockPath, obtain, sweep, type Surroundings } from './issue.ts';
import { desired, facts, plan, type AcmeDesired, type AcmeStep, type AcmeWorld } from './policy.ts';
import { files, rootCopies } from './render.ts';
import { heldForPeople, type Attempts } from './renewal/attempts.ts';
import { lookAtStore, wishOf } from './renewal/look.ts';
import { countLeftovers, type AcmePorts, type Warn } from './renewal/records.ts';
import { saveRoots, type Roots } from './store.ts';
import { problemOf, refused, unanswered } from './wire.ts';

/** A small machine under load answers late; one that is away refuses at once. */
const lookTimeoutMs = 15_000;
/** An authority that starts together with the stack answers within a second. */
const authorityWaitMs = 10_000;

const noRoots = (where: string, seen: string): StackError =>
  new StackError('CA_UNREACHABLE', `there are no trusted roots at ${where}: ${seen}`, {
    hint: 'check certificates.trust and certificates.directory_ca',
    data: { where },
  });

const fetched = async (url: string, http: Http, signal: AbortSignal): Promise<string> => {
  try {
    const answer = await http.call('GET', url, { signal, timeoutMs: lookTimeoutMs });
    if (answer.status === 200) return answer.text;
    throw refused({
      authority: new URL(url).host,
      asked: `GET ${url}`,
      status: answer.status,
      problem: problemOf(answer.json()),
    });
  } catch (error) {
    throw isStackError(error) ? error : unanswered(url, error);
  }
};

const readFrom = async (file: string): Promise<string | undefined> => {
  try {
    return await readText(file);
  } catch (error) {
    throw noRoots(file, `it cannot be read (${errnoOf(error) ?? 'unknown'})`);
  }
};

/** Roots as PEM, read anew each time. @throws {StackError} CA_UNREACHABLE */
const readRoots = async (trust: Trust, http: Http, signal: AbortSignal): Promise<string | undefined> => {
  if (trust === 'system') return undefined;
  const where = 'file' in trust ? trust.file : trust.url;
  const pem = 'file' in trust ? await readFrom(trust.file) : await fetched(trust.url, http, signal);
  if (pem === undefined) throw noRoots(where, 'there is no such file');
  if (!pem.includes('-----BEGIN CERTIFICATE-----')) throw noRoots(where, 'it holds no certificate in PEM');
  return pem;
};

/** What could be read around the authority, and the first thing that could not. */
interface Look {
  readonly directoryCa: string | undefined;
  readonly trust: string | undefined;
  readonly roots: Roots;
  readonly problem: StackError | undefined;
}

/** Reads the roots; with `reach`, asks the directory for a sign of life too. Throws only when aborted. */
const lookAround = async (
  wanted: AcmeDesired,
  ports: Pick<AcmePorts, 'http'>,
  reach: boolean,
  signal: AbortSignal,
): Promise<Look> => {
  const plain = ports.http([]);
  const known = wanted.trust === 'system' ? ('system' as const) : undefined;
  try {
    const directoryCa = await readRoots(wanted.directoryCa, plain, signal);
    const http = ports.http(directoryCa === undefined ? [] : [directoryCa]);
    try {
      const [trust, reached] = await Promise.allSettled([
        readRoots(wanted.trust, http, signal),
        reach ? fetched(wanted.directory, http, signal) : undefined,
      ]);
      signal.throwIfAborted();
      const pem = trust.status === 'fulfilled' ? trust.value : undefined;
      const failed = [trust, reached].find((one) => one.status === 'rejected');
      const problem = failed === undefined ? undefined : asProblem(failed.reason);
      return { directoryCa, trust: pem, roots: pem === undefined ? known : [pem], problem };
    } finally {
      http.close();
    }
  } catch (error) {
    signal.throwIfAborted();
    return { directoryCa: undefined, trust: undefined, roots: known, problem: asProblem(error) };
  } finally {
    plain.close();
  }
};

const asProblem = (error: unknown): StackError => {
  if (isStackError(error)) return error;
  throw error;
};

const copiesOf = ({ directoryCa, trust }: Pick<Look, 'directoryCa' | 'trust'>) =>
  [
    { name: rootCopies.directoryCa, pem: directoryCa },
    { name: rootCopies.trust, pem: trust },
  ].filter((copy): copy is { name: typeof copy.name; pem: string } => copy.pem !== undefined);

const staleCopies = async (wanted: AcmeDesired, look: Look) => {
  const stale = [];
  for (const copy of copiesOf(look)) {
    if ((await readText(join(wanted.certificates, copy.name))) !== copy.pem) stale.push(copy);
  }
  return stale;
};

const surroundings = ({ directoryCa, roots, problem }: Look): Surroundings => {
  if (problem !== undefined) throw problem;
  return { directoryCa: directoryCa === undefined ? [] : [directoryCa], roots };
};

/** What issuing must know beforehand. @throws {StackError} CA_UNREACHABLE where it cannot be read */
export const readSurroundings = async (
  wanted: AcmeDesired,
  ports: AcmePorts,
  signal: AbortSignal,
): Promise<Surroundings> => surroundings(await lookAround(wanted, ports, false, signal));

/** The same, with the copies of roots in the store brought up to date. @throws {StackError} CA_UNREACHABLE, DISK_* */
export const publishRoots = async (
  wanted: AcmeDesired,
  ports: Pick<AcmePorts, 'http'>,
  effects: Effects,
  signal: AbortSignal,
): Promise<Surroundings> => {
  const look = await lookAround(wanted, ports, false, signal);
  await saveStale(wanted, look, effects);
  return surroundings(look);
};

/** Brings the copies of those roots up to date that could be read. @throws {StackError} DISK_* */
const saveStale = async (wanted: AcmeDesired, look: Look, effects: Effects): Promise<void> => {
  for (const { name, pem } of await staleCopies(wanted, look)) {
    await effects.perform('file', `write ${name}`, async () => saveRoots(wanted.certificates, name, pem));
  }
};

/** Failures that keep `up` from trying again by itself, and until when. */
const heldBack = (wanted: AcmeDesired, attempts: Attempts | undefined): AcmeWorld['held'] => {
  const untilMs = heldForPeople(attempts, wishOf(wanted), nowMs());
  return attempts === undefined || untilMs === undefined ? undefined : { ...attempts, untilMs };
};

const givenUp: AcmeWorld['certificate'] = {
  valid: true,
  due: true,
  why: 'it is to be replaced by one that fewer devices trust',
  renewAtMs: undefined,
};

/**
 * Certificates by ACME over DNS-01: one for all names of the zone. `replaceTrusted` names the authority by which one that
 * every device trusts may be replaced although fewer trust what it issues.
 */
export const createAcmeArea = (
  ports: AcmePorts,
  { replaceTrusted }: { readonly replaceTrusted?: string | undefined } = {},
): Area<AcmeDesired, AcmeWorld, AcmeStep> => {
  let waited = false;
  /** What this run found that is no failure; nothing of it is kept beyond the run. */
  const told: { readonly text: string; readonly hint: string }[] = [];
  const warn: Warn = (text, hint) => {
    told.push({ text, hint });
  };
  /** Waits once a run, and not for long: an authority that starts with the stack is there in a moment, or it is away. */
  const untilAuthority = async (wanted: AcmeDesired, signal: AbortSignal): Promise<void> => {
    if (waited) return;
    const untilMs = monotonicMs() + authorityWaitMs;
    while ((await lookAround(wanted, ports, true, signal)).problem !== undefined) {
      if (monotonicMs() > untilMs) break;
      await sleep(250, signal);
    }
    waited = true;
  };
  return {
    name: 'acme',
    desired,
    facts,
    plan,
    files,
    async observe(wanted, signal) {
      const look = await lookAround(wanted, ports, true, signal);
      const { roots, problem } = look;
      const isBusy = (await heartbeatHolder(lockPath(wanted.certificates))) !== undefined;
      const { judgement, attempts } = await lookAtStore(wanted, roots);
      const isGivenUp = judgement.kept !== undefined && replaceTrusted === new URL(wanted.directory).host;
      return {
        certificate: isGivenUp ? givenUp : judgement,
        held: heldBack(wanted, attempts),
        authority: problem === undefined ? true : { text: problem.message, hint: problem.hint },
        rootsKnown: roots !== undefined,
        // What another process is using right now is nothing that was left behind.
        leftovers: isBusy
          ? 0
          : (await countLeftovers(wanted.certificates)) + Number(await isOrderDone(wanted)),
        rootsStale: (await staleCopies(wanted, look)).length > 0,
        waited,
        told,
      };
    },
    apply: {
      async issue({ desired: wanted, assumed }, effects, signal) {
        if (assumed === true) await untilAuthority(wanted, signal);
        const around = await readSurroundings(wanted, ports, signal);
        await obtain({ desired: wanted, ports, effects, warn, replaceTrusted }, around, false, signal);
      },
      async sweep({ desired: wanted }, effects, signal) {
        await sweep({ desired: wanted, ports, effects, warn }, signal);
      },
      /** What cannot be read is no failure of this step: `ca.api` states it, and whoever needs it fails with it. */
      async 'publish-roots'({ desired: wanted, assumed }, effects, signal) {
        if (assumed === true) await untilAuthority(wanted, signal);
        await saveStale(wanted, await lookAround(wanted, ports, false, signal), effects);
      },
      /** Never fails: where the authority stays away, the next look says so, and the stored certificate serves on. */
      async 'await-authority'({ desired: wanted }, _effects, signal) {
        await untilAuthority(wanted, signal);
      },
    },
    keeps: (wanted) => [
      {
        what: 'folder',
        name: wanted.certificates,
        why: 'certificates with their keys, and the account at the certificate authority',
      },
    ],
  };
};
