import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { KillPoint } from '../../src/orchestrator/effects.ts';
import type { HostSettings } from '../../src/settings/schema.ts';
import { byHand } from '../unit/oidc/support/household.ts';
import { untilKilled } from '../unit/oidc/support/kill.ts';
import { lookOnce, setStage, settle, type Stage } from '../unit/oidc/support/stage.ts';

const names = ['bob', 'carol', 'dave', 'erin'] as const;
const groupNames = ['family', 'chess', 'netbird-users'] as const;
const clientIds = ['photos', 'wiki', 'films'] as const;

const person = (username: string, groups: readonly string[]) => ({
  username,
  email: `${username}@lab.test`,
  first_name: username,
  last_name: '',
  groups: [...groups],
});

type Identity = Partial<HostSettings['identity']>;

/** What the settings may declare. */
const identities: fc.Arbitrary<Identity> = fc
  .record({
    groups: fc.subarray(['family', 'chess']),
    people: fc.subarray([...names]),
    memberships: fc.array(fc.subarray([...groupNames]), { minLength: 4, maxLength: 4 }),
    clients: fc.subarray([...clientIds]),
    isPublic: fc.boolean(),
  })
  .map(({ groups, people, memberships, clients, isPublic }) => {
    const declared = new Set<string>(['netbird-users', ...groups]);
    const inGroups = (index: number) => (memberships[index] ?? []).filter((group) => declared.has(group));
    return {
      groups: groups.map((name) => ({ name, title: `The ${name}` })),
      people: people.map((username, index) => person(username, inGroups(index))),
      clients: clients.map((id, index) => ({
        id,
        name: `App ${id}`,
        callbacks: [`https://${id}.lab.test/cb`],
        logout_callbacks: [],
        public: isPublic,
        groups: inGroups(index),
      })),
    };
  });

type Deed =
  | { readonly kind: 'user'; readonly name: string }
  | { readonly kind: 'group'; readonly name: string }
  | { readonly kind: 'client'; readonly name: string }
  | { readonly kind: 'open-client'; readonly name: string }
  | { readonly kind: 'demote-everyone' }
  | { readonly kind: 'empty-group'; readonly name: string }
  | { readonly kind: 'remove-group'; readonly name: string }
  | { readonly kind: 'remove-user'; readonly name: string };

const nameOf = (all: readonly string[]) => fc.constantFrom(...all);
/** What people do in Pocket ID by themselves, before we come or between two runs. */
const deeds: fc.Arbitrary<readonly Deed[]> = fc.array(
  fc.oneof(
    fc.record({ kind: fc.constant('user' as const), name: nameOf([...names, 'alice']) }),
    fc.record({ kind: fc.constant('group' as const), name: nameOf(groupNames) }),
    fc.record({ kind: fc.constant('client' as const), name: nameOf([...clientIds, 'netbird']) }),
    fc.record({ kind: fc.constant('open-client' as const), name: nameOf([...clientIds, 'netbird']) }),
    fc.record({ kind: fc.constant('demote-everyone' as const) }),
    fc.record({ kind: fc.constant('empty-group' as const), name: nameOf(groupNames) }),
    fc.record({ kind: fc.constant('remove-group' as const), name: nameOf(groupNames) }),
    fc.record({ kind: fc.constant('remove-user' as const), name: nameOf([...names, 'alice']) }),
  ),
  { maxLength: 6 },
);

type Kept = Readonly<Record<string, unknown>>;
const all = (stage: Stage, kind: 'user' | 'group' | 'client'): readonly Kept[] =>
  [...(stage.server.contents().get(kind)?.values() ?? [])] as readonly Kept[];
const find = (stage: Stage, kind: 'user' | 'group' | 'client', field: string, value: string) =>
  all(stage, kind).find((one) => one[field] === value);

const userBody = (username: string) => ({
  username,
  email: `${username}@elsewhere.test`,
  firstName: username,
  displayName: username,
});

const act = async (stage: Stage, deed: Deed): Promise<void> => {
  switch (deed.kind) {
    case 'user':
      if (find(stage, 'user', 'username', deed.name) === undefined)
        await byHand(stage, 'POST', '/api/users', userBody(deed.name));
      break;
    case 'group':
      if (find(stage, 'group', 'name', deed.name) === undefined)
        await byHand(stage, 'POST', '/api/user-groups', { name: deed.name, friendlyName: 'By hand' });
      break;
    case 'client':
      if (find(stage, 'client', 'id', deed.name) === undefined)
        await byHand(stage, 'POST', '/api/oidc/clients', { id: deed.name, name: 'By hand' });
      break;
    case 'open-client': {
      const client = find(stage, 'client', 'id', deed.name);
      const change = { isGroupRestricted: false, callbackURLs: ['https://evil.test/cb'] };
      if (client !== undefined)
        await byHand(stage, 'PUT', `/api/oidc/clients/${deed.name}`, { ...client, ...change });
      break;
    }
    case 'demote-everyone':
      for (const user of all(stage, 'user').filter((one) => one['email'] !== null))
        await byHand(stage, 'PUT', `/api/users/${String(user['id'])}`, { ...user, isAdmin: false });
      break;
    case 'empty-group': {
      const group = find(stage, 'group', 'name', deed.name);
      if (group !== undefined)
        await byHand(stage, 'PUT', `/api/user-groups/${String(group['id'])}/users`, { userIds: [] });
      break;
    }
    case 'remove-group': {
      const group = find(stage, 'group', 'name', deed.name);
      if (group !== undefined) await byHand(stage, 'DELETE', `/api/user-groups/${String(group['id'])}`);
      break;
    }
    case 'remove-user': {
      const user = find(stage, 'user', 'username', deed.name);
      if (user !== undefined) await byHand(stage, 'DELETE', `/api/users/${String(user['id'])}`);
      break;
    }
  }
};

/** The world without ids, times and secrets, so that two of them can be compared. */
const projection = (stage: Stage) => {
  const groupName = new Map(all(stage, 'group').map((group) => [group['id'], group['name']]));
  const groupsOf = (ids: unknown) =>
    (ids as readonly string[])
      .map((id) => groupName.get(id))
      .map(String)
      .toSorted();
  const sorted = (rows: readonly Kept[]) => rows.map((row) => JSON.stringify(row)).toSorted();
  const users = all(stage, 'user').filter((user) => user['email'] !== null);
  return {
    users: sorted(
      users.map(({ id: _id, createdAt: _at, groupIds, ...user }) => ({
        ...Object.fromEntries(Object.entries(user).toSorted(([a], [b]) => a.localeCompare(b))),
        groups: groupsOf(groupIds),
      })),
    ),
    groups: sorted(all(stage, 'group').map(({ name, friendlyName }) => ({ name, friendlyName }))),
    clients: sorted(
      all(stage, 'client').map(({ createdAt: _at, allowedGroupIds, secrets, ...client }) => ({
        ...Object.fromEntries(Object.entries(client).toSorted(([a], [b]) => a.localeCompare(b))),
        groups: groupsOf(allowedGroupIds),
        secrets: (secrets as readonly unknown[]).length,
      })),
    ),
    entries: [...stage.secrets.kept.keys()].toSorted(),
  };
};

const prepared = async (identity: Identity, before: readonly Deed[], adopt: boolean): Promise<Stage> => {
  const stage = await setStage({ identity, adopt });
  for (const deed of before) await act(stage, deed);
  return stage;
};

const settleUntilKilled = async (stage: Stage, killPoint: KillPoint): Promise<boolean> =>
  untilKilled(killPoint, async (effects) => settle({ ...stage, effects }));

test('whatever Pocket ID holds, a run leaves nothing to do but what a person must decide, and a second one does nothing', async () => {
  await fc.assert(
    fc.asyncProperty(identities, deeds, deeds, fc.boolean(), async (identity, before, between, adopt) => {
      const stage = await prepared(identity, before, adopt);
      await settle(stage);
      for (const deed of between) await act(stage, deed);
      await settle(stage);
      const writes = stage.writes.length;

      expect(await settle(stage)).toEqual([]);

      const { facts, steps } = await lookOnce(stage);
      expect(stage.writes.length).toBe(writes);
      expect(steps.filter((step) => step.kind !== 'adopt')).toEqual([]);
      if (adopt) {
        expect(steps).toEqual([]);
        expect(new Set(Object.values(facts))).toEqual(new Set([true]));
      }
    }),
    { numRuns: 30 },
  );
});

test('a run that is killed before or after any effect is finished by the next one, with the same world', async () => {
  await fc.assert(
    fc.asyncProperty(identities, deeds, fc.boolean(), async (identity, before, adopt) => {
      const whole = await prepared(identity, before, adopt);
      await settle(whole);
      const wanted = projection(whole);
      const effects = whole.effects.count();

      for (let at = 1; at <= effects; at += 1) {
        for (const when of ['before', 'after'] as const) {
          const stage = await prepared(identity, before, adopt);
          expect(await settleUntilKilled(stage, { when, at })).toBe(true);
          await settle(stage);
          expect(projection(stage)).toEqual(wanted);
        }
      }
    }),
    { numRuns: 4 },
  );
});

test('a run that is killed twice is finished by the third one', async () => {
  await fc.assert(
    fc.asyncProperty(identities, deeds, fc.nat(30), fc.nat(30), async (identity, before, first, second) => {
      const whole = await prepared(identity, before, true);
      await settle(whole);

      const stage = await prepared(identity, before, true);
      await settleUntilKilled(stage, { when: 'after', at: first + 1 });
      await settleUntilKilled(stage, { when: 'after', at: second + 1 });
      await settle(stage);

      expect(projection(stage)).toEqual(projection(whole));
    }),
    { numRuns: 30 },
  );
});

test('what the settings do not name is never touched', async () => {
  await fc.assert(
    fc.asyncProperty(identities, deeds, async (identity, before) => {
      const stage = await prepared(identity, before, true);
      const declared = new Set<unknown>([
        'alice',
        'netbird',
        'netbird-users',
        ...(identity.people ?? []).map((one) => one.username),
        ...(identity.groups ?? []).map((one) => one.name),
        ...(identity.clients ?? []).map((one) => one.id),
      ]);
      const others = () => [
        all(stage, 'user').filter((one) => one['email'] !== null && !declared.has(one['username'])),
        all(stage, 'group').filter((one) => !declared.has(one['name'])),
        all(stage, 'client').filter((one) => !declared.has(one['id'])),
      ];
      const untouched = others();

      await settle(stage);

      expect(others()).toEqual(untouched);
    }),
    { numRuns: 30 },
  );
});
