import { setTimeout as pause } from 'node:timers/promises';

import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { StartError } from '../../../sandbox/pocket-id/start-error.ts';
import { skipWithoutPostgres, startPostgres, type TestPostgres } from '../../support/postgres.ts';
import { createApi, createClient, createPerson, logIn, signIn } from '../support/pocket-id-api.ts';
import { startStandIn } from '../support/pocket-id-stand-in.ts';

const recoveryDeadlineMs = 30_000;

const query = async (url: string, text: string): Promise<void> => {
  const client = new Client({ connectionString: url });
  await client.connect();
  await client.query(text);
  await client.end();
};

describe.skipIf(skipWithoutPostgres())('the data of the stand-in', () => {
  let postgres: TestPostgres;

  beforeAll(async () => {
    postgres = await startPostgres();
  });

  afterAll(async () => {
    await postgres.stop();
  });

  test('people, clients, sessions, tokens and keys outlive the process', async () => {
    const database = await postgres.createDatabase();
    const before = await startStandIn(database);
    const first = createApi(before.base);
    const person = await createPerson(first, 'alice');
    await createClient(first, 'app');
    const session = await signIn(first, person);
    const tokens = await logIn(first, 'app', session);
    const link = await first('POST', `/api/users/${person}/one-time-access-token`, { json: { ttl: '1h' } });
    const keys = (await first('GET', '/.well-known/jwks.json')).body;
    await before.pocketId.close();

    const after = await startStandIn(database);
    const second = createApi(after.base);
    expect((await second('GET', '/api/users/me', { bearer: session })).body.username).toBe('alice');
    expect((await second('GET', '/api/oidc/clients/app')).status).toBe(200);
    expect((await second('GET', '/.well-known/jwks.json')).body).toEqual(keys);
    expect((await second('GET', '/api/oidc/userinfo', { bearer: tokens.body.access_token })).status).toBe(
      200,
    );
    const refreshed = await second('POST', '/api/oidc/token', {
      form: { grant_type: 'refresh_token', refresh_token: tokens.body.refresh_token, client_id: 'app' },
    });
    expect(refreshed.status).toBe(200);
    const exchanged = await second('POST', `/api/one-time-access-token/${link.body.token}`);
    expect(exchanged.body.id).toBe(person);
    await after.pocketId.close();
  });

  test('while PostgreSQL is away every key and session is refused and health stays well; then all is as before', async () => {
    const server = await startPostgres();
    const standIn = await startStandIn(server.url);
    const api = createApi(standIn.base);
    const session = await signIn(api, await createPerson(api, 'alice'));
    await server.halt();
    for (const credential of [{}, { bearer: session }]) {
      const answer = await api('GET', '/api/users/me', credential);
      expect([answer.status, answer.body.code]).toEqual([401, 'not_signed_in']);
    }
    expect((await api('GET', '/healthz')).status).toBe(204);
    expect((await api('GET', '/api/signup/setup')).status).toBe(500);
    await server.resume();
    const deadlineMs = Date.now() + recoveryDeadlineMs;
    let status = 0;
    while (status !== 200 && Date.now() < deadlineMs) {
      await pause(50);
      status = (await api('GET', '/api/users/me', { bearer: session })).status;
    }
    expect(status).toBe(200);
    await standIn.pocketId.close();
    await server.stop();
  });

  test('another encryption key does not open an existing database', async () => {
    const database = await postgres.createDatabase();
    await (await startStandIn(database)).pocketId.close();
    const start = startStandIn(database, { ENCRYPTION_KEY: 'another-encryption-key-0123456789' });
    await expect(start).rejects.toThrow(StartError);
    await expect(start).rejects.toThrow('failed to decrypt private key');
  });

  test('a database of a newer release is refused', async () => {
    const database = await postgres.createDatabase();
    await (await startStandIn(database)).pocketId.close();
    await query(database, 'UPDATE schema_migrations SET version = 20991231000000');
    await expect(startStandIn(database)).rejects.toThrow(
      'database version (20991231000000) is newer than application version (20261122000000)',
    );
  });

  test('a half-migrated database is refused', async () => {
    const database = await postgres.createDatabase();
    await (await startStandIn(database)).pocketId.close();
    await query(database, 'UPDATE schema_migrations SET dirty = true');
    await expect(startStandIn(database)).rejects.toThrow('is dirty');
  });

  test('the data of a real server is not touched', async () => {
    const database = await postgres.createDatabase();
    await query(database, 'CREATE TABLE schema_migrations (version bigint, dirty boolean)');
    await expect(startStandIn(database)).rejects.toThrow('holds the data of a real Pocket ID');
    await query(database, 'DROP TABLE schema_migrations');
  });

  test('without PostgreSQL it does not start, and no password is shown', async () => {
    for (const host of ['127.0.0.1', 'localhost']) {
      const database = `postgres://pocketid:hunter2secret@${host}:1/pocketid`;
      const failure = await startStandIn(database).catch((error: unknown) => error);
      expect(failure).toBeInstanceOf(StartError);
      expect(String(failure)).toMatch(/failed to connect to the database: .*ECONNREFUSED/);
      expect(String(failure)).not.toContain('hunter2secret');
    }
  });

  test('no one-time token, code or client secret can be read from the database', async () => {
    const database = await postgres.createDatabase();
    const standIn = await startStandIn(database);
    const api = createApi(standIn.base);
    const person = await createPerson(api, 'alice');
    await createClient(api, 'app');
    await createClient(api, 'conf', { isPublic: false });
    const tokens = await logIn(api, 'app', await signIn(api, person));
    const link = await api('POST', `/api/users/${person}/one-time-access-token`, { json: { ttl: '1h' } });
    const secret = await api('POST', '/api/oidc/clients/conf/secrets');
    const client = new Client({ connectionString: database });
    await client.connect();
    const { rows } = await client.query<{ row: string }>(
      'SELECT standin_documents::text AS row FROM standin_documents',
    );
    await client.end();
    const all = rows.map((each) => each.row).join('\n');
    for (const value of [
      link.body.token,
      secret.body.secret,
      tokens.body.refresh_token,
      tokens.body.access_token,
    ]) {
      expect(value).toMatch(/.{12}/);
      expect(all).not.toContain(value);
    }
    await standIn.pocketId.close();
  });
});
