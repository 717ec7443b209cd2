import { describe, expect, test } from 'vitest';
import { chooseOwner } from '../../../src/secrets/owner.ts';

const root = { uid: 0, gid: 0 };
const people = 'root:x:0:0::/root:/bin/sh\nanna:x:1000:100::/home/anna:/bin/sh\n';
const service = (name: string) => `${people}${name}:x:993:990::/var/lib/pocket-id:/bin/false\n`;

describe('pocketid.env is given to', () => {
  test.each(['pocket-id', 'pocketid'])('the user %s, where this machine has one', (name) => {
    expect(
      chooseOwner({ passwd: service(name), user: root, env: { SUDO_UID: '1000', SUDO_GID: '100' } }),
    ).toEqual({
      uid: 993,
      gid: 990,
      name,
      because: 'there is a user of that name on this machine',
    });
  });

  test('whoever called sudo, where there is none', () => {
    expect(chooseOwner({ passwd: people, user: root, env: { SUDO_UID: '1000', SUDO_GID: '100' } })).toEqual({
      uid: 1000,
      gid: 100,
      name: 'anna',
      because: 'that user called sudo',
    });
  });

  test('root, where root runs it and nobody called sudo', () => {
    const chosen = chooseOwner({ passwd: people, user: root, env: {} });

    expect(chosen).toMatchObject({ ...root, name: 'root' });
    expect(chosen?.because).toContain('no user pocket-id or pocketid');
  });

  test('oneself, where one is not root: also where there is such a user', () => {
    const user = { uid: 1000, gid: 100 };

    expect(chooseOwner({ passwd: service('pocket-id'), user, env: {} })).toMatchObject({
      ...user,
      name: 'anna',
    });
    expect(chooseOwner({ passwd: '', user, env: {} })).toMatchObject({ name: '1000' });
  });

  test('whom --owner names, if there is such a user', () => {
    expect(chooseOwner({ passwd: service('pocketid'), wanted: 'anna', user: root, env: {} })).toMatchObject({
      uid: 1000,
      because: '--owner says so',
    });
    expect(chooseOwner({ passwd: people, wanted: 'nobody-here', user: root, env: {} })).toBe(undefined);
  });
});
