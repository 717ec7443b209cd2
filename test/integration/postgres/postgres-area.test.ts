import { execFile } from 'node:child_process';
import { Client } from 'pg';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { bind } from '../../../src/orchestrator/area.ts';
import { converge, lookAround } from '../../../src/orchestrator/converge.ts';
import type { ContainerExec } from '../../../src/orchestrator/ports.ts';
import { createPostgresArea } from '../../../src/postgres/area.ts';
import { databasePassword, ownSecrets } from '../../../src/settings/own-secrets.ts';
import type { SecretStore } from '../../../src/settings/secret-store.ts';
import { StackError } from '../../../src/shared/errors.ts';
import { skipWithoutPostgres, startPostgres, type TestPostgres } from '../../support/postgres.ts';
import { testSettings } from '../../support/settings.ts';
import { effectsFor, Killed, makerArea } from '../../support/steps.ts';

/*
 * The area against a real PostgreSQL, through the real psql; only the container around it is missing.
 */

const base = testSettings('/srv', 'postgres: { databases: [{ name: media, extensions: [cube] }] }');
const settings = { ...base, images: { ...base.images, stand_ins: false } };

let server: TestPostgres;
/** What stood on any command line. */
let seenArguments: string[] = [];
let secrets: Map<string, string>;

const store: SecretStore = {
  read: async (name) => Promise.resolve(secrets.get(name)),
  save: async (name, value) => {
    secrets.set(name, value);
    return Promise.resolve();
  },
  names: async () => Promise.resolve([...secrets.keys()]),
};

const exec: ContainerExec = {
  exec: async (_service, argv, { stdin, signal }) =>
    new Promise((resolve) => {
      const { password, hostname, port } = new URL(server.url);
      seenArguments.push(...argv);
      const env = { PATH: process.env['PATH'], PGPASSWORD: password, PGHOST: hostname, PGPORT: port };
      const child = execFile('psql', argv.slice(1), { env, signal }, (error, stdout, stderr) => {
        resolve({
          exitCode: typeof error?.code === 'number' ? error.code : error === null ? 0 : -1,
          stdout,
          stderr,
        });
      });
      child.stdin?.end(stdin ?? '');
    }),
};

const area = () => bind(createPostgresArea({ exec, secrets: store }), settings);
/** States what the containers would: PostgreSQL is healthy and the secrets are there. */
const around = () =>
  makerArea('containers', new Set(['healthy:postgres', 'secrets.ready']), [
    { fact: 'healthy:postgres', needs: [] },
    { fact: 'secrets.ready', needs: [] },
  ]);
const up = async (effects = effectsFor()) =>
  converge({
    areas: [around(), area()],
    effects,
    emit: () => undefined,
    signal: AbortSignal.timeout(60_000),
  });
const planned = async () => {
  const seen = await lookAround([area()], AbortSignal.timeout(60_000));
  return (seen.get('postgres')?.steps ?? []).map((step) => `${step.id}: ${step.why}`);
};

const query = async (sql: string, url = server.url): Promise<Record<string, unknown>[]> => {
  const client = new Client({ connectionString: url, connectionTimeoutMillis: 5000 });
  await client.connect();
  try {
    return (await client.query<Record<string, unknown>>(sql)).rows;
  } finally {
    await client.end();
  }
};
const urlFor = (role: string, database: string, password = secrets.get(databasePassword(role))): string =>
  `postgres://${role}:${password}@${server.host}:${server.port}/${database}`;

/** Everything that this area is about, without the salts of passwords. */
const world = async () =>
  query(`SELECT datname, pg_get_userbyid(datdba) AS owner, datacl::text AS acl FROM pg_database ORDER BY 1`);

const reset = async () => {
  for (const name of ['pocketid', 'media']) {
    await query(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`);
    await query(`DROP ROLE IF EXISTS ${name}`);
  }
};

const isSkipped = skipWithoutPostgres();

describe.skipIf(isSkipped)('the postgres area on a real server', () => {
  beforeAll(async () => {
    server = await startPostgres();
  });
  afterAll(async () => {
    await server.stop();
  });
  beforeEach(async () => {
    seenArguments = [];
    secrets = new Map(ownSecrets(settings).map((one) => [one.name, one.generate()]));
    secrets.set('postgres-superuser-password', new URL(server.url).password);
    await reset();
  });

  test('makes each database with its own role, and a second run takes no step', async () => {
    const first = await up();

    expect(first.failures).toEqual([]);
    expect(first.ran.map((one) => one.step.id)).toEqual([
      'prepare the database pocketid',
      'prepare the database media',
    ]);
    expect((await up()).ran).toEqual([]);
  });

  test('lets each role into its own database with the password of the secret store, and into no other', async () => {
    await up();

    expect(await query('SELECT current_user AS me', urlFor('pocketid', 'pocketid'))).toEqual([
      { me: 'pocketid' },
    ]);
    await expect(query('SELECT 1', urlFor('media', 'pocketid'))).rejects.toThrow(
      /permission denied for database/,
    );
    await expect(query('SELECT 1', urlFor('media', 'media', 'wrong'))).rejects.toThrow(
      /password authentication failed/,
    );
  });

  test('adds the extensions, where the owner can use them', async () => {
    await up();

    const found = await query(
      "SELECT extname FROM pg_extension WHERE extname <> 'plpgsql' ORDER BY 1",
      urlFor('pocketid', 'pocketid'),
    );
    expect(found.map((row) => row['extname'])).toEqual(['citext', 'pgcrypto']);
    await query('CREATE TABLE t (name citext)', urlFor('pocketid', 'pocketid'));
  });

  test('sets a password again that somebody changed', async () => {
    await up();
    await query("ALTER ROLE pocketid PASSWORD 'somebody else'");

    expect(await planned()).toEqual(['prepare the database pocketid: set the password of the role pocketid']);
    expect((await up()).failures).toEqual([]);
    expect(await query('SELECT 1 AS one', urlFor('pocketid', 'pocketid'))).toEqual([{ one: 1 }]);
  });

  test('mends owner, access and login, and leaves the data in it', async () => {
    // Pocket ID does not run here, so nobody knows yet whether the key opens this data.
    const waits = 'write down which key opens the data: nothing says it yet of pocketid';
    await up();
    await query('CREATE TABLE kept (n int); INSERT INTO kept VALUES (7)', urlFor('pocketid', 'pocketid'));
    await query('ALTER DATABASE pocketid OWNER TO postgres');
    await query('GRANT CONNECT ON DATABASE pocketid TO PUBLIC');
    await query('ALTER ROLE pocketid NOLOGIN');

    expect(await planned()).toEqual([
      'prepare the database pocketid: let the role pocketid log in, give the database pocketid to pocketid, close the database pocketid to other roles',
      waits,
    ]);
    expect((await up()).failures).toEqual([]);
    expect(await planned()).toEqual([waits]);
    expect(await query('SELECT n FROM kept', urlFor('pocketid', 'pocketid'))).toEqual([{ n: 7 }]);
  });

  test('never sends a password: not on a command line, not in a script', async () => {
    const scripts: string[] = [];
    const watching: ContainerExec = {
      exec: async (service, argv, options) => {
        scripts.push(String(options.stdin ?? ''));
        return exec.exec(service, argv, options);
      },
    };
    const watched = bind(createPostgresArea({ exec: watching, secrets: store }), settings);
    await converge({
      areas: [around(), watched],
      effects: effectsFor(),
      emit: () => undefined,
      signal: AbortSignal.timeout(60_000),
    });

    const all = [...scripts, ...seenArguments].join('\n');
    expect(scripts.length).toBeGreaterThan(5);
    for (const name of ['pocketid', 'media']) expect(all).not.toContain(secrets.get(databasePassword(name)));
  });

  test('killed before or after any effect, the next run ends in the same world', async () => {
    await up();
    const wanted = await world();
    await reset();
    const counting = effectsFor();
    await up(counting);
    expect(counting.count()).toBeGreaterThan(3);

    for (let at = 1; at <= counting.count(); at += 1) {
      for (const when of ['before', 'after'] as const) {
        await reset();
        const killed = await up(effectsFor({ when, at }));
        expect(killed.failures.some((one) => one.error.cause instanceof Killed)).toBe(true);
        expect((await up()).failures).toEqual([]);
        expect(await world()).toEqual(wanted);
        expect(await planned()).toEqual([]);
      }
    }
  });

  test('ended after any line of a script, the next run ends in the same world', async () => {
    await up();
    const wanted = await world();
    for (const lines of [0, 1, 2, 3]) {
      await reset();
      const cut: ContainerExec = {
        exec: async (service, argv, options) => {
          const script = String(options.stdin ?? '');
          if (script.startsWith('SELECT json_build_object')) return exec.exec(service, argv, options);
          const stdin = script.split('\n').slice(0, lines).join('\n');
          return { ...(await exec.exec(service, argv, { ...options, stdin })), exitCode: 137 };
        },
      };
      const ended = await converge({
        areas: [around(), bind(createPostgresArea({ exec: cut, secrets: store }), settings)],
        effects: effectsFor(),
        emit: () => undefined,
        signal: AbortSignal.timeout(60_000),
      });
      expect(ended.failures.map((one) => one.error.code)).toContain('DATABASE_FAILED');
      expect((await up()).failures).toEqual([]);
      expect(await world()).toEqual(wanted);
      expect(await planned()).toEqual([]);
    }
  });

  test('waits for the script of a run that was killed, which goes on inside the container', async () => {
    const signal = AbortSignal.timeout(60_000);
    for (let round = 0; round < 5; round += 1) {
      await reset();
      const { steps } = await area().look(signal);
      const [first] = steps;
      if (first === undefined) throw new Error('nothing is planned');

      await Promise.all([1, 2, 3].map(async () => area().run(first, effectsFor(), signal)));

      expect((await up()).failures).toEqual([]);
    }
  });

  test('names the image that has an extension which this one lacks', async () => {
    const more = {
      ...settings,
      postgres: { ...settings.postgres, databases: [{ name: 'media', extensions: ['vchord'] }] },
    };
    const outcome = await converge({
      areas: [around(), bind(createPostgresArea({ exec, secrets: store }), more)],
      effects: effectsFor(),
      emit: () => undefined,
      signal: AbortSignal.timeout(60_000),
    });

    expect(outcome.failures.map((one) => [one.step.id, one.error.code])).toEqual([
      ['add vchord to media', 'DATABASE_FAILED'],
    ]);
    expect(outcome.failures[0]?.error.hint).toContain('immich-app/postgres');
    expect(await query('SELECT 1 AS one', urlFor('media', 'media'))).toEqual([{ one: 1 }]);
  });

  test('says what PostgreSQL said, and shows nothing that stands for a password', async () => {
    const refusing: ContainerExec = {
      exec: async () =>
        Promise.resolve({
          exitCode: 3,
          stdout: '',
          stderr: "ERROR: no\nLINE 1: ALTER ROLE x PASSWORD 'SCRAM-SHA-256$4096:abc$d:e';\n",
        }),
    };
    const { run } = bind(createPostgresArea({ exec: refusing, secrets: store }), settings);
    const [step] = (await lookAround([area()], AbortSignal.timeout(60_000))).get('postgres')?.steps ?? [];
    if (step === undefined) throw new Error('no step');

    const failed: unknown = await run(step, effectsFor(), AbortSignal.timeout(60_000)).catch(
      (error: unknown) => error,
    );
    expect(failed).toBeInstanceOf(StackError);
    expect(failed).toMatchObject({ code: 'DATABASE_FAILED', message: expect.stringContaining('ERROR: no') });
    expect(String(failed)).not.toContain('SCRAM');
  });

  test('is expected, and not an error, while the server does not answer', async () => {
    await server.halt();
    try {
      expect((await planned()).map((one) => one.split(':')[0])).toEqual([
        'prepare the database pocketid',
        'prepare the database media',
        'write down which key opens the data',
      ]);
    } finally {
      await server.resume();
    }
  });
});
