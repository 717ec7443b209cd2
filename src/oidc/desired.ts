import type { Settings } from '../settings/settings.ts';

/** The id of NetBird's client: fixed, so it is ours by its name. */
export const meshClientId = 'netbird';
/** Who may use the mesh; NetBird takes its groups from the `groups` claim. */
export const peopleGroup = 'netbird-users';

export interface DesiredGroup {
  readonly name: string;
  /** What people see; Pocket ID's `friendlyName`. */
  readonly title: string;
}

export interface DesiredUser {
  readonly username: string;
  readonly email: string;
  readonly firstName: string;
  readonly lastName: string;
  readonly admin: boolean;
  /** Names of the groups this user must be in; others that a person added stay. */
  readonly groups: readonly string[];
}

export interface DesiredClient {
  readonly id: string;
  readonly name: string;
  readonly callbacks: readonly string[];
  readonly logoutCallbacks: readonly string[];
  readonly public: boolean;
  /** Names of the groups that may sign in; undefined: everyone with an account. */
  readonly groups: readonly string[] | undefined;
}

/** What Pocket ID should hold. Order matters to no one; the administrator, `netbird-users` and `netbird` come first. */
export interface Desired {
  readonly groups: readonly DesiredGroup[];
  readonly users: readonly DesiredUser[];
  readonly clients: readonly DesiredClient[];
}

const meshClient = (meshUrl: string): DesiredClient => ({
  id: meshClientId,
  name: 'Netbird',
  callbacks: [
    `${meshUrl}/auth/callback`,
    `${meshUrl}/auth/silent-callback`,
    'http://localhost:53000',
    'http://localhost:54000',
  ],
  // The dashboard sends one form, the mobile apps the other; Pocket ID compares them as text.
  logoutCallbacks: [meshUrl, `${meshUrl}/`],
  public: true,
  groups: [peopleGroup],
});

type Person = Settings['identity']['admin'];

/** Pocket ID stores names in Unicode's composed form; written otherwise they would differ for ever. */
const userOf = (person: Person, admin: boolean, groups: readonly string[]): DesiredUser => ({
  username: person.username,
  email: person.email.normalize('NFC'),
  firstName: person.first_name.normalize('NFC'),
  lastName: person.last_name.normalize('NFC'),
  admin,
  groups: [...new Set(groups)],
});

export const desiredIdentity = ({ identity, addresses }: Settings): Desired => ({
  groups: [
    { name: peopleGroup, title: 'NetBird users' },
    ...identity.groups
      .filter((group) => group.name !== peopleGroup)
      .map((group) => ({ name: group.name, title: group.title.normalize('NFC') })),
  ],
  users: [
    userOf(identity.admin, true, [peopleGroup]),
    ...identity.people.map((person) => userOf(person, false, person.groups)),
  ],
  clients: [
    meshClient(addresses.meshUrl),
    ...identity.clients.map((client) => ({
      id: client.id,
      name: client.name.normalize('NFC'),
      callbacks: client.callbacks,
      logoutCallbacks: client.logout_callbacks,
      public: client.public,
      groups: client.groups.length === 0 ? undefined : client.groups,
    })),
  ],
});

/** Kinds of objects at Pocket ID that can be ours. */
export type Kind = 'user' | 'group' | 'client';

/** Where the secret store keeps the id of an object that we made. */
export const idEntry = (kind: Kind, name: string): string => `id-pocket-id-${kind}-${name}`;

/** Where the secret store keeps the secret of a confidential client. */
export const clientSecretEntry = (clientId: string): string => `pocket-id-client-secret-${clientId}`;
