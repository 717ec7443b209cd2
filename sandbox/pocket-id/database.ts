import { Pool } from 'pg';

import { StartError } from './start-error.ts';

/** Later than every schema of Pocket ID v2.14.0, so that the real server refuses a stand-in's database as too new. */
const schemaVersion = 20261122000000;

const connectTimeoutMs = 10_000;

const schema = `
  CREATE TABLE IF NOT EXISTS schema_migrations (version bigint NOT NULL PRIMARY KEY, dirty boolean NOT NULL);
  CREATE TABLE IF NOT EXISTS standin_documents (
    kind text NOT NULL,
    id text NOT NULL,
    body jsonb NOT NULL,
    seq bigserial NOT NULL,
    CONSTRAINT standin_documents_id PRIMARY KEY (kind, id)
  );
  CREATE UNIQUE INDEX IF NOT EXISTS standin_user_email ON standin_documents ((body->>'email')) WHERE kind = 'user';
  CREATE UNIQUE INDEX IF NOT EXISTS standin_user_username ON standin_documents ((body->>'username')) WHERE kind = 'user';
  CREATE UNIQUE INDEX IF NOT EXISTS standin_group_name ON standin_documents ((body->>'name')) WHERE kind = 'group';
`;

const refuseForeignSchema = async (pool: Pool): Promise<void> => {
  const { rows } = await pool.query<{ migrations: boolean; documents: boolean }>(
    `SELECT to_regclass('schema_migrations') IS NOT NULL AS migrations,
            to_regclass('standin_documents') IS NOT NULL AS documents`,
  );
  const found = rows[0];
  if (found?.migrations === true && !found.documents)
    throw new StartError(
      'this database holds the data of a real Pocket ID; a stand-in does not touch it: give the stand-in a database of its own',
    );
  if (found?.migrations !== true) return;
  const versions = await pool.query<{ version: string; dirty: boolean }>(
    'SELECT version, dirty FROM schema_migrations',
  );
  const current = versions.rows[0];
  if (current === undefined) return;
  if (Number(current.version) > schemaVersion)
    throw new StartError(
      `database version (${current.version}) is newer than application version (${schemaVersion}), downgrades are not allowed`,
    );
  if (current.dirty)
    throw new StartError(`database version (${current.version}) is dirty: its last migration failed`);
};

/** A name with several addresses fails with one error for each and no text of its own. */
const reasonOf = (error: unknown): string => {
  if (error instanceof AggregateError) return error.errors.map(reasonOf).join('; ');
  return error instanceof Error ? error.message : String(error);
};

/**
 * Connects, checks whose data it finds and makes the tables.
 * @throws StartError when PostgreSQL does not answer, or holds a newer, half-migrated or foreign schema
 */
export const openDatabase = async (url: string): Promise<Pool> => {
  const pool = new Pool({ connectionString: url, connectionTimeoutMillis: connectTimeoutMs });
  // An idle connection that breaks is reported here; the next query finds out by itself.
  pool.on('error', () => undefined);
  try {
    await pool.query('SELECT 1').catch((error: unknown) => {
      throw new StartError(`failed to connect to the database: ${reasonOf(error)}`, { cause: error });
    });
    await refuseForeignSchema(pool);
    await pool.query(schema);
    await pool.query(
      'INSERT INTO schema_migrations (version, dirty) SELECT $1, false WHERE NOT EXISTS (SELECT 1 FROM schema_migrations)',
      [schemaVersion],
    );
    return pool;
  } catch (error) {
    await pool.end();
    throw error;
  }
};
