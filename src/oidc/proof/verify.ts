import type { Effects } from '../../orchestrator/effects.ts';
import type { Report } from '../../orchestrator/report/check.ts';
import type { Settings } from '../../settings/settings.ts';
import { isStackError, StackError } from '../../shared/errors.ts';
import type { Http } from '../../shared/http.ts';
import { desiredIdentity, idEntry, meshClientId, peopleGroup } from '../desired.ts';
import { meshScope } from '../session.ts';
import { countCanaries, createCanary, newCanary, removeCanaries, signIn, type Canary } from './canary.ts';
import { both, broken, createChecks, nothing, type Checks, type Rule } from './checks.ts';
import { checkDiscovery } from './discovery.ts';
import { checkMember, checkOutsider, openLogin } from './flow.ts';
import { checkMesh } from './mesh.ts';
import { shortPatience, type Patience } from './metadata.ts';
import type { ProofPorts } from './ports.ts';
import { checkRefusals, checkReuse } from './refusals.ts';
import { checkToken } from './token.ts';

/** The canary is removed whatever happens, also when the run was interrupted; for that it gets a time of its own. */
const removalTimeoutMs = 20_000;
/** A run may have replaced Pocket ID just before: nginx keeps its old address for up to 3 s. */
const proofPatience: Patience = { totalMs: 10_000, pauseMs: 250 };

const rules = {
  joins: {
    id: 'oidc.joins',
    title: `a user who is put into ${peopleGroup} is in it`,
    fix: 'npm run up makes the group; npm run -s logs -- --service pocket-id shows what was refused',
  },
  removed: {
    id: 'oidc.canary-removed',
    title: 'nothing of the canary is left in Pocket ID or NetBird',
    fix: 'run it again: it removes what is left; or remove the users skylab-canary-… by hand',
  },
} as const satisfies Record<string, Rule>;

const notStarted = (message: string, hint: string, cause?: unknown): StackError =>
  new StackError('PROOF_NOT_STARTED', message, { hint, cause });

/** Turns a failure before the first check into one clear error. */
const beginning = async <T>(act: () => Promise<T>): Promise<T> => {
  try {
    return await act();
  } catch (error) {
    if (!isStackError(error) || error.code === 'PROOF_NOT_STARTED') throw error;
    throw notStarted(`the proof could not begin: ${error.message}`, error.hint, error);
  }
};

/** The id of the people's group. The first user NetBird ever sees owns the mesh, so that must not be a canary. */
const whereToBegin = async (
  { mesh, pocketId, secrets }: ProofPorts,
  signal: AbortSignal,
): Promise<string> => {
  if ((await mesh.owner(signal)) === undefined)
    throw notStarted('the mesh has no owner yet, and the first who signs in becomes it', 'npm run up');
  const kept = await secrets.read(idEntry('group', peopleGroup));
  const group = (await pocketId.groups(signal)).find((one) => one.id === kept);
  if (group === undefined) throw notStarted(`there is no group ${peopleGroup} of ours yet`, 'npm run up');
  return group.id;
};

interface Stage {
  readonly ports: ProofPorts;
  readonly settings: Settings;
  readonly effects: Effects;
  readonly signal: AbortSignal;
  readonly checks: Checks;
  readonly patience: Patience;
}

const prove = async (stage: Stage, canary: Canary, session: string, groupId: string): Promise<void> => {
  const { ports, settings, effects, signal, checks, patience } = stage;
  const { http, pocketId, mesh } = ports;
  const { issuer } = settings.addresses;
  const redirectUri = desiredIdentity(settings).clients[0]?.callbacks[0] ?? '';
  const place = { http, issuer, clientId: meshClientId, redirectUri, scope: meshScope, session };

  const { metadata, keys } = await checkDiscovery(checks, http, issuer, patience, signal);
  const login = await openLogin(checks, place, metadata, signal);
  await checkOutsider(checks, login, issuer);
  const joined = await checks.check(rules.joins, nothing, async () => {
    await effects.perform('http', `PUT /api/users/${canary.id}/user-groups`, async () =>
      pocketId.setGroupsOfUser(canary.id, [groupId], signal),
    );
    const user = (await pocketId.users(signal)).find((one) => one.id === canary.id);
    return user?.userGroups.some((group) => group.id === groupId) === true
      ? { seen: peopleGroup, value: undefined }
      : broken('Pocket ID took the change and shows the user outside of it');
  });
  const member = await checkMember(checks, both(login, joined), issuer);
  const signedIn = both(login, member);
  const expected = { issuer, clientId: meshClientId, subject: canary.id };
  const tokens = await checkToken(checks, signedIn, keys, expected);
  await checkMesh(checks, mesh, tokens, canary.id, effects, signal);
  await checkRefusals(checks, signedIn, issuer);
  await checkReuse(checks, both(login, tokens));
};

/**
 * Proves the whole sign-in at the public names, from discovery to NetBird's API, with a canary that exists for this run
 * only. Takes for granted that the run lock is held: it removes the canaries of every other run.
 * @throws {StackError} PROOF_NOT_STARTED before the mesh has an owner, or where Pocket ID or NetBird cannot be reached
 */
export const verifyOidc = async (
  ports: ProofPorts,
  settings: Settings,
  effects: Effects,
  signal: AbortSignal,
  patience = proofPatience,
): Promise<Report> => {
  const groupId = await beginning(async () => whereToBegin(ports, signal));
  await beginning(async () => removeCanaries(ports, effects, signal));
  const checks = createChecks(signal);
  const canary = newCanary();
  const [proof] = await Promise.allSettled([
    (async () => {
      const session = await beginning(async () => {
        await createCanary(ports, canary, effects, signal);
        return signIn(ports, canary, effects, signal);
      });
      await prove({ ports, settings, effects, signal, checks, patience }, canary, session, groupId);
    })(),
  ]);
  const [removal] = await Promise.allSettled([
    removeCanaries(ports, effects, AbortSignal.timeout(removalTimeoutMs)),
  ]);
  // What could not be removed is removed by the next run; why this one ended is what matters.
  if (proof.status === 'rejected') throw proof.reason;
  await checks.check(rules.removed, nothing, async () => {
    if (removal.status === 'rejected') throw removal.reason;
    const left = await countCanaries(ports, signal);
    return left.inPocketId + left.inMesh === 0
      ? { seen: 'none', value: undefined }
      : broken(`${left.inPocketId} in Pocket ID, ${left.inMesh} in NetBird`);
  });
  return { subject: settings.addresses.issuer, checks: checks.checks() };
};

/** The checks that write nothing: what the issuer says of itself, and its keys. */
export const inspectOidc = async (
  http: Http,
  settings: Settings,
  signal: AbortSignal,
  patience = shortPatience,
): Promise<Report> => {
  const checks = createChecks(signal);
  await checkDiscovery(checks, http, settings.addresses.issuer, patience, signal);
  return { subject: settings.addresses.issuer, checks: checks.checks() };
};
