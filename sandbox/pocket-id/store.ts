import { DatabaseError, type Pool, type QueryResult, type QueryResultRow } from 'pg';

import type { Kind, Kinds } from './documents.ts';

/** Reads and writes of documents; every call goes to PostgreSQL, nothing is cached. */
export interface Documents {
  get<K extends Kind>(kind: K, id: string): Promise<Kinds[K] | undefined>;
  /** As `get`, and keeps others from changing it until the transaction ends. */
  lock<K extends Kind>(kind: K, id: string): Promise<Kinds[K] | undefined>;
  find<K extends Kind>(kind: K, field: keyof Kinds[K] & string, value: string): Promise<Kinds[K] | undefined>;
  /** In the order of their creation. */
  list<K extends Kind>(kind: K): Promise<readonly Kinds[K][]>;
  /** Fails with PostgreSQL's unique violation where the id, or a name that must be unique, is taken. */
  insert<K extends Kind>(kind: K, id: string, body: Kinds[K]): Promise<void>;
  replace<K extends Kind>(kind: K, id: string, body: Kinds[K]): Promise<void>;
  remove(kind: Kind, id: string): Promise<boolean>;
  /** Everything that belongs to a user or a client that goes away. */
  removeOwnedBy(owner: 'userId' | 'clientId', id: string): Promise<void>;
  /** Keeps every other writer out until the transaction ends. */
  lockAll(): Promise<void>;
}

export interface Store extends Documents {
  /** All of `work` or nothing of it. */
  transaction<T>(work: (documents: Documents) => Promise<T>): Promise<T>;
  /** Read, change, write with the document locked; `undefined` when there is none. */
  update<K extends Kind>(
    kind: K,
    id: string,
    change: (body: Kinds[K]) => Kinds[K],
  ): Promise<Kinds[K] | undefined>;
  close(): Promise<void>;
}

interface Queryable {
  query<R extends QueryResultRow>(text: string, values?: unknown[]): Promise<QueryResult<R>>;
}

const documentsOver = (database: Queryable): Documents => ({
  get: async <K extends Kind>(kind: K, id: string) => {
    const { rows } = await database.query<{ body: Kinds[K] }>(
      'SELECT body FROM standin_documents WHERE kind = $1 AND id = $2',
      [kind, id],
    );
    return rows[0]?.body;
  },
  lock: async <K extends Kind>(kind: K, id: string) => {
    const { rows } = await database.query<{ body: Kinds[K] }>(
      'SELECT body FROM standin_documents WHERE kind = $1 AND id = $2 FOR UPDATE',
      [kind, id],
    );
    return rows[0]?.body;
  },
  find: async <K extends Kind>(kind: K, field: keyof Kinds[K] & string, value: string) => {
    const { rows } = await database.query<{ body: Kinds[K] }>(
      'SELECT body FROM standin_documents WHERE kind = $1 AND body->>$2 = $3 ORDER BY seq LIMIT 1',
      [kind, field, value],
    );
    return rows[0]?.body;
  },
  list: async <K extends Kind>(kind: K) => {
    const { rows } = await database.query<{ body: Kinds[K] }>(
      'SELECT body FROM standin_documents WHERE kind = $1 ORDER BY seq',
      [kind],
    );
    return rows.map((row) => row.body);
  },
  insert: async (kind, id, body) => {
    await database.query('INSERT INTO standin_documents (kind, id, body) VALUES ($1, $2, $3)', [
      kind,
      id,
      JSON.stringify(body),
    ]);
  },
  replace: async (kind, id, body) => {
    await database.query('UPDATE standin_documents SET body = $3 WHERE kind = $1 AND id = $2', [
      kind,
      id,
      JSON.stringify(body),
    ]);
  },
  remove: async (kind, id) => {
    const { rowCount } = await database.query('DELETE FROM standin_documents WHERE kind = $1 AND id = $2', [
      kind,
      id,
    ]);
    return rowCount === 1;
  },
  removeOwnedBy: async (owner, id) => {
    await database.query('DELETE FROM standin_documents WHERE body->>$1 = $2', [owner, id]);
  },
  lockAll: async () => {
    await database.query('LOCK TABLE standin_documents IN SHARE ROW EXCLUSIVE MODE');
  },
});

/** The store of an opened database (`openDatabase`); closing it closes the pool. */
export const createStore = (pool: Pool): Store => {
  const transaction = async <T>(work: (documents: Documents) => Promise<T>): Promise<T> => {
    const connection = await pool.connect();
    let broken: Error | undefined;
    try {
      await connection.query('BEGIN');
      const result = await work(documentsOver(connection));
      await connection.query('COMMIT');
      return result;
    } catch (error) {
      await connection.query('ROLLBACK').catch((failure: unknown) => {
        broken = failure instanceof Error ? failure : new Error(String(failure));
      });
      throw error;
    } finally {
      connection.release(broken);
    }
  };
  return {
    ...documentsOver(pool),
    transaction,
    update: (kind, id, change) =>
      transaction(async (documents) => {
        const body = await documents.lock(kind, id);
        if (body === undefined) return undefined;
        const changed = change(body);
        await documents.replace(kind, id, changed);
        return changed;
      }),
    close: () => pool.end(),
  };
};

/** Name of the constraint that PostgreSQL saw violated (SQLSTATE 23505), if that is what `error` says. */
export const violatedConstraint = (error: unknown): string | undefined =>
  error instanceof DatabaseError && error.code === '23505' ? error.constraint : undefined;
