import { expect, test } from 'vitest';
import { desiredIdentity } from '../../../src/oidc/desired.ts';
import { identityFiles, identityKeeps } from '../../../src/oidc/render.ts';
import { settingsWith } from './support/stage.ts';

const bob = { username: 'bob', email: 'bob@lab.test', first_name: 'Bob', last_name: '' };

test('wants the client of NetBird with its addresses, and the administrator in its group', () => {
  const desired = desiredIdentity(settingsWith());

  expect(desired).toEqual({
    groups: [{ name: 'netbird-users', title: 'NetBird users' }],
    users: [
      {
        username: 'alice',
        email: 'alice@lab.test',
        firstName: 'Alice',
        lastName: 'Lab',
        admin: true,
        groups: ['netbird-users'],
      },
    ],
    clients: [
      {
        id: 'netbird',
        name: 'Netbird',
        callbacks: [
          'https://netbird.lab.test:18443/auth/callback',
          'https://netbird.lab.test:18443/auth/silent-callback',
          'http://localhost:53000',
          'http://localhost:54000',
        ],
        logoutCallbacks: ['https://netbird.lab.test:18443', 'https://netbird.lab.test:18443/'],
        public: true,
        groups: ['netbird-users'],
      },
    ],
  });
});

test('makes nobody but the administrator an administrator, and puts people only where the settings say', () => {
  const desired = desiredIdentity(settingsWith({ people: [{ ...bob, groups: [] }] }));

  expect(desired.users.map((user) => [user.username, user.admin, user.groups])).toEqual([
    ['alice', true, ['netbird-users']],
    ['bob', false, []],
  ]);
});

test('lets everyone sign in to a client without groups, and only those groups to one that has some', () => {
  const client = { name: 'App', callbacks: ['https://app.lab.test/cb'], logout_callbacks: [], public: false };
  const desired = desiredIdentity(
    settingsWith({
      groups: [{ name: 'family', title: 'Family' }],
      clients: [
        { ...client, id: 'open', groups: [] },
        { ...client, id: 'closed', groups: ['family'] },
      ],
    }),
  );

  expect(desired.clients.map((one) => [one.id, one.groups])).toEqual([
    ['netbird', ['netbird-users']],
    ['open', undefined],
    ['closed', ['family']],
  ]);
});

test('writes names in the composed form that Pocket ID stores', () => {
  const people = [{ ...bob, first_name: 'Rene\u0301', groups: [] }];

  expect(desiredIdentity(settingsWith({ people })).users[1]?.firstName).toBe('Ren\u00e9');
});

test('gives Pocket ID its secrets as files without a newline, readable by its user alone', () => {
  const files = identityFiles();

  expect(files.map((file) => [file.path, file.content])).toEqual([
    ['encryption-key', [{ secret: 'pocket-id-encryption-key' }]],
    ['static-api-key', [{ secret: 'pocket-id-static-api-key' }]],
    [
      'database-url',
      [
        'postgres://pocketid:',
        { secret: 'postgres-password-pocketid', as: 'url' },
        '@postgres:5432/',
        { real: 'pocketid', standIn: 'pocketid_standin' },
        '?sslmode=disable',
      ],
    ],
  ]);
  expect(new Set(files.map((file) => `${file.service} ${file.reader.uid}`))).toEqual(
    new Set(['pocket-id 1000']),
  );
});

test('keeps the encryption key and every client secret', () => {
  const client = { name: 'App', callbacks: ['https://app.lab.test/cb'], logout_callbacks: [], groups: [] };
  const desired = desiredIdentity(
    settingsWith({
      clients: [
        { ...client, id: 'closed', public: false },
        { ...client, id: 'phone', public: true },
      ],
    }),
  );

  expect(identityKeeps(desired).map((keep) => keep.name)).toEqual([
    'pocket-id-encryption-key',
    'pocket-id-client-secret-closed',
  ]);
});

test('refuses settings that name an undeclared group, or the same thing twice', () => {
  const app = {
    id: 'app',
    name: 'App',
    callbacks: ['https://app.lab.test/cb'],
    logout_callbacks: [],
    public: true,
  };
  const problemsOf = (identity: Parameters<typeof settingsWith>[0]): readonly string[] => {
    try {
      settingsWith(identity);
      return [];
    } catch (error) {
      return (error as { issues: { path: PropertyKey[]; message: string }[] }).issues.map(
        (issue) => `${issue.path.join('/')}: ${issue.message}`,
      );
    }
  };

  expect(
    problemsOf({
      groups: [
        { name: 'family', title: 'Family' },
        { name: 'family', title: 'Them' },
      ],
      people: [{ ...bob, email: 'ALICE@lab.test', groups: [] }],
      clients: [
        { ...app, groups: ['chess'] },
        { ...app, groups: [] },
      ],
    }),
  ).toEqual([
    'identity/clients/0/groups: names the group "chess", which is not declared',
    'identity/groups: name the same group twice',
    'identity/clients: name the same client twice',
    'identity/people: name the same e-mail address twice',
  ]);
});
