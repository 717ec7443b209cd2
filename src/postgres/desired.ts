import type { ServiceFile } from '../orchestrator/area.ts';
import { databasePassword } from '../settings/own-secrets.ts';
import type { Settings } from '../settings/settings.ts';
import { StackError } from '../shared/errors.ts';

/** A role that logs in with a password of ours. */
export interface WantedRole {
  readonly name: string;
  /** The password's name in the secret store. */
  readonly secret: string;
}

/** A database that belongs to one role and is closed to all others. */
export interface WantedDatabase {
  readonly name: string;
  readonly owner: WantedRole;
  readonly extensions: readonly string[];
  /** True for those of this stack itself; false for those that the settings declare for other services. */
  readonly isOwn: boolean;
  /** The secret that data in it is sealed with; undefined where there is none. */
  readonly sealedBy?: string;
}

/** What PostgreSQL should hold. What else it holds is left alone. */
export interface Desired {
  readonly superuser: WantedRole;
  readonly databases: readonly WantedDatabase[];
  /** The image, for errors about what it lacks. */
  readonly image: string;
  /** The folder of the secret store, for errors about a key. */
  readonly secretsFolder: string;
}

const service = 'postgres';
const superuserSecret = 'postgres-superuser-password';
/** Its user inside the container, as compose.yaml sets it. */
const reader = { uid: 999, gid: 999 };
const identityExtensions = ['citext', 'pgcrypto'];
const ownNames = ['postgres', 'pocketid', 'netbird'];
/** Names that PostgreSQL keeps for itself, and those that this stack uses. */
const isReserved = (name: string): boolean =>
  name.startsWith('pg_') ||
  name.startsWith('template') ||
  ownNames.includes(name) ||
  name.endsWith(standInEnd);
const standInEnd = '_standin';

const role = (name: string): WantedRole => ({ name, secret: databasePassword(name) });

/** What should be for these settings. @throws {StackError} SETTINGS_INVALID for a name that is not free */
export const desiredDatabases = (settings: Settings): Desired => {
  const taken = settings.postgres.databases.find((one) => isReserved(one.name));
  if (taken !== undefined) {
    throw new StackError('SETTINGS_INVALID', `postgres/databases: the name "${taken.name}" is not free`, {
      hint: `choose another one; this stack or PostgreSQL itself uses ${taken.name}`,
      data: { name: taken.name },
    });
  }
  /** Where a stand-in may run, it has a database of its own, so that it never meets the data of the real server. */
  const kinds = (
    name: string,
    extensions: readonly string[],
    sealed: Pick<WantedDatabase, 'sealedBy'> = {},
  ): readonly WantedDatabase[] => {
    const real = { name, owner: role(name), extensions, isOwn: true, ...sealed };
    return settings.images.stand_ins ? [real, { ...real, name: `${name}${standInEnd}` }] : [real];
  };
  return {
    superuser: { name: 'postgres', secret: superuserSecret },
    image: settings.images.overrides[service] ?? settings.postgres.image,
    secretsFolder: settings.paths.secrets,
    databases: [
      ...kinds('pocketid', identityExtensions, { sealedBy: 'pocket-id-encryption-key' }),
      ...(settings.mesh.store === 'postgres' ? kinds('netbird', []) : []),
      ...settings.postgres.databases.map(({ name, extensions }) => ({
        name,
        owner: role(name),
        extensions,
        isOwn: false,
      })),
    ],
  };
};

/** What the server reads when it makes its data folder; later it asks for nothing. */
export const postgresFiles = (): readonly ServiceFile[] => [
  { service, path: 'superuser-password', content: [{ secret: superuserSecret }], reader, reloads: true },
];
