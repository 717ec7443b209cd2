import { execFile } from 'node:child_process';
import { Client } from 'pg';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { bind } from '../../../src/orchestrator/area.ts';
import { converge } from '../../../src/orchestrator/converge.ts';
import type { ContainerExec } from '../../../src/orchestrator/ports.ts';
import { createPostgresArea } from '../../../src/postgres/area.ts';
import { ownSecrets } from '../../../src/settings/own-secrets.ts';
import type { SecretStore } from '../../../src/settings/secret-store.ts';
import { skipWithoutPostgres, startPostgres, type TestPostgres } from '../../support/postgres.ts';
import { testSettings } from '../../support/settings.ts';
import { effectsFor, makerArea } from '../../support/steps.ts';

/*
 * Which key opens the data, kept with the data: on a real PostgreSQL, through the real psql.
 */

const settings = testSettings('/srv');
const entry = 'pocket-id-encryption-key';

let server: TestPostgres;
let secrets: Map<string, string>;

const store: SecretStore = {
  read: async (name) => Promise.resolve(secrets.get(name)),
  save: async (name, value) => {
    secrets.set(name, value);
    return Promise.resolve();
  },
  names: async () => Promise.resolve([...secrets.keys()]),
};

let scripts: string[] = [];
const exec: ContainerExec = {
  exec: async (_service, argv, { stdin, signal }) =>
    new Promise((resolve) => {
      scripts.push(String(stdin ?? ''));
      const { password, hostname, port } = new URL(server.url);
      const env = { PATH: process.env['PATH'], PGPASSWORD: password, PGHOST: hostname, PGPORT: port };
      const child = execFile('psql', argv.slice(1), { env, signal }, (error, stdout, stderr) => {
        resolve({ exitCode: error === null ? 0 : 1, stdout, stderr });
      });
      child.stdin?.end(stdin ?? '');
    }),
};

const up = async () =>
  converge({
    areas: [
      makerArea('containers', new Set(['healthy:postgres', 'secrets.ready', 'healthy:pocket-id']), [
        { fact: 'healthy:postgres', needs: [] },
        { fact: 'secrets.ready', needs: [] },
        { fact: 'healthy:pocket-id', needs: [] },
      ]),
      bind(createPostgresArea({ exec, secrets: store }), settings),
    ],
    effects: effectsFor(),
    emit: () => undefined,
    signal: AbortSignal.timeout(60_000),
  });

const query = async (sql: string, database = 'postgres'): Promise<Record<string, unknown>[]> => {
  const url = new URL(server.url);
  url.pathname = database;
  const client = new Client({ connectionString: url.href, connectionTimeoutMillis: 5000 });
  await client.connect();
  try {
    return (await client.query<Record<string, unknown>>(sql)).rows;
  } finally {
    await client.end();
  }
};
const commentOf = async (database: string): Promise<unknown> =>
  (
    await query(
      `SELECT shobj_description(oid, 'pg_database') AS said FROM pg_database WHERE datname = '${database}'`,
    )
  )[0]?.['said'];
const ids = (outcome: Awaited<ReturnType<typeof up>>) => outcome.ran.map((one) => one.step.id);

describe.skipIf(skipWithoutPostgres())('the key that data was written with', () => {
  beforeAll(async () => {
    server = await startPostgres();
  });
  afterAll(async () => {
    await server.stop();
  });
  beforeEach(async () => {
    secrets = new Map(ownSecrets(settings).map((one) => [one.name, one.generate()]));
    secrets.set('postgres-superuser-password', new URL(server.url).password);
    scripts = [];
    for (const name of ['pocketid', 'pocketid_standin'])
      await query(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`);
    await up();
    await query('CREATE TABLE kept (n int)', 'pocketid_standin');
  });

  test('is written down for the database that holds data, and for no other; once', async () => {
    await query("COMMENT ON DATABASE pocketid_standin IS 'of the family'");

    expect(ids(await up())).toEqual(['write down which key opens the data']);
    expect(await commentOf('pocketid_standin')).toMatch(/^of the family\nskylab: sealed with the key SCRAM/);
    expect(await commentOf('pocketid')).toBe(null);
    expect(scripts.join('\n')).not.toContain(secrets.get(entry));
    expect(ids(await up())).toEqual([]);
  });

  test('stops everything that would start with another one, and the right one goes on', async () => {
    await up();
    const right = secrets.get(entry) ?? '';
    secrets.set(entry, `${right.slice(1)}X`);
    const stopped = await up();
    secrets.set(entry, right);

    expect(stopped.failures.map((one) => [one.error.code, one.error.message])).toEqual([
      [
        'ENCRYPTION_KEY_CHANGED',
        'the secret pocket-id-encryption-key is not the key that the database pocketid_standin was written with',
      ],
    ]);
    expect(stopped.unknown.map((one) => [one.fact, one.why.because])).toEqual([['identity.key', 'conflict']]);
    expect(await up()).toMatchObject({ failures: [], ran: [], unknown: [] });
  });

  test('goes with a database that is dumped and restored elsewhere under its own name', async () => {
    await up();
    const said = String(await commentOf('pocketid_standin'));
    await query('DROP DATABASE pocketid_standin WITH (FORCE)');
    await up();
    await query('CREATE TABLE kept (n int)', 'pocketid_standin');
    // What pg_dumpall writes for it.
    await query(`COMMENT ON DATABASE pocketid_standin IS '${said}'`);
    secrets.set(entry, 'a key that a new host made for itself');

    expect((await up()).failures.map((one) => one.error.code)).toEqual(['ENCRYPTION_KEY_CHANGED']);
  });
});
