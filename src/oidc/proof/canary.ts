import { randomBytes, randomUUID } from 'node:crypto';
import type { Effects } from '../../orchestrator/effects.ts';
import { sleep } from '../../shared/clock.ts';
import { isStackError } from '../../shared/errors.ts';
import type { ProofPorts } from './ports.ts';

/** A user that exists for one run of the proof. It never gets a passkey, a group of its own, or any rights. */
export interface Canary {
  readonly id: string;
  readonly username: string;
}

const canaryPrefix = 'skylab-canary-';
const canaryName = /^skylab-canary-[0-9a-f]{16}$/;
/** RFC 2606: no mail ever goes there. */
const mailDomain = 'skylab-canary.invalid';
const longestPauseMs = 15_000;

/** True for the user of a proof, of whatever run. */
export const isCanary = (username: string): boolean => canaryName.test(username);

export const newCanary = (): Canary => ({
  id: randomUUID(),
  username: `${canaryPrefix}${randomBytes(8).toString('hex')}`,
});

/** Makes it in Pocket ID, outside every group. Its name is such that NetBird's users show it too. */
export const createCanary = async (
  { pocketId }: ProofPorts,
  { id, username }: Canary,
  effects: Effects,
  signal: AbortSignal,
): Promise<void> => {
  const user = {
    id,
    username,
    email: `${username}@${mailDomain}`,
    emailVerified: true,
    firstName: username,
    lastName: '',
    displayName: username,
    isAdmin: false,
    userGroupIds: [],
  };
  await effects.perform('http', `POST /api/users ${username}`, async () => pocketId.createUser(user, signal));
};

/** Signs it in; a server that asks us to wait is obeyed once. */
export const signIn = async (
  { sessions }: ProofPorts,
  { id }: Canary,
  effects: Effects,
  signal: AbortSignal,
): Promise<string> => {
  try {
    return await sessions.open(id, effects, signal);
  } catch (error) {
    const pauseMs = isStackError(error) ? error.retryAfterMs : undefined;
    if (pauseMs === undefined || pauseMs > longestPauseMs) throw error;
    await sleep(pauseMs, signal);
    return sessions.open(id, effects, signal);
  }
};

const inPocketId = async ({ pocketId }: ProofPorts, signal: AbortSignal): Promise<readonly string[]> =>
  (await pocketId.users(signal))
    .filter((user) => isCanary(user.username) && !user.isAdmin)
    .map((user) => user.id);

const inMesh = async ({ mesh }: ProofPorts, signal: AbortSignal): Promise<readonly string[]> => {
  const owner = await mesh.owner(signal);
  const users = await mesh.usersByPrefix(canaryPrefix, signal);
  return users.map((user) => user.id).filter((id) => id !== owner);
};

/** How many canaries there are in each place, of whatever run. */
export const countCanaries = async (ports: ProofPorts, signal: AbortSignal) => ({
  inPocketId: (await inPocketId(ports, signal)).length,
  inMesh: (await inMesh(ports, signal)).length,
});

/**
 * Removes every canary from Pocket ID and NetBird, leftovers of killed runs included. Tries both before it fails.
 * @throws {StackError} IDENTITY_*, MESH_*
 */
export const removeCanaries = async (
  ports: ProofPorts,
  effects: Effects,
  signal: AbortSignal,
): Promise<void> => {
  const atPocketId = async () => {
    for (const id of await inPocketId(ports, signal)) {
      await effects.perform('http', `DELETE /api/users/${id} at Pocket ID`, async () =>
        ports.pocketId.deleteUser(id, signal),
      );
    }
  };
  const atMesh = async () => {
    for (const id of await inMesh(ports, signal)) {
      await effects.perform('http', `DELETE /api/users/${id} at NetBird`, async () =>
        ports.mesh.removeUser(id, signal),
      );
    }
  };
  // Pocket ID first: what is gone there can get no new token, with which NetBird would make it again.
  const [first] = await Promise.allSettled([atPocketId()]);
  await atMesh();
  if (first.status === 'rejected') throw first.reason;
};
