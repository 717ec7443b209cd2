import { randomUUID } from 'node:crypto';
import { beforeAll, describe, expect, test } from 'vitest';
import type { Answer, Session } from './session.ts';

/*
 * Ways that no recording holds: how people come in, wait, are let in, blocked, deleted. Seen on the real server.
 */

type Settings = Readonly<Record<string, unknown>>;
interface Account {
  readonly id: string;
  readonly settings: Settings;
}
interface User {
  readonly id: string;
  readonly role: string;
  readonly auto_groups: readonly string[];
  readonly is_blocked: boolean;
  readonly pending_approval: boolean;
}

/** Reads the settings, changes them, writes the whole. `approval` is part of `extra`. */
const writeSettings = async (session: Session, change: Settings, approval = false): Promise<Answer> => {
  const [account] = (await session.call('GET', '/api/accounts')).json as readonly [Account];
  const extra = { ...(account.settings['extra'] as Settings), user_approval_required: approval };
  const settings = { ...account.settings, extra, ...change };
  return session.call('PUT', `/api/accounts/${account.id}`, { settings });
};

const withoutGroups: Settings = {
  jwt_groups_enabled: false,
  jwt_groups_claim_name: '',
  jwt_allow_groups: [],
};

const error = (status: number, message: string) => ({ status, json: { message, code: status } });

/** Someone new, whose token carries these claims; every call signs in. */
const newcomer = (session: () => Session, email: string) => {
  const subject = randomUUID();
  return {
    subject,
    get: async (path: string, claims: Readonly<Record<string, unknown>> = {}): Promise<Answer> => {
      const token = await session().target.issuer.sign({ sub: subject, email, name: 'New', ...claims });
      return session().call('GET', path, undefined, `Bearer ${token}`);
    },
    record: async (): Promise<User | undefined> => {
      const users = (await session().call('GET', '/api/users')).json as readonly User[];
      return users.find(({ id }) => id === subject);
    },
  };
};

const approvalWays = (session: () => Session): void => {
  const carol = newcomer(session, 'carol@lab.test');
  const dora = newcomer(session, 'dora@lab.test');

  beforeAll(async () => {
    await writeSettings(session(), {}, true);
  });

  test('a newcomer is refused, with a text for each door', async () => {
    expect(await carol.get('/api/users/current')).toMatchObject(error(403, 'user is blocked'));
    expect(await carol.get('/api/users')).toMatchObject(
      error(403, 'failed to validate user permissions: user is pending approval'),
    );
    expect(await carol.get('/api/groups')).toMatchObject(error(403, 'user is pending approval'));
    expect(await carol.record()).toMatchObject({
      is_blocked: true,
      pending_approval: true,
      status: 'blocked',
    });
  });

  test('approval lets the newcomer in, once', async () => {
    const path = `/api/users/${carol.subject}/approve`;

    expect(await session().call('POST', path)).toMatchObject({
      status: 200,
      json: { is_blocked: false, pending_approval: false, status: 'active' },
    });
    expect(await carol.get('/api/users/current')).toMatchObject({ status: 200 });
    expect(await session().call('POST', path)).toMatchObject(
      error(422, `user ${carol.subject} is not pending approval`),
    );
  });

  test('a rejected newcomer is gone', async () => {
    await dora.get('/api/users/current');
    const rejected = await session().call('DELETE', `/api/users/${dora.subject}/reject`);

    expect(rejected).toMatchObject({ status: 200, json: {} });
    expect(await dora.record()).toBeUndefined();
  });

  test('a plain user sees nobody else and no peer', async () => {
    expect((await carol.get('/api/users')).json).toMatchObject([{ id: carol.subject }]);
    expect(await carol.get('/api/peers')).toMatchObject({ status: 200, json: [] });
  });

  test.each(['accounts', 'groups', 'policies', 'setup-keys', 'networks', 'dns/zones'])(
    'a plain user may not look at %s',
    async (path) => {
      expect(await carol.get(`/api/${path}`)).toMatchObject(error(403, 'permission denied'));
    },
  );

  test('a deleted user who comes again waits again', async () => {
    expect(await session().call('DELETE', `/api/users/${carol.subject}`)).toMatchObject({ status: 200 });
    expect(await carol.record()).toBeUndefined();
    expect(await carol.get('/api/users/current')).toMatchObject(error(403, 'user is blocked'));
    expect(await carol.record()).toMatchObject({ role: 'user', pending_approval: true });
  });
};

const groupWays = (session: () => Session): void => {
  const emil = newcomer(session, 'emil@lab.test');
  const flora = newcomer(session, 'flora@lab.test');
  const groupId = async (name: string): Promise<string> => {
    const [group] = (await session().call('GET', `/api/groups?name=${name}`)).json as readonly [
      { id: string },
    ];
    return group.id;
  };
  const groupsWith = async (claims: Readonly<Record<string, unknown>>): Promise<readonly string[]> => {
    const { json } = await emil.get('/api/users/current', claims);
    return (json as User).auto_groups;
  };

  beforeAll(async () => {
    await writeSettings(session(), { jwt_groups_enabled: true, jwt_groups_claim_name: 'groups' });
  });

  test('groups of the token become groups of the user, and go with the next token', async () => {
    const both = await groupsWith({ groups: ['red', 'blue'] });

    expect(both.toSorted()).toEqual([await groupId('red'), await groupId('blue')].toSorted());
    expect(await groupsWith({ groups: ['blue'] })).toEqual([await groupId('blue')]);
    expect(await groupsWith({ groups: 'red' })).toEqual([await groupId('red')]);
    expect(await groupsWith({ groups: [] })).toEqual([]);
  });

  test('a token without the claim empties them, as an access token does', async () => {
    await groupsWith({ groups: ['blue'] });

    expect(await groupsWith({})).toEqual([]);
  });

  test('a group made through the API is never given by a token', async () => {
    await session().call('POST', '/api/groups', { name: 'by-hand' });

    expect(await groupsWith({ groups: ['by-hand', 'All'] })).toEqual([]);
  });

  test('a group given by an administrator stays', async () => {
    const byHand = await groupId('by-hand');
    const change = { role: 'user', auto_groups: [byHand], is_blocked: false };
    await session().call('PUT', `/api/users/${emil.subject}`, change);

    expect((await groupsWith({ groups: ['red'] })).toSorted()).toEqual(
      [byHand, await groupId('red')].toSorted(),
    );
  });

  test('someone outside the allowed groups is made, without groups, and refused', async () => {
    await writeSettings(session(), {
      jwt_groups_enabled: true,
      jwt_groups_claim_name: 'groups',
      jwt_allow_groups: ['blue'],
    });

    expect(await flora.get('/api/users/current', { groups: ['green'] })).toMatchObject(
      error(401, 'token invalid'),
    );
    expect(await flora.record()).toMatchObject({ auto_groups: [] });
    expect(await flora.get('/api/users/current', { groups: ['blue'] })).toMatchObject({ status: 200 });
  });

  test('name and e-mail stay those of the first token', async () => {
    await writeSettings(session(), withoutGroups);
    const answer = await emil.get('/api/users/current', { email: 'other@lab.test', name: 'Other' });

    expect(answer.json).toMatchObject({ email: 'emil@lab.test', name: 'New' });
  });
};

const roleWays = (session: () => Session): void => {
  const gero = newcomer(session, 'gero@lab.test');
  const update = (change: Settings): Promise<Answer> =>
    session().call('PUT', `/api/users/${gero.subject}`, {
      role: 'user',
      auto_groups: [],
      is_blocked: false,
      ...change,
    });

  beforeAll(async () => {
    await writeSettings(session(), withoutGroups);
    await gero.get('/api/users/current');
  });

  test('a blocked user is refused at every door, a service user at its own page', async () => {
    await update({ is_blocked: true });

    expect(await gero.get('/api/users/current')).toMatchObject(error(403, 'user is blocked'));
    expect(await gero.get('/api/peers')).toMatchObject(
      error(403, 'failed to validate user permissions: user is blocked'),
    );
    expect(await session().call('GET', '/api/users/current')).toMatchObject(error(403, 'permission denied'));
    expect(await update({})).toMatchObject({ json: { status: 'active' } });
  });

  test.each([
    ['auditor', 'r', 'r', 'r'],
    ['network_admin', 'r', 'cdru', 'r'],
    ['admin', 'r', 'cdru', 'cdru'],
    ['user', '', '', ''],
  ])(
    'role %s may do with accounts "%s", policies "%s", users "%s"',
    async (role, accounts, policies, users) => {
      await update({ role });
      const { json } = await gero.get('/api/users/current');
      const { modules } = (json as { permissions: { modules: Record<string, Record<string, boolean>> } })
        .permissions;
      const letters = (module: string): string =>
        Object.entries(modules[module] ?? {})
          .filter(([, isAllowed]) => isAllowed)
          .map(([operation]) => operation.charAt(0))
          .sort()
          .join('');

      expect(['accounts', 'policies', 'users'].map(letters)).toEqual([accounts, policies, users]);
    },
  );

  test('an administrator cannot touch the owner, make one, or change itself', async () => {
    const owner = session().bindings.live('<uuid:alice>');
    const self = session().bindings.live('<uuid:service-user>');
    const put = (id: string, change: Settings) =>
      session().call('PUT', `/api/users/${id}`, { auto_groups: [], is_blocked: false, ...change });
    const why = (id: string, text: string) => error(403, `failed to process update for user ${id}: ${text}`);

    expect(await put(owner, { role: 'admin' })).toMatchObject(
      why(owner, 'only owners can remove owner role from their user'),
    );
    expect(await put(owner, { role: 'owner', is_blocked: true })).toMatchObject(
      why(owner, 'unable to block owner user'),
    );
    expect(await put(gero.subject, { role: 'owner' })).toMatchObject(
      why(gero.subject, 'only owners can add owner role to other users'),
    );
    expect(await put(self, { role: 'user' })).toMatchObject(why(self, "admins can't change their role"));
    expect(await session().call('DELETE', `/api/users/${self}`)).toMatchObject(
      error(422, 'self deletion is not allowed'),
    );
  });
};

/** Registers tests of how people come in and what they may do. Leaves approval and JWT groups off. */
export const peopleWays = (session: () => Session): void => {
  describe('where the account asks for approval', () => {
    approvalWays(session);
  });
  describe('where groups come with the token', () => {
    groupWays(session);
  });
  describe('roles', () => {
    roleWays(session);
  });
};
