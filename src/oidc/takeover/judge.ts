import { StackError } from '../../shared/errors.ts';
import { meshClientId, type Desired } from '../desired.ts';
import { isCanary } from '../proof/canary.ts';
import type { Contents } from './contents.ts';

/** The newest migration of Pocket ID v2.14.0 (backend/resources/migrations/postgres). */
const newestMigration = 20_260_814_120_000;

/** What the stack would run the data with. */
export interface Server {
  readonly isStandIn: boolean;
  /** True where the image is the one that this program pins, so that what it can read is known. */
  readonly isPinned: boolean;
}

const refused = (seen: string, hint: string): StackError =>
  new StackError('TAKEOVER_REFUSED', `${seen}; nothing was changed`, { hint });

/** Why a dump cannot become the database of this stack, or undefined. */
export const wrongWithDump = (dump: Contents, server: Server): StackError | undefined => {
  if (dump.kind === 'empty' || dump.kind === 'other')
    return new StackError('DUMP_UNUSABLE', 'the dump holds no Pocket ID: its tables are not there', {
      hint: 'dump the database that Pocket ID uses, often named pocketid or pocket-id',
    });
  if ((dump.kind === 'stand-in') !== server.isStandIn) {
    const [seen, runs] = server.isStandIn
      ? ['of a real Pocket ID', 'a stand-in runs here, which would not understand it']
      : ['of a stand-in', 'the real Pocket ID runs here'];
    return new StackError('DATA_FOREIGN', `the dump is ${seen}, and ${runs}`, {
      hint: 'take it over on a host whose image is of the same kind: npm run status shows it',
    });
  }
  if (dump.isDirty)
    return new StackError('DUMP_UNUSABLE', `a migration (${dump.version}) broke off in the middle of it`, {
      hint: 'mend it with the old server first: start it and see its log, then dump again',
    });
  if (!server.isStandIn && server.isPinned && (dump.version ?? 0) > newestMigration)
    return refused(
      `the dump is of a newer Pocket ID than v2.14.0 (${dump.version} > ${newestMigration})`,
      'name the image of that version under images.overrides.pocket-id, or dump with v2.14.0',
    );
  return undefined;
};

const people = (users: Contents['users']): readonly string[] =>
  users.map((one) =>
    one.passkeys === 0 ? one.username : `${one.username} (${countOf(one.passkeys, 'passkey')})`,
  );

const countOf = (count: number, what: string): string => `${count} ${what}${count === 1 ? '' : 's'}`;

/**
 * Why the Pocket ID of this stack cannot give way, or undefined: somebody uses it. `ours`: ids of what this program made.
 * The user that a killed proof left is nobody; one that has a passkey is a person, whatever the name.
 */
export const inUse = (now: Contents, ours: ReadonlySet<string>): StackError | undefined => {
  if (now.kind === 'empty') return undefined;
  const used = [
    ...people(now.users.filter((one) => one.passkeys > 0 || !(ours.has(one.id) || isCanary(one.username)))),
    ...now.groups.filter((one) => !ours.has(one.id)).map((one) => `group ${one.name}`),
    ...now.clients
      .filter((one) => one.id !== meshClientId && !ours.has(one.id))
      .map((one) => `client ${one.id}`),
  ];
  if (now.kind !== 'other' && used.length === 0) return undefined;
  return refused(
    now.kind === 'other'
      ? 'the database of this stack holds tables that are not those of Pocket ID'
      : `this stack's own Pocket ID is in use: ${used.join(', ')}`,
    'only an empty stack can take one over: back up what you need, then npm run -s down -- --volumes shows how to begin anew',
  );
};

const same = (a: string | null, b: string): boolean => a?.toLowerCase() === b.toLowerCase();

/** What the dump holds under names that the settings declare: it was not made by this stack. */
const declaredInDump = (dump: Contents, desired: Desired): readonly string[] => [
  ...dump.users
    .filter((one) =>
      desired.users.some((wanted) => same(one.username, wanted.username) || same(one.email, wanted.email)),
    )
    .map((one) => `user ${one.username}`),
  ...dump.groups
    .filter((one) => desired.groups.some((wanted) => wanted.name === one.name))
    .map((one) => `group ${one.name}`),
  ...dump.clients
    .filter((one) => desired.clients.some((wanted) => wanted.id === one.id))
    .map((one) => `client ${one.id}`),
];

/** A person decides whether what has a declared name becomes ours, before anything is changed. */
export const undecided = (dump: Contents, desired: Desired): StackError | undefined => {
  const names = declaredInDump(dump, desired);
  if (names.length === 0) return undefined;
  return new StackError(
    'IDENTITY_CONFLICT',
    `the dump holds what the settings declare, and this stack did not make it: ${names.join(', ')}; nothing was changed`,
    {
      hint: 'add --adopt: they stay as they are, with their passkeys, and the settings decide over them from then on',
    },
  );
};

const hostOf = (address: string): string | undefined =>
  URL.canParse(address) ? new URL(address).hostname.toLowerCase() : undefined;

/**
 * What a person has to know of passkeys and addresses, one line each. A passkey belongs to the host name of the issuer
 * (its relying party id); the database does not say which it was. `before`: the old APP_URL, where it is known.
 */
export const notesOn = (dump: Contents, before: string | undefined, issuer: string): readonly string[] => {
  const owners = dump.users.filter((one) => one.passkeys > 0);
  const count = owners.reduce((sum, one) => sum + one.passkeys, 0);
  const held = `${countOf(count, 'passkey')} (${people(owners).join(', ')})`;
  const [was, is] = [before === undefined ? undefined : hostOf(before), hostOf(issuer)];
  const passkeys =
    count === 0
      ? []
      : was === undefined
        ? [`${held} work here only if the old Pocket ID was at https://${is} too: --issuer tells`]
        : was === is
          ? [`${held} go on working: they belong to ${is}`]
          : [
              `${held} STOP WORKING: they belong to ${was}, and the issuer is now ${issuer}; each person needs a one-time link`,
            ];
  const moved =
    before !== undefined && before.toLowerCase().replace(/\/$/, '') !== issuer
      ? [`every application has to be told the new issuer: ${issuer} instead of ${before}`]
      : [];
  const namesake = dump.clients.find((one) => one.id !== meshClientId && same(one.name, 'netbird'));
  return [
    ...passkeys,
    ...moved,
    ...(namesake === undefined
      ? []
      : [
          `the client "${namesake.name}" (${namesake.id}) stays, and nothing here uses it: NetBird's is "${meshClientId}"`,
        ]),
    ...(dump.kind === 'real' && dump.signingKey === undefined
      ? ['there is no signing key in the dump, so Pocket ID makes a new one: everybody signs in once more']
      : []),
    'settings that were made in the browser (mail, LDAP, sign-up) do not count here: docs/pocketid.md',
  ];
};
