import { StackError } from '../shared/errors.ts';

const withoutNul = (text: string): string => {
  if (!text.includes('\0')) return text;
  throw new StackError('DATABASE_FAILED', 'a name or value for PostgreSQL holds a zero byte', {
    hint: 'take it out of settings.yaml',
  });
};

/** A name as PostgreSQL takes it whatever its letters are. @throws {StackError} DATABASE_FAILED for a zero byte */
export const quoteIdentifier = (name: string): string => `"${withoutNul(name).replaceAll('"', '""')}"`;

/**
 * A text as PostgreSQL takes it, whether `standard_conforming_strings` is on or off.
 * @throws {StackError} DATABASE_FAILED for a zero byte
 */
export const quoteLiteral = (text: string): string => {
  const quoted = withoutNul(text).replaceAll("'", "''");
  return quoted.includes('\\') ? `E'${quoted.replaceAll('\\', '\\\\')}'` : `'${quoted}'`;
};

/** Runs a statement only while a query has no row; so it can be repeated. Needs psql. */
const unless = (query: string, statement: string): string =>
  `SELECT ${quoteLiteral(statement)} WHERE NOT EXISTS (${query}) \\gexec\n`;

/**
 * Waits, as a script for psql, until no other script that begins so is at work in the same database: that of a run that
 * was killed goes on inside the container. The server lets go when psql ends.
 */
export const oneAtATime = 'SELECT pg_advisory_lock(7302914411) \\g /dev/null\n';

/** One change, and the database it is made in. */
export type Change =
  | { readonly kind: 'create-role'; readonly role: string; readonly secret: string }
  | { readonly kind: 'allow-login'; readonly role: string }
  | { readonly kind: 'set-password'; readonly role: string; readonly secret: string }
  | { readonly kind: 'create-database'; readonly database: string; readonly owner: string }
  | { readonly kind: 'set-owner'; readonly database: string; readonly owner: string }
  | { readonly kind: 'close-to-others'; readonly database: string }
  | { readonly kind: 'add-extension'; readonly database: string; readonly extension: string };

/** What is said of a database, as a script for psql. @throws {StackError} DATABASE_FAILED for a zero byte */
export const commentSql = (database: string, comment: string): string =>
  `COMMENT ON DATABASE ${quoteIdentifier(database)} IS ${quoteLiteral(comment)};\n`;

/** The change in words. */
export const changeText = (change: Change): string => {
  switch (change.kind) {
    case 'create-role':
      return `make the role ${change.role}`;
    case 'allow-login':
      return `let the role ${change.role} log in`;
    case 'set-password':
      return `set the password of the role ${change.role}`;
    case 'create-database':
      return `make the database ${change.database}`;
    case 'set-owner':
      return `give the database ${change.database} to ${change.owner}`;
    case 'close-to-others':
      return `close the database ${change.database} to other roles`;
    case 'add-extension':
      return `add ${change.extension} to the database ${change.database}`;
  }
};

/** The change as a script for psql. `verifier` stands for the password: the server never sees the password itself. */
export const changeSql = (change: Change, verifier: string): string => {
  switch (change.kind) {
    case 'create-role': {
      const create = `CREATE ROLE ${quoteIdentifier(change.role)} LOGIN PASSWORD ${quoteLiteral(verifier)}`;
      return unless(`SELECT FROM pg_roles WHERE rolname = ${quoteLiteral(change.role)}`, create);
    }
    case 'allow-login':
      return `ALTER ROLE ${quoteIdentifier(change.role)} LOGIN;\n`;
    case 'set-password':
      return `ALTER ROLE ${quoteIdentifier(change.role)} PASSWORD ${quoteLiteral(verifier)};\n`;
    case 'create-database': {
      const create = `CREATE DATABASE ${quoteIdentifier(change.database)} OWNER ${quoteIdentifier(change.owner)}`;
      return unless(`SELECT FROM pg_database WHERE datname = ${quoteLiteral(change.database)}`, create);
    }
    case 'set-owner':
      return `ALTER DATABASE ${quoteIdentifier(change.database)} OWNER TO ${quoteIdentifier(change.owner)};\n`;
    case 'close-to-others':
      return `REVOKE CONNECT ON DATABASE ${quoteIdentifier(change.database)} FROM PUBLIC;\n`;
    case 'add-extension':
      return `CREATE EXTENSION IF NOT EXISTS ${quoteIdentifier(change.extension)} CASCADE;\n`;
  }
};

/** A script for psql that prints one JSON document a line: the server, then each of these databases that is there. */
export const lookSql = (databases: readonly string[]): string => {
  const server = `SELECT json_build_object(
  'roles', (SELECT coalesce(json_agg(json_build_object('name', rolname, 'login', rolcanlogin, 'verifier', rolpassword)), '[]') FROM pg_authid),
  'databases', (SELECT coalesce(json_agg(json_build_object('name', datname, 'owner', pg_get_userbyid(datdba), 'open', has_database_privilege('public', oid, 'CONNECT'), 'comment', coalesce(shobj_description(oid, 'pg_database'), ''))), '[]') FROM pg_database WHERE NOT datistemplate),
  'available', (SELECT coalesce(json_agg(name), '[]') FROM pg_available_extensions));
`;
  const each = databases.map(
    (
      name,
      index,
    ) => `SELECT EXISTS (SELECT FROM pg_database WHERE datname = ${quoteLiteral(name)}) AS here${index} \\gset
\\if :here${index}
\\connect ${quoteIdentifier(name)}
SELECT json_build_object('database', current_database(), 'extensions', (SELECT coalesce(json_agg(extname), '[]') FROM pg_extension), 'empty', NOT EXISTS (SELECT FROM pg_class WHERE relkind = 'r' AND relnamespace NOT IN ('pg_catalog'::regnamespace, 'information_schema'::regnamespace)));
\\endif
`,
  );
  return [server, ...each].join('');
};
