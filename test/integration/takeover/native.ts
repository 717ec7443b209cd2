import { execFile } from 'node:child_process';
import { createCipheriv, randomBytes } from 'node:crypto';
import { promisify } from 'node:util';
import { Client } from 'pg';
import { sealingKey } from '../../../src/oidc/takeover/encryption-key.ts';
import type { ContainerExec } from '../../../src/orchestrator/ports.ts';
import type { TestPostgres } from '../../support/postgres.ts';

/*
 * A database as a native Pocket ID leaves it, as far as taking it over looks at it: names of tables and columns as in
 * v2.14, written by hand; what else the real one has is left out.
 */

export const nativeKey = 'a native key with thirty-two bytes';
const instanceId = '0d1f7a6e-2f0a-4c39-9b61-8f6f6d9b5a10';
export const anna = '6e1c7a1e-5b1d-4a3b-9d0f-111111111111';

const sealed = (key: string): string => {
  const nonce = randomBytes(12);
  const cipher = createCipheriv('aes-256-gcm', sealingKey(key, instanceId), nonce);
  const text = Buffer.concat([cipher.update('{"kty":"RSA"}\n', 'utf8'), cipher.final()]);
  return Buffer.concat([nonce, text, cipher.getAuthTag()]).toString('base64');
};

const schema = `
CREATE EXTENSION citext;
CREATE TABLE schema_migrations (version bigint PRIMARY KEY, dirty boolean NOT NULL);
CREATE TABLE users (id uuid PRIMARY KEY, username citext NOT NULL UNIQUE, email citext, first_name text, is_admin boolean NOT NULL DEFAULT false);
CREATE TABLE user_groups (id uuid PRIMARY KEY, name text NOT NULL UNIQUE, friendly_name text);
CREATE TABLE oidc_clients (id text PRIMARY KEY, name text, callback_urls jsonb);
CREATE TABLE webauthn_credentials (id uuid PRIMARY KEY, name text NOT NULL, credential_id bytea NOT NULL UNIQUE, user_id uuid REFERENCES users ON DELETE CASCADE);
CREATE TABLE kv (key text PRIMARY KEY, value text);
CREATE TABLE storage (path text PRIMARY KEY, data bytea NOT NULL, size bigint NOT NULL, mod_time timestamptz NOT NULL, created_at timestamptz NOT NULL);
`;

/** Lines that a careless filter would take for its own, in data, in a text and in a function. */
export const misleading =
  "It's\nGRANT ALL ON x TO y;\nALTER TABLE public.users OWNER TO thief;\n\\connect elsewhere\n-- no comment";

/** The statements of a whole native database. */
export const nativeSql = (key = nativeKey, migration = 20_260_814_120_000): string => `${schema}
INSERT INTO schema_migrations VALUES (${migration}, false);
INSERT INTO users VALUES ('00000000-0000-0000-0000-000000000000', 'static-api-user-x', NULL, 'Static', true),
  ('${anna}', 'anna', 'anna@example.org', E'${misleading.replaceAll('\\', '\\\\').replaceAll("'", "''").replaceAll('\n', '\\n')}', true);
INSERT INTO webauthn_credentials VALUES (gen_random_uuid(), 'phone', '\\x0102', '${anna}'), (gen_random_uuid(), 'laptop', '\\x0103', '${anna}');
INSERT INTO user_groups VALUES (gen_random_uuid(), 'family', 'Family');
INSERT INTO oidc_clients VALUES ('6f0e0c3e-0000-4000-8000-000000000001', 'Netbird', '["https://netbird.example.org/auth/callback"]');
INSERT INTO kv VALUES ('instance_id', '${instanceId}'), ('jwt_private_key.json', '${sealed(key)}');
CREATE FUNCTION note() RETURNS text LANGUAGE sql AS $body$
/* it's
GRANT ALL ON users TO PUBLIC;
*/ SELECT 'it''s';
$body$;
GRANT SELECT ON users TO PUBLIC;
`;

const call = promisify(execFile);

export const query = async (url: string, sql: string): Promise<Record<string, unknown>[]> => {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    const result = await client.query<Record<string, unknown>>(sql);
    return result.rows;
  } finally {
    await client.end();
  }
};

/** A role of another name than here, with a database of its own; the URL of that. */
export const makeNative = async (server: TestPostgres, name: string, sql: string): Promise<string> => {
  await query(server.url, `CREATE ROLE "${name}" LOGIN PASSWORD 'native'`);
  await query(server.url, `CREATE DATABASE "${name}" OWNER "${name}"`);
  const url = `postgres://${encodeURIComponent(name)}:native@${server.host}:${server.port}/${encodeURIComponent(name)}`;
  await query(url, sql);
  return url;
};

export const pgDump = async (url: string, ...args: readonly string[]): Promise<Buffer> =>
  (await call('pg_dump', [...args, url], { encoding: 'buffer', maxBuffer: 64 * 1024 * 1024 })).stdout;

/** Runs what would run in the container of PostgreSQL: over TCP, so with the passwords of these roles. */
export const execOn = (server: TestPostgres, passwords: Readonly<Record<string, string>>): ContainerExec => ({
  exec: async (_service, argv, { stdin, signal }) =>
    new Promise((resolve) => {
      const [file = '', ...args] = argv;
      const user = args[args.indexOf('-U') + 1] ?? '';
      const env = {
        PATH: process.env['PATH'],
        PGPASSWORD: passwords[user] ?? new URL(server.url).password,
        PGHOST: server.host,
        PGPORT: String(server.port),
      };
      const child = execFile(file, args, { env, signal }, (error, stdout, stderr) => {
        const code = typeof error?.code === 'number' ? error.code : -1;
        resolve({ exitCode: error === null ? 0 : code, stdout, stderr });
      });
      child.stdin?.on('error', () => undefined);
      child.stdin?.end(stdin ?? '');
    }),
});
