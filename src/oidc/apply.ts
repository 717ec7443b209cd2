import { randomBytes, randomUUID } from 'node:crypto';
import type { Area } from '../orchestrator/area.ts';
import type { Effects } from '../orchestrator/effects.ts';
import { sleep } from '../shared/clock.ts';
import { isStackError, StackError } from '../shared/errors.ts';
import {
  clientSecretEntry,
  idEntry,
  meshClientId,
  type Desired,
  type DesiredClient,
  type DesiredGroup,
  type DesiredUser,
  type Kind,
} from './desired.ts';
import { displayNameBeingMade, look, making, type Ports, type Seen, type World } from './observe.ts';
import {
  allowedIds,
  clientDifferences,
  clientFields,
  differences,
  groupFields,
  userFields,
  type IdentityStep,
} from './plan.ts';
import type { Client } from './pocket-id.ts';

const pollMs = 500;

/** A look that finds something foreign where a step wants to act: it came after the plan was made. */
const foreignError = (seen: Extract<Seen<unknown>, { state: 'foreign' }>): StackError =>
  new StackError('IDENTITY_CONFLICT', seen.text, {
    hint: seen.adoptable
      ? 'npm run -s up -- --adopt takes it over; or rename one of them'
      : 'change or remove that user in Pocket ID, or the one in settings.yaml',
    data: { id: seen.id },
  });

const named = (names: readonly string[]): readonly DesiredGroup[] =>
  names.map((name) => ({ name, title: name }));

/** What each kind of step does. Each looks again first, so it may be repeated, and be ended at any instruction. */
export const createApply = (ports: Ports): Area<Desired, World, IdentityStep>['apply'] => {
  const { pocketId, secrets } = ports;

  const save = async (effects: Effects, name: string, value: string): Promise<void> =>
    effects.perform('file', `save ${name}`, async () => secrets.save(name, value));
  const keepId = async (effects: Effects, kind: Kind, name: string, id: string): Promise<void> =>
    save(effects, idEntry(kind, name), id);

  /** The display name under which an object is made: kept before it is, so that it is known again. */
  const nameForMaking = async (effects: Effects, kind: Kind, name: string): Promise<string> => {
    const kept = displayNameBeingMade(await secrets.read(idEntry(kind, name)));
    if (kept !== undefined) return kept;
    const fresh = randomUUID();
    await keepId(effects, kind, name, making(fresh));
    return fresh;
  };

  const ensureGroup = async (group: DesiredGroup, effects: Effects, signal: AbortSignal): Promise<void> => {
    const sight = await look(ports, { groups: [group], users: [], clients: [] }, signal);
    const seen = sight.groups.get(group.name);
    if (seen?.state === 'foreign') throw foreignError(seen);
    let is = seen?.state === 'ours' ? seen.is : undefined;
    if (is === undefined) {
      const friendlyName = await nameForMaking(effects, 'group', group.name);
      is = await effects.perform('http', `POST /api/user-groups ${group.name}`, async () =>
        pocketId.createGroup({ name: group.name, friendlyName }, signal),
      );
    }
    const { id } = is;
    if ((await secrets.read(idEntry('group', group.name))) !== id) {
      await keepId(effects, 'group', group.name, id);
    }
    const fields = groupFields(group);
    if (differences(is, fields).length === 0) return;
    const whole = { ...is, ...fields };
    await effects.perform('http', `PUT /api/user-groups/${id} ${group.name}`, async () =>
      pocketId.replaceGroup(id, whole, signal),
    );
  };

  const ensureUser = async (user: DesiredUser, effects: Effects, signal: AbortSignal): Promise<void> => {
    const sight = await look(ports, { users: [user], groups: named(user.groups), clients: [] }, signal);
    const seen = sight.users.get(user.username);
    if (seen?.state === 'foreign') throw foreignError(seen);
    if (seen?.state === 'ours') {
      const fields = userFields(user, seen.is);
      if (differences(seen.is, fields).length === 0) return;
      const whole = { ...seen.is, ...fields };
      await effects.perform('http', `PUT /api/users/${seen.is.id} ${user.username}`, async () =>
        pocketId.replaceUser(seen.is.id, whole, signal),
      );
      return;
    }
    const entry = idEntry('user', user.username);
    const kept = await secrets.read(entry);
    const id = kept ?? randomUUID();
    if (kept === undefined) await save(effects, entry, id);
    const userGroupIds = [...sight.groups.values()].flatMap((group) =>
      group.state === 'ours' ? [group.is.id] : [],
    );
    await effects.perform('http', `POST /api/users ${user.username}`, async () =>
      pocketId.createUser({ id, isAdmin: user.admin, ...userFields(user), userGroupIds }, signal),
    );
  };

  const ensureMember = async (
    user: DesiredUser,
    group: DesiredGroup,
    effects: Effects,
    signal: AbortSignal,
  ): Promise<void> => {
    const sight = await look(ports, { users: [user], groups: [group], clients: [] }, signal);
    const [who, where] = [sight.users.get(user.username), sight.groups.get(group.name)];
    if (who?.state !== 'ours' || where?.state !== 'ours') return;
    const before = who.is.userGroups.map((one) => one.id);
    if (before.includes(where.is.id)) return;
    await effects.perform('http', `PUT /api/users/${who.is.id}/user-groups +${group.name}`, async () =>
      pocketId.setGroupsOfUser(who.is.id, [...before, where.is.id], signal),
    );
  };

  const createClient = async (
    wanted: DesiredClient,
    effects: Effects,
    signal: AbortSignal,
  ): Promise<Client> => {
    const isOursByItsId = wanted.id === meshClientId;
    const name = isOursByItsId ? wanted.name : await nameForMaking(effects, 'client', wanted.id);
    return effects.perform('http', `POST /api/oidc/clients ${wanted.id}`, async () =>
      pocketId.createClient({ ...clientFields(wanted), id: wanted.id, name }, signal),
    );
  };

  const ensureSecret = async (clientId: string, effects: Effects, signal: AbortSignal): Promise<void> => {
    const entry = clientSecretEntry(clientId);
    const kept = await secrets.read(entry);
    // Hex, because client secrets in HTTP Basic are URL-decoded by some and not by others.
    const secret = kept ?? randomBytes(24).toString('hex');
    if (kept === undefined) await save(effects, entry, secret);
    await effects.perform('http', `POST /api/oidc/clients/${clientId}/secrets`, async () =>
      pocketId.addSecret(clientId, secret, signal),
    );
  };

  const seenClient = async (wanted: DesiredClient, signal: AbortSignal) => {
    const sight = await look(
      ports,
      { clients: [wanted], groups: named(wanted.groups ?? []), users: [] },
      signal,
    );
    const seen = sight.clients.get(wanted.id);
    if (seen?.state === 'foreign') throw foreignError(seen);
    return { is: seen?.state === 'ours' ? seen.is : undefined, groups: sight.groups };
  };

  const ensureClient = async (
    wanted: DesiredClient,
    effects: Effects,
    signal: AbortSignal,
  ): Promise<void> => {
    const { id } = wanted;
    const path = `/api/oidc/clients/${id}`;
    const before = await seenClient(wanted, signal);
    const is: Client = before.is ?? (await createClient(wanted, effects, signal));
    if (id !== meshClientId && (await secrets.read(idEntry('client', id))) !== id) {
      await keepId(effects, 'client', id, id);
    }
    if (differences(is, clientFields(wanted)).length > 0) {
      const whole = { ...is, ...clientFields(wanted) };
      await effects.perform('http', `PUT ${path}`, async () => pocketId.replaceClient(id, whole, signal));
    }
    const allowed = allowedIds(wanted, before.groups);
    const allowedNow = new Set(is.allowedUserGroups.map((group) => group.id));
    if (
      allowed !== undefined &&
      (allowed.length !== allowedNow.size || allowed.some((groupId) => !allowedNow.has(groupId)))
    ) {
      await effects.perform('http', `PUT ${path}/allowed-user-groups`, async () =>
        pocketId.setAllowedGroups(id, allowed, signal),
      );
    }
    const changed = await seenClient(wanted, signal);
    if (changed.is?.secretIsKept === false) await ensureSecret(id, effects, signal);
    // Read again: Pocket ID drops ids of groups that it does not know, and answers 200.
    const left =
      changed.is === undefined
        ? ['it is not there']
        : clientDifferences(wanted, { ...changed.is, secretIsKept: true }, changed.groups);
    if (left.length === 0) return;
    throw new StackError(
      'IDENTITY_REFUSED',
      `Pocket ID took the client "${id}" otherwise than it was written: ${left.join('; ')}`,
      { hint: 'run npm run up again; it compares and repairs', data: { client: id, left } },
    );
  };

  const untilAnswers = async (signal: AbortSignal): Promise<void> => {
    for (;;) {
      try {
        await pocketId.groups(signal);
        return;
      } catch (error) {
        if (!isStackError(error) || error.code !== 'IDENTITY_UNREACHABLE') throw error;
      }
      await sleep(pollMs, signal);
    }
  };

  return {
    await: async (_step, _effects, signal) => untilAnswers(signal),
    group: async (step, effects, signal) => ensureGroup(step.group, effects, signal),
    user: async (step, effects, signal) => ensureUser(step.user, effects, signal),
    member: async (step, effects, signal) => ensureMember(step.user, step.group, effects, signal),
    client: async (step, effects, signal) => ensureClient(step.client, effects, signal),
    adopt: async (step, effects) => keepId(effects, step.what, step.name, step.foreignId),
  };
};
