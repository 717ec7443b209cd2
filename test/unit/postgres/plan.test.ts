import { describe, expect, test } from 'vitest';
import { desiredDatabases, postgresFiles } from '../../../src/postgres/desired.ts';
import { readMark, withMark } from '../../../src/postgres/key-mark.ts';
import type { World } from '../../../src/postgres/observe.ts';
import { databaseFacts, planDatabases } from '../../../src/postgres/plan.ts';
import { isStackError } from '../../../src/shared/errors.ts';
import { testSettings } from '../../support/settings.ts';

const settings = (yaml = '') => testSettings('/srv', yaml);
/** Settings of a host on which no stand-in may run. */
const real = (yaml = '') => ({ ...settings(yaml), images: { overrides: {}, stand_ins: false } });
const desiredOf = (yaml = '') => desiredDatabases(real(yaml));
const withImmich = (extensions: string) =>
  desiredOf(`postgres: { databases: [{ name: immich, extensions: [${extensions}] }] }`);

type Seen = Extract<World, { seen: 'all' }>;
const roleGood = { login: true, passwordFits: true };
const good = (more: Partial<Seen> = {}): Seen => ({
  seen: 'all',
  roles: { postgres: roleGood, pocketid: roleGood },
  databases: {
    postgres: { owner: 'postgres', open: true, extensions: [] },
    pocketid: { owner: 'pocketid', open: false, extensions: ['plpgsql', 'citext', 'pgcrypto'] },
  },
  available: ['citext', 'pgcrypto', 'cube'],
  seals: { pocketid: { state: 'fits', comment: '' } },
  ...more,
});
const whyOf = (world: World, desired = desiredOf()) =>
  planDatabases(desired, world).map((step) => `${step.id}: ${step.why}`);

describe('wanted', () => {
  test('are the database of Pocket ID and what the settings declare, each with a role of its own', () => {
    const desired = withImmich('vchord, cube');

    expect(desired.databases.map((one) => [one.name, one.owner.secret, one.extensions])).toEqual([
      ['pocketid', 'postgres-password-pocketid', ['citext', 'pgcrypto']],
      ['immich', 'postgres-password-immich', ['vchord', 'cube']],
    ]);
  });

  test('is a further database where a stand-in may run, so that it never meets real data', () => {
    expect(desiredDatabases(settings()).databases.map((one) => [one.name, one.owner.name])).toEqual([
      ['pocketid', 'pocketid'],
      ['pocketid_standin', 'pocketid'],
    ]);
  });

  test('is a database for the mesh only where it keeps its data there', () => {
    const names = (yaml: string) => desiredDatabases(settings(yaml)).databases.map((one) => one.name);

    expect(names('mesh: { store: postgres }')).toContain('netbird');
    expect(names('mesh: { store: sqlite }')).not.toContain('netbird');
  });

  test.each(['pocketid', 'netbird', 'postgres', 'template1', 'pg_x', 'pocketid_standin'])(
    'a declared database may not be called %s',
    (name) => {
      let error: unknown;
      try {
        desiredDatabases(settings(`postgres: { databases: [{ name: ${name} }] }`));
      } catch (thrown) {
        error = thrown;
      }

      expect(isStackError(error) && error.code).toBe('SETTINGS_INVALID');
    },
  );
});

describe('the plan', () => {
  test('is empty where everything is so', () => {
    expect(whyOf(good())).toEqual([]);
  });

  test('is whole and expected while PostgreSQL does not run', () => {
    const steps = planDatabases(desiredOf(), { seen: 'absent', text: 'no container', hint: '' });

    expect(steps.map((step) => [step.id, step.why, step.needs, step.assumed])).toEqual([
      [
        'prepare the database pocketid',
        'make the role pocketid, make the database pocketid, close the database pocketid to other roles, add citext to the database pocketid, add pgcrypto to the database pocketid',
        ['healthy:postgres', 'secrets.ready'],
        true,
      ],
      [
        'write down which key opens the data',
        'so that another key is noticed before anything starts with it',
        ['healthy:postgres', 'secrets.ready', 'healthy:pocket-id'],
        true,
      ],
    ]);
  });

  test('is empty where nobody can look', () => {
    expect(whyOf({ seen: 'unreachable', text: 'no Engine', hint: 'start it' })).toEqual([]);
  });

  test('sets a password that does not fit any more, also that of the superuser', () => {
    const roles = {
      postgres: { ...roleGood, passwordFits: false },
      pocketid: { login: false, passwordFits: false },
    };

    expect(whyOf(good({ roles }))).toEqual([
      'set the password of postgres: set the password of the role postgres',
      'prepare the database pocketid: let the role pocketid log in, set the password of the role pocketid',
    ]);
  });

  test('mends owner, access and extensions of a database that is there', () => {
    const databases = { pocketid: { owner: 'postgres', open: true, extensions: ['citext'] } };

    expect(whyOf(good({ databases }))).toEqual([
      'prepare the database pocketid: give the database pocketid to pocketid, close the database pocketid to other roles, add pgcrypto to the database pocketid',
    ]);
  });

  test('leaves other roles and databases alone', () => {
    const databases = { ...good().databases, theirs: { owner: 'someone', open: true, extensions: [] } };

    expect(whyOf(good({ databases }))).toEqual([]);
  });

  test('names an extension that the image does not hold, and goes on with the rest', () => {
    const desired = withImmich('vchord, cube');

    expect(planDatabases(desired, good()).map((step) => [step.kind, step.id])).toEqual([
      ['prepare', 'prepare the database immich'],
      ['missing-extension', 'add vchord to immich'],
    ]);
  });
});

describe('postgres.ready', () => {
  const ready = (world: World, desired = desiredOf()) => databaseFacts(desired, world)['postgres.ready'];

  test('holds when every database is as wanted', () => {
    expect(ready(good())).toBe(true);
  });

  test('does not while something is to be done, and says what', () => {
    const roles = { postgres: roleGood, pocketid: { ...roleGood, passwordFits: false } };

    expect(ready(good({ roles }))).toMatchObject({
      because: 'absent',
      text: 'still to do: set the password of the role pocketid',
    });
  });

  test('holds although a database of others lacks an extension, and not when one of ours does', () => {
    const immich = withImmich('vchord');
    const world = good({
      roles: { ...good().roles, immich: roleGood },
      databases: { ...good().databases, immich: { owner: 'immich', open: false, extensions: [] } },
    });
    const bare = { pocketid: { owner: 'pocketid', open: false, extensions: [] } };

    expect(ready(world, immich)).toBe(true);
    expect(ready(good({ available: [], databases: bare }))).toMatchObject({ because: 'absent' });
  });

  test('is unknown, not wrong, where the Engine does not answer', () => {
    expect(ready({ seen: 'unreachable', text: 'no Engine', hint: 'start it' })).toMatchObject({
      because: 'unreachable',
      hint: 'start it',
    });
  });
});

describe('the key that data is sealed with', () => {
  const seals = (state: Seen['seals'][string]['state'], comment = '') =>
    good({ seals: { pocketid: { state, comment } } });
  const keyFact = (world: World) => databaseFacts(desiredOf(), world)['identity.key'];

  test('is asked of the database of Pocket ID only, the real one and that of a stand-in', () => {
    const sealed = desiredDatabases(settings('postgres: { databases: [{ name: immich }] }')).databases;

    expect(sealed.map((one) => [one.name, one.sealedBy])).toEqual([
      ['pocketid', 'pocket-id-encryption-key'],
      ['pocketid_standin', 'pocket-id-encryption-key'],
      ['immich', undefined],
    ]);
  });

  test.each(['fits', 'empty', 'none'] as const)('keeps nothing from starting where it is "%s"', (state) => {
    expect(keyFact(seals(state))).toBe(true);
  });

  test('is a conflict where it is another one: said with its fix, and postgres.ready stays true', () => {
    const world = seals('differs');

    expect(keyFact(world)).toEqual({
      because: 'conflict',
      text: 'the secret pocket-id-encryption-key is not the key that the database pocketid was written with',
      hint: 'put the file back from a backup: /srv/skylab-lab/secrets/pocket-id-encryption-key; the data itself is whole',
    });
    expect(databaseFacts(desiredOf(), world)['postgres.ready']).toBe(true);
    expect(planDatabases(desiredOf(), world).map((step) => [step.kind, step.id])).toEqual([
      ['other-key', 'check the key of pocketid'],
    ]);
  });

  test('is not known to fit while there is none', () => {
    expect(keyFact(seals('unknown'))).toMatchObject({ because: 'absent' });
    expect(planDatabases(desiredOf(), seals('unknown'))).toEqual([]);
  });

  test('is written down only after Pocket ID has started with it on data that is there', () => {
    expect(planDatabases(desiredOf(), seals('empty'))).toEqual([]);
    expect(planDatabases(desiredOf(), seals('none', 'a note'))).toMatchObject([
      {
        kind: 'mark-key',
        needs: ['healthy:postgres', 'secrets.ready', 'healthy:pocket-id'],
        databases: [{ name: 'pocketid', secret: 'pocket-id-encryption-key', comment: 'a note' }],
      },
    ]);
  });
});

describe('the mark of a key', () => {
  const mark = withMark('', 'a key of enough length');

  test('tells that key from every other, and does not hold it', () => {
    expect(readMark(mark, 'a key of enough length')).toBe('fits');
    expect(readMark(mark, 'a key of enough length\n')).toBe('differs');
    expect(mark).not.toContain('a key of enough length');
    expect(withMark('', 'a key of enough length')).not.toBe(mark);
  });

  test('stands beside what others say of the database, and replaces an older mark', () => {
    const again = withMark(`of the family\n${mark}\nbackup: sundays`, 'another key of that length');

    expect(again).toMatch(/^of the family\nbackup: sundays\nskylab: sealed with the key SCRAM-SHA-256\S+$/);
    expect(readMark(again, 'another key of that length')).toBe('fits');
    expect(readMark('of the family', 'any key')).toBe('none');
  });
});

test("the superuser's password reaches the server as a file that it alone reads", () => {
  expect(postgresFiles()).toMatchObject([
    {
      service: 'postgres',
      path: 'superuser-password',
      content: [{ secret: 'postgres-superuser-password' }],
      reader: { uid: 999, gid: 999 },
    },
  ]);
});
