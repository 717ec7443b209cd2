import type { Step } from '../orchestrator/area.ts';
import { absent, conflict, type Fact, type Facts, type Why } from '../orchestrator/facts.ts';
import {
  meshClientId,
  peopleGroup,
  type Desired,
  type DesiredClient,
  type DesiredGroup,
  type DesiredUser,
  type Kind,
} from './desired.ts';
import type { Seen, SeenClient, Sight, World } from './observe.ts';
import type { Client, Group, User } from './pocket-id.ts';

interface Base extends Step {
  /** The fact that is not true while this step is left to do. */
  readonly makes: 'identity.api' | 'identity.owned' | 'identity.client' | 'identity.settings';
}

export type IdentityStep =
  | (Base & { readonly kind: 'await' })
  | (Base & { readonly kind: 'group'; readonly group: DesiredGroup })
  | (Base & { readonly kind: 'user'; readonly user: DesiredUser })
  | (Base & { readonly kind: 'member'; readonly user: DesiredUser; readonly group: DesiredGroup })
  | (Base & { readonly kind: 'client'; readonly client: DesiredClient })
  | (Base & {
      readonly kind: 'adopt';
      readonly what: Kind;
      readonly name: string;
      readonly foreignId: string;
      /** Set where this step must not run: nobody said that we may, or it would not help. */
      readonly conflict: Why | undefined;
    });

type Fields = Readonly<Record<string, unknown>>;

const fullName = (one: {
  readonly firstName: string;
  readonly lastName?: string | null | undefined;
}): string => `${one.firstName} ${one.lastName ?? ''}`.trim();

/** Pocket ID compares these without regard to case, and may have stored them otherwise. */
const asSeen = (seen: string | null | undefined, wanted: string): string =>
  seen?.toLowerCase() === wanted.toLowerCase() ? seen : wanted;

/** What we decide of a user. A display name that a person chose stays. */
export const userFields = (wanted: DesiredUser, seen?: User): Fields => ({
  username: asSeen(seen?.username, wanted.username),
  email: asSeen(seen?.email, wanted.email),
  emailVerified: true,
  firstName: wanted.firstName,
  lastName: wanted.lastName,
  displayName:
    seen === undefined || seen.displayName === fullName(seen) ? fullName(wanted) : seen.displayName,
  ...(wanted.admin ? { isAdmin: true } : {}),
});

/** What we decide of a group. The random display name of one being made is not what people should see. */
export const groupFields = (wanted: DesiredGroup): Fields => ({
  name: wanted.name,
  friendlyName: wanted.title,
});

/** What we decide of a client; everything else stays as it is. */
export const clientFields = (wanted: DesiredClient): Fields => ({
  name: wanted.name,
  callbackURLs: wanted.callbacks,
  logoutCallbackURLs: wanted.logoutCallbacks,
  isPublic: wanted.public,
  isGroupRestricted: wanted.groups !== undefined,
  ...(wanted.public ? { pkceEnabled: true } : {}),
  // NetBird's programs know neither pushed requests nor a second sign-in, and a mesh needs no consent screen.
  ...(wanted.id === meshClientId
    ? { skipConsent: true, requiresReauthentication: false, requiresPushedAuthorizationRequests: false }
    : {}),
});

const asText = (value: unknown): string =>
  Array.isArray(value)
    ? JSON.stringify([...new Set(value.map(String))].toSorted((a, b) => a.localeCompare(b)))
    : JSON.stringify(value ?? '');

/** The fields that differ, as `name is seen, wanted other`; lists are compared without regard to order. */
export const differences = (seen: Fields, wanted: Fields): readonly string[] =>
  Object.entries(wanted)
    .filter(([name, value]) => asText(seen[name]) !== asText(value))
    .map(([name, value]) => `${name} is ${asText(seen[name])}, wanted ${asText(value)}`);

/** Ids of the groups that a client should let in, or undefined: leave them alone, since one of them is not ours. */
export const allowedIds = (wanted: DesiredClient, groups: Sight['groups']): readonly string[] | undefined => {
  const all = (wanted.groups ?? []).map((name) => groups.get(name));
  if (wanted.groups === undefined || all.some((seen) => seen?.state === 'foreign')) return undefined;
  return all.flatMap((seen) => (seen?.state === 'ours' ? [seen.is.id] : []));
};

const allowedDifferences = (
  wanted: DesiredClient,
  seen: Client,
  groups: Sight['groups'],
): readonly string[] => {
  const ids = allowedIds(wanted, groups);
  if (ids === undefined) return [];
  // A group that is not there yet has a step of its own; afterwards it is missing here.
  const missing = (wanted.groups ?? []).filter((name) => {
    const group = groups.get(name);
    return group?.state === 'ours' && !seen.allowedUserGroups.some((one) => one.id === group.is.id);
  });
  const extra = seen.allowedUserGroups.filter((one) => !ids.includes(one.id));
  return [
    ...missing.map((name) => `${name} may not sign in`),
    ...extra.map((one) => `${one.name} may sign in, and should not`),
  ];
};

/** What is left to change of a client. */
export const clientDifferences = (
  wanted: DesiredClient,
  seen: SeenClient,
  groups: Sight['groups'],
): readonly string[] => [
  ...differences(seen, clientFields(wanted)),
  ...allowedDifferences(wanted, seen, groups),
  ...(seen.secretIsKept ? [] : ['the secret we keep is not one of its own']),
];

/** Pocket ID stays healthy while its database is being replaced, and answers nothing of use. */
const needs = ['healthy:pocket-id', 'healthy:postgres'] as const satisfies readonly Fact[];

const base = (id: string, why: string, makes: Base['makes']): Base => ({
  id,
  why,
  makes,
  kind: '',
  needs,
  uses: ['pocket-id'],
  impact: 'none',
  deadlineMs: 30_000,
});

const factOfGroup = (name: string) => (name === peopleGroup ? 'identity.client' : 'identity.settings');
const factOfUser = (user: DesiredUser) => (user.admin ? 'identity.owned' : 'identity.settings');
const factOfClient = (id: string) => (id === meshClientId ? 'identity.client' : 'identity.settings');

/** The step for one declared object: none, create or repair it, or take it over. */
const stepFor = <T>(
  object: { readonly kind: Kind; readonly name: string; readonly makes: Base['makes'] },
  seen: Seen<T> | undefined,
  adopt: boolean,
  differ: (is: T) => readonly string[],
  make: (step: Base) => IdentityStep,
): readonly IdentityStep[] => {
  const { kind, name, makes } = object;
  if (seen === undefined || seen.state === 'absent') {
    return [make(base(`create ${kind} ${name}`, `there is no ${kind} "${name}"`, makes))];
  }
  if (seen.state === 'ours') {
    const changes = differ(seen.is);
    return changes.length === 0 ? [] : [make(base(`repair ${kind} ${name}`, changes.join('; '), makes))];
  }
  const allowed = adopt && seen.adoptable;
  const hint = seen.adoptable
    ? 'npm run -s up -- --adopt takes it over; or rename one of them'
    : 'change or remove that user in Pocket ID, or the one in settings.yaml';
  const step = base(`adopt ${kind} ${name}`, seen.text, makes);
  return [
    {
      ...step,
      kind: 'adopt',
      what: kind,
      name,
      foreignId: seen.id,
      // A step that waits for the fact which its own conflict keeps from being true: shown, and never run.
      needs: allowed ? step.needs : [...step.needs, makes],
      conflict: allowed ? undefined : conflict(seen.text, hint),
    },
  ];
};

const groupSteps = (desired: Desired, seen: Sight['groups'], adopt: boolean) =>
  desired.groups.flatMap((group) =>
    stepFor(
      { kind: 'group', name: group.name, makes: factOfGroup(group.name) },
      seen.get(group.name),
      adopt,
      (is: Group) => differences(is, groupFields(group)),
      (step) => ({ ...step, kind: 'group', group }),
    ),
  );

const userSteps = (desired: Desired, seen: Sight['users'], adopt: boolean) =>
  desired.users.flatMap((user) =>
    stepFor(
      { kind: 'user', name: user.username, makes: factOfUser(user) },
      seen.get(user.username),
      adopt,
      (is: User) => differences(is, userFields(user, is)),
      (step) => ({ ...step, kind: 'user', user }),
    ),
  );

/** Who is ours and not yet in a group of ours; a user that is still to be made is made with the groups there are. */
const memberSteps = (desired: Desired, sight: Sight): readonly IdentityStep[] =>
  desired.users.flatMap((user) =>
    desired.groups.flatMap((group) => {
      const [who, where] = [sight.users.get(user.username), sight.groups.get(group.name)];
      if (!user.groups.includes(group.name) || who?.state !== 'ours' || where?.state !== 'ours') return [];
      if (who.is.userGroups.some((one) => one.id === where.is.id)) return [];
      const makes = user.admin ? factOfGroup(group.name) : 'identity.settings';
      const id = `add ${user.username} to ${group.name}`;
      return [
        { ...base(id, `${user.username} is not in ${group.name}`, makes), kind: 'member', user, group },
      ];
    }),
  );

const clientSteps = (desired: Desired, sight: Sight, adopt: boolean) =>
  desired.clients.flatMap((client) =>
    stepFor(
      { kind: 'client', name: client.id, makes: factOfClient(client.id) },
      sight.clients.get(client.id),
      adopt,
      (is: SeenClient) => clientDifferences(client, is, sight.groups),
      (step) => ({ ...step, kind: 'client', client }),
    ),
  );

const nothingSeen: Sight = { users: new Map(), groups: new Map(), clients: new Map() };

const planSeen = (desired: Desired, sight: Sight, adopt: boolean): readonly IdentityStep[] => [
  ...groupSteps(desired, sight.groups, adopt),
  ...userSteps(desired, sight.users, adopt),
  ...memberSteps(desired, sight),
  ...clientSteps(desired, sight, adopt),
];

/** Before anything is seen: one step waits for Pocket ID, and all others for that, so that it fails once if at all. */
const planUnseen = (desired: Desired, why: Why): readonly IdentityStep[] => [
  { ...base('wait until Pocket ID answers', why.text, 'identity.api'), kind: 'await', assumed: true },
  ...planSeen(desired, nothingSeen, false).map((step) => ({
    ...step,
    needs: [...step.needs, 'identity.api' as const],
    why: 'Pocket ID has not been seen yet',
    assumed: true,
  })),
];

/**
 * The whole difference. Groups come first, since users and clients are made with them; all use `pocket-id`, so they run
 * in this order. `adopt`: objects of declared names that we did not make are taken over.
 */
export const planIdentity = (desired: Desired, world: World, adopt: boolean): readonly IdentityStep[] =>
  world.answers ? planSeen(desired, world.sight, adopt) : planUnseen(desired, world.why);

/** True, or why not: a conflict before anything that a step of the plan will do. */
const untilDone = (steps: readonly IdentityStep[], facts: readonly Fact[]): true | Why => {
  const left = steps.filter((step) => facts.includes(step.makes));
  const conflicts = left.flatMap((step) => (step.kind === 'adopt' && step.conflict ? [step.conflict] : []));
  const [first] = left;
  return conflicts[0] ?? (first === undefined ? true : absent(first.why));
};

export const identityFacts = (desired: Desired, world: World, adopt: boolean): Facts => {
  const steps = planIdentity(desired, world, adopt);
  return {
    'identity.api': world.answers ? true : world.why,
    'identity.owned': untilDone(steps, ['identity.owned']),
    // The mesh is owned by the administrator, so its client is of no use before there is one.
    'identity.client': untilDone(steps, ['identity.client', 'identity.owned']),
    'identity.settings': untilDone(steps, ['identity.settings']),
  };
};
