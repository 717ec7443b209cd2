import { absent, unreachable, type Why } from '../orchestrator/facts.ts';
import type { SecretStore } from '../settings/secret-store.ts';
import { isStackError, type StackError } from '../shared/errors.ts';
import { clientSecretEntry, idEntry, meshClientId, type Desired, type DesiredClient } from './desired.ts';
import type { Client, Group, PocketId, User } from './pocket-id.ts';

/*
 * WHAT IS OURS: an object whose id we keep. Users and their ids are chosen by us and kept before they are made. Groups and
 * other clients are made under a random display name that was kept before ("making <name>"); only who made it knows that
 * name, so after a kill at any instruction the object is either not there, or known to be ours by its id or by that name.
 * The client `netbird` is ours by its id alone.
 */

/** A declared object as it stands at Pocket ID. `foreign`: something we did not make is in its place. */
export type Seen<T> =
  | { readonly state: 'absent' }
  | { readonly state: 'ours'; readonly is: T }
  | {
      readonly state: 'foreign';
      readonly id: string;
      readonly text: string;
      /** False where taking it would not help: another user merely has the e-mail address. */
      readonly adoptable: boolean;
    };

export interface SeenClient extends Client {
  /** True where the secret we keep is one of the client's active ones; true for public clients. */
  readonly secretIsKept: boolean;
}

/** The declared objects, by username, group name and client id. */
export interface Sight {
  readonly users: ReadonlyMap<string, Seen<User>>;
  readonly groups: ReadonlyMap<string, Seen<Group>>;
  readonly clients: ReadonlyMap<string, Seen<SeenClient>>;
}

export type World =
  | { readonly answers: true; readonly sight: Sight }
  | { readonly answers: false; readonly why: Why };

export interface Ports {
  readonly pocketId: PocketId;
  readonly secrets: SecretStore;
}

/** What is kept while an object is being made under this random display name. */
export const making = (displayName: string): string => `making ${displayName}`;
/** The random display name that was kept, if an object was being made. */
export const displayNameBeingMade = (kept: string | undefined): string | undefined =>
  kept?.startsWith(making('')) === true ? kept.slice(making('').length) : undefined;

const sameText = (a: string | null | undefined, b: string): boolean => a?.toLowerCase() === b.toLowerCase();

const seenUser = (
  wanted: Desired['users'][number],
  kept: string | undefined,
  users: readonly User[],
): Seen<User> => {
  const ours = users.find((user) => user.id === kept);
  if (ours !== undefined) return { state: 'ours', is: ours };
  const namesake = users.find((user) => sameText(user.username, wanted.username));
  const other = namesake ?? users.find((user) => sameText(user.email, wanted.email));
  if (other === undefined) return { state: 'absent' };
  const text =
    namesake === undefined
      ? `the user "${other.username}" has the e-mail address that the settings give to "${wanted.username}"`
      : `there is a user "${other.username}" whom this stack did not make`;
  return { state: 'foreign', id: other.id, text, adoptable: namesake !== undefined };
};

const seenGroup = (name: string, kept: string | undefined, groups: readonly Group[]): Seen<Group> => {
  const ours = groups.find((group) => group.id === kept);
  if (ours !== undefined) return { state: 'ours', is: ours };
  const namesake = groups.find((group) => group.name === name);
  if (namesake === undefined) return { state: 'absent' };
  if (namesake.friendlyName === displayNameBeingMade(kept)) return { state: 'ours', is: namesake };
  const text = `there is a group "${name}" that this stack did not make`;
  return { state: 'foreign', id: namesake.id, text, adoptable: true };
};

/** Reads the declared objects. @throws {StackError} IDENTITY_* */
export const look = async (
  { pocketId, secrets }: Ports,
  desired: Desired,
  signal: AbortSignal,
): Promise<Sight> => {
  const seenClient = async (wanted: DesiredClient): Promise<Seen<SeenClient>> => {
    const client = await pocketId.client(wanted.id, signal);
    if (client === undefined) return { state: 'absent' };
    const kept = await secrets.read(idEntry('client', wanted.id));
    const ours =
      wanted.id === meshClientId || kept === wanted.id || client.name === displayNameBeingMade(kept);
    if (!ours) {
      const text = `there is a client "${wanted.id}" that this stack did not make`;
      return { state: 'foreign', id: client.id, text, adoptable: true };
    }
    const secretIsKept = wanted.public || client.isPublic || (await hasOurSecret(wanted.id));
    return { state: 'ours', is: { ...client, secretIsKept } };
  };
  // Pocket ID shows the first four characters of a secret, never more.
  const hasOurSecret = async (clientId: string): Promise<boolean> => {
    const kept = await secrets.read(clientSecretEntry(clientId));
    const all = await pocketId.secretsOf(clientId, signal);
    return kept !== undefined && all.some((one) => one.isActive && one.prefix === kept.slice(0, 4));
  };
  const lookAtUsers = async () => {
    const users = desired.users.length === 0 ? [] : await pocketId.users(signal);
    return mapOf(desired.users, 'username', async (wanted) =>
      seenUser(wanted, await secrets.read(idEntry('user', wanted.username)), users),
    );
  };
  const lookAtGroups = async () => {
    const groups = desired.groups.length === 0 ? [] : await pocketId.groups(signal);
    return mapOf(desired.groups, 'name', async ({ name }) =>
      seenGroup(name, await secrets.read(idEntry('group', name)), groups),
    );
  };
  const [users, groups, clients] = await Promise.all([
    lookAtUsers(),
    lookAtGroups(),
    mapOf(desired.clients, 'id', seenClient),
  ]);
  return { users, groups, clients };
};

/** One after the other: the server's limits are for few calls at once. */
const mapOf = async <K extends string, T extends Readonly<Record<K, string>>, S>(
  all: readonly T[],
  key: K,
  see: (one: T) => Promise<S>,
): Promise<ReadonlyMap<string, S>> => {
  const seen = new Map<string, S>();
  for (const one of all) seen.set(one[key], await see(one));
  return seen;
};

const whyOf = (error: StackError): Why =>
  error.code === 'IDENTITY_UNREACHABLE' && error.data['status'] === undefined
    ? absent(error.message)
    : unreachable(error.message, error.hint);

/** What Pocket ID holds of what was declared. Reads only, and total. */
export const observeIdentity = async (
  ports: Ports,
  desired: Desired,
  signal: AbortSignal,
): Promise<World> => {
  try {
    return { answers: true, sight: await look(ports, desired, signal) };
  } catch (error) {
    if (!isStackError(error)) throw error;
    return { answers: false, why: whyOf(error) };
  }
};
