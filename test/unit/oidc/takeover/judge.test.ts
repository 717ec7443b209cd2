import { describe, expect, test } from 'vitest';
import { desiredIdentity } from '../../../../src/oidc/desired.ts';
import type { Contents } from '../../../../src/oidc/takeover/contents.ts';
import { inUse, notesOn, undecided, wrongWithDump } from '../../../../src/oidc/takeover/judge.ts';
import { testSettings } from '../../../support/settings.ts';

const desired = desiredIdentity(testSettings('/srv'));
const real = { isStandIn: false, isPinned: true };
const issuer = 'https://pocketid.lab.localhost:18443';
const alice = { id: 'u1', username: 'Alice', email: 'alice@old.example', passkeys: 2 };
const dump: Contents = {
  kind: 'real',
  version: 20_260_814_120_000,
  isDirty: false,
  users: [alice],
  groups: [],
  clients: [],
  signingKey: 'sealed',
  instanceId: 'i',
  hasStorage: true,
};

describe('a dump', () => {
  test('of the version that runs here is taken', () => {
    expect(wrongWithDump(dump, real)).toBeUndefined();
    expect(wrongWithDump({ ...dump, version: 20_250_101_000_000 }, real)).toBeUndefined();
  });

  test.each([
    ['without tables', { kind: 'empty' }, real, 'DUMP_UNUSABLE'],
    ['of something else', { kind: 'other' }, real, 'DUMP_UNUSABLE'],
    ['of a stand-in, for the real server', { kind: 'stand-in' }, real, 'DATA_FOREIGN'],
    ['of the real server, for a stand-in', {}, { ...real, isStandIn: true }, 'DATA_FOREIGN'],
    ['with a broken migration', { isDirty: true }, real, 'DUMP_UNUSABLE'],
    ['of a newer version', { version: 20_261_231_000_000 }, real, 'TAKEOVER_REFUSED'],
  ] as const)('%s is refused', (_case, change, server, code) => {
    expect(wrongWithDump({ ...dump, ...change }, server)).toMatchObject({ code });
  });

  test('of a newer version is taken where the settings name the image, which knows better', () => {
    const newer = { ...dump, version: 20_261_231_000_000 };

    expect(wrongWithDump(newer, { isStandIn: false, isPinned: false })).toBeUndefined();
  });

  test('that holds what the settings declare needs a decision, before anything is changed', () => {
    const full = {
      ...dump,
      users: [alice, { id: 'u2', username: 'other', email: 'ALICE@lab.localhost', passkeys: 0 }],
      groups: [{ id: 'g', name: 'netbird-users' }],
      clients: [
        { id: 'netbird', name: 'mine' },
        { id: 'x', name: 'Netbird' },
      ],
    };

    expect(undecided(full, desired)).toMatchObject({
      code: 'IDENTITY_CONFLICT',
      message: expect.stringContaining('user Alice, user other, group netbird-users, client netbird;'),
      hint: expect.stringContaining('--adopt'),
    });
    expect(undecided({ ...dump, users: [] }, desired)).toBeUndefined();
  });
});

describe("this stack's own Pocket ID", () => {
  const now = { ...dump, users: [{ ...alice, passkeys: 0 }], clients: [{ id: 'netbird', name: 'Netbird' }] };

  test('gives way while it is empty, or holds what this program made and nobody has used', () => {
    expect(inUse({ ...dump, kind: 'empty' }, new Set())).toBeUndefined();
    expect(inUse(now, new Set(['u1']))).toBeUndefined();
  });

  const canary = { id: 'c', username: 'skylab-canary-0123456789abcdef', email: null, passkeys: 0 };

  test('gives way although a proof that was killed left its user', () => {
    expect(inUse({ ...now, users: [...now.users, canary] }, new Set(['u1']))).toBeUndefined();
  });

  test.each([
    ['a person whose name is like that of a proof', { username: 'skylab-canary-bob' }],
    ['a person who gave such a user a passkey', { passkeys: 1 }],
  ])('does not give way where it holds %s', (_case, change) => {
    const users = [...now.users, { ...canary, ...change }];

    expect(inUse({ ...now, users }, new Set(['u1']))).toMatchObject({ code: 'TAKEOVER_REFUSED' });
  });

  test.each([
    ['a person who was added', now, new Set<string>(), 'Alice'],
    ['a passkey', { ...now, users: [alice] }, new Set(['u1']), 'Alice (2 passkeys)'],
    [
      'a client that was added',
      { ...now, clients: [{ id: 'immich', name: 'I' }] },
      new Set(['u1']),
      'immich',
    ],
    ['a group that was added', { ...now, groups: [{ id: 'g', name: 'family' }] }, new Set(['u1']), 'family'],
    [
      'tables of something else',
      { ...now, kind: 'other' as const },
      new Set(['u1']),
      'not those of Pocket ID',
    ],
  ])('does not give way where it holds %s', (_case, contents, ours, named) => {
    expect(inUse(contents, ours)).toMatchObject({
      code: 'TAKEOVER_REFUSED',
      message: expect.stringContaining(named),
    });
  });
});

describe('what is said of passkeys', () => {
  const first = (before: string | undefined) => notesOn(dump, before, issuer)[0];

  test('that they go on working where the host name stays, whatever the port', () => {
    expect(first('https://pocketid.lab.localhost')).toMatch(
      /^2 passkeys \(Alice \(2 passkeys\)\) go on working/,
    );
    expect(notesOn(dump, 'https://pocketid.lab.localhost', issuer)[1]).toContain('new issuer');
    expect(notesOn(dump, `${issuer}/`, issuer).join()).not.toContain('new issuer');
  });

  test('that they stop working where the host name changes, and whose they are', () => {
    expect(first('https://id.old.example')).toContain('STOP WORKING: they belong to id.old.example');
  });

  test('that it is not known where the old address is not', () => {
    expect(first(undefined)).toContain('only if the old Pocket ID was at https://pocketid.lab.localhost too');
  });

  test('nothing where there is none', () => {
    const none = { ...dump, users: [] };

    expect(notesOn(none, undefined, issuer).join()).not.toContain('passkey');
  });
});

test('a client named Netbird under another id is named, and stays', () => {
  const notes = notesOn({ ...dump, clients: [{ id: 'f00', name: 'Netbird' }] }, issuer, issuer);

  expect(notes.join('\n')).toContain('the client "Netbird" (f00) stays');
});
