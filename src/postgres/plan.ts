import type { Step } from '../orchestrator/area.ts';
import { absent, conflict, unreachable, type Fact, type Facts } from '../orchestrator/facts.ts';
import type { Desired, WantedDatabase, WantedRole } from './desired.ts';
import { changeText, type Change } from './sql.ts';
import type { World } from './observe.ts';

interface Prepare extends Step {
  readonly kind: 'prepare';
  readonly changes: readonly Change[];
}
interface MissingExtension extends Step {
  readonly kind: 'missing-extension';
  readonly database: string;
  readonly extension: string;
  readonly image: string;
}

interface OtherKey extends Step {
  readonly kind: 'other-key';
  readonly text: string;
  readonly hint: string;
}
interface MarkKey extends Step {
  readonly kind: 'mark-key';
  readonly databases: readonly { readonly name: string; readonly secret: string; readonly comment: string }[];
}

/** Everything this area does. */
export type DatabaseStep = Prepare | MissingExtension | OtherKey | MarkKey;

const needs: readonly Fact[] = ['healthy:postgres', 'secrets.ready'];
const deadlineMs = 60_000;

type Seen = Extract<World, { seen: 'all' }>;

const roleChanges = ({ name, secret }: WantedRole, world: Seen): readonly Change[] => {
  const found = world.roles[name];
  if (found === undefined) return [{ kind: 'create-role', role: name, secret }];
  return [
    ...(found.login ? [] : [{ kind: 'allow-login', role: name } as const]),
    ...(found.passwordFits ? [] : [{ kind: 'set-password', role: name, secret } as const]),
  ];
};

const databaseChanges = (wanted: WantedDatabase, world: Seen): readonly Change[] => {
  const { name: database, owner, extensions } = wanted;
  const found = world.databases[database];
  const missing = extensions.filter(
    (one) => found?.extensions.includes(one) !== true && world.available.includes(one),
  );
  return [
    ...roleChanges(owner, world),
    ...(found === undefined ? [{ kind: 'create-database', database, owner: owner.name } as const] : []),
    ...(found !== undefined && found.owner !== owner.name
      ? [{ kind: 'set-owner', database, owner: owner.name } as const]
      : []),
    ...(found?.open === false ? [] : [{ kind: 'close-to-others', database } as const]),
    ...missing.map((extension) => ({ kind: 'add-extension', database, extension }) as const),
  ];
};

const prepare = (id: string, changes: readonly Change[]): Prepare => ({
  kind: 'prepare',
  id,
  why: changes.map(changeText).join(', '),
  needs,
  uses: ['postgres'],
  impact: 'none',
  deadlineMs,
  changes,
});

const missingExtensions = (desired: Desired, world: Seen): readonly MissingExtension[] =>
  desired.databases.flatMap(({ name, extensions }) =>
    extensions
      .filter(
        (one) => !world.available.includes(one) && world.databases[name]?.extensions.includes(one) !== true,
      )
      .map((extension) => ({
        kind: 'missing-extension',
        id: `add ${extension} to ${name}`,
        why: `the database ${name} is to have ${extension}, which ${desired.image} does not hold`,
        needs: ['healthy:postgres'],
        uses: [],
        impact: 'none',
        deadlineMs,
        database: name,
        extension,
        image: desired.image,
      })),
  );

/** Databases whose data another key than that of the secret store opens: said once each, and nothing starts on them. */
const otherKeys = (desired: Desired, world: Seen): readonly OtherKey[] =>
  desired.databases.flatMap(({ name, sealedBy }) =>
    sealedBy === undefined || world.seals[name]?.state !== 'differs'
      ? []
      : [
          {
            kind: 'other-key',
            id: `check the key of ${name}`,
            why: `the database ${name} was written with another key`,
            needs: ['healthy:postgres'],
            uses: [],
            impact: 'none',
            deadlineMs,
            text: `the secret ${sealedBy} is not the key that the database ${name} was written with`,
            hint: `put the file back from a backup: ${desired.secretsFolder}/${sealedBy}; the data itself is whole`,
          },
        ],
  );

/**
 * A key is written down once the service has started on the data with it: only that shows that it is the right one.
 */
const keyMarks = (desired: Desired, world: Seen): readonly MarkKey[] => {
  const databases = desired.databases.flatMap(({ name, sealedBy: secret }) => {
    const seal = world.seals[name];
    return secret === undefined || seal?.state !== 'none' ? [] : [{ name, secret, comment: seal.comment }];
  });
  return databases.length === 0 ? [] : [markKey(databases)];
};

const markKey = (databases: MarkKey['databases']): MarkKey => ({
  kind: 'mark-key',
  id: 'write down which key opens the data',
  why: `nothing says it yet of ${databases.map((one) => one.name).join(', ')}`,
  needs: [...needs, 'healthy:pocket-id'],
  uses: ['postgres'],
  impact: 'none',
  deadlineMs,
  databases,
});

const assumed = (desired: Desired): readonly DatabaseStep[] => {
  const available = desired.databases.flatMap((one) => one.extensions);
  const nothing: Seen = { seen: 'all', roles: {}, databases: {}, available, seals: {} };
  return [
    ...desired.databases.map((one) => ({
      ...prepare(`prepare the database ${one.name}`, databaseChanges(one, nothing)),
      assumed: true,
    })),
    {
      ...markKey([]),
      why: 'so that another key is noticed before anything starts with it',
      assumed: true,
    },
  ];
};

/** The whole difference, one step a database. */
export const planDatabases = (desired: Desired, world: World): readonly DatabaseStep[] => {
  if (world.seen !== 'all') return world.seen === 'absent' ? assumed(desired) : [];
  const all = [
    prepare('set the password of postgres', roleChanges(desired.superuser, world)),
    ...desired.databases.map((one) =>
      prepare(`prepare the database ${one.name}`, databaseChanges(one, world)),
    ),
  ];
  return [
    ...all.filter((step) => step.changes.length > 0),
    ...missingExtensions(desired, world),
    ...otherKeys(desired, world),
    ...keyMarks(desired, world),
  ];
};

/**
 * `postgres.ready`: every database is there, with its owner, password and extensions. `identity.key`: no data is there
 * that another key than ours was written with.
 */
export const databaseFacts = (desired: Desired, world: World): Facts => {
  if (world.seen !== 'all') {
    const why = world.seen === 'absent' ? absent(world.text) : unreachable(world.text, world.hint);
    return { 'postgres.ready': why, 'identity.key': why };
  }
  // An extension that a database of others lacks keeps nobody from signing in.
  const own = new Set(desired.databases.filter((one) => one.isOwn).map((one) => one.name));
  const [first] = planDatabases(desired, world).filter(
    (step) => step.kind === 'prepare' || (step.kind === 'missing-extension' && own.has(step.database)),
  );
  const [otherKey] = otherKeys(desired, world);
  const isUnknown = Object.values(world.seals).some((one) => one.state === 'unknown');
  return {
    'postgres.ready': first === undefined ? true : absent(`still to do: ${first.why}`),
    'identity.key':
      otherKey !== undefined
        ? conflict(otherKey.text, otherKey.hint)
        : isUnknown
          ? absent('the key is not there yet')
          : true,
  };
};
