import * as z from 'zod';

/*
 * What a database of Pocket ID holds, read with SQL: before it is taken over, nothing runs on it that could be asked.
 * Tables and columns are those of Pocket ID v2.14 (backend/resources/migrations/postgres); those that older versions
 * lack are looked for first.
 */

const row = z.object({
  kind: z.enum(['real', 'stand-in', 'other', 'empty']),
  version: z.number().nullish(),
  dirty: z.boolean().nullish(),
  users: z
    .array(
      z.object({ id: z.string(), username: z.string(), email: z.string().nullable(), passkeys: z.number() }),
    )
    .nullish(),
  groups: z.array(z.object({ id: z.string(), name: z.string() })).nullish(),
  clients: z.array(z.object({ id: z.string(), name: z.string().nullable() })).nullish(),
  signingKey: z.string().nullish(),
  instanceId: z.string().nullish(),
  hasStorage: z.boolean().nullish(),
});

export interface Contents {
  /** `other`: tables, but not those of Pocket ID. `empty`: no table at all. */
  readonly kind: 'real' | 'stand-in' | 'other' | 'empty';
  /** Of the newest migration; undefined where none is written down. */
  readonly version: number | undefined;
  /** True where a migration broke off in the middle. */
  readonly isDirty: boolean;
  /** People; not the user that stands for our API key. */
  readonly users: readonly {
    readonly id: string;
    readonly username: string;
    readonly email: string | null;
    readonly passkeys: number;
  }[];
  readonly groups: readonly { readonly id: string; readonly name: string }[];
  readonly clients: readonly { readonly id: string; readonly name: string | null }[];
  /** The private signing key as it is kept: sealed, in base64. */
  readonly signingKey: string | undefined;
  readonly instanceId: string | undefined;
  /** True where pictures can be kept in the database. */
  readonly hasStorage: boolean;
}

const staticUser = '00000000-0000-0000-0000-000000000000';

const there = (table: string): string => `to_regclass('public.${table}') IS NOT NULL`;
const list = (query: string): string => `(SELECT coalesce(json_agg(t), '[]') FROM (${query}) t)`;
const migration = (column: string): string => `(SELECT ${column} FROM public.schema_migrations LIMIT 1)`;

/** A script for psql that prints one JSON document. */
export const contentsSql = `SELECT ${there('standin_documents')} AS standin,
  ${there('users')} AND ${there('webauthn_credentials')} AND ${there('oidc_clients')} AND ${there('schema_migrations')} AS genuine,
  ${there('kv')} AS kv, ${there('app_config_variables')} AS config,
  NOT EXISTS (SELECT FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema')) AS bare \\gset
\\set sealed NULL
\\set instance NULL
\\if :kv
\\set sealed '(SELECT value FROM public.kv WHERE key = ''jwt_private_key.json'')'
\\set instance '(SELECT value FROM public.kv WHERE key = ''instance_id'')'
\\endif
\\if :config
\\set instance 'coalesce(' :instance ', (SELECT value FROM public.app_config_variables WHERE key = ''instanceId''))'
\\endif
\\if :standin
SELECT json_build_object('kind', 'stand-in', 'version', ${migration('version')}, 'dirty', ${migration('dirty')},
  'users', ${list("SELECT id, body->>'username' AS username, body->>'email' AS email, 0 AS passkeys FROM public.standin_documents WHERE kind = 'user' ORDER BY seq")},
  'groups', ${list("SELECT id, body->>'name' AS name FROM public.standin_documents WHERE kind = 'group' ORDER BY seq")},
  'clients', ${list("SELECT id, body->>'name' AS name FROM public.standin_documents WHERE kind = 'client' ORDER BY seq")});
\\elif :genuine
SELECT json_build_object('kind', 'real', 'version', ${migration('version')}, 'dirty', ${migration('dirty')},
  'users', ${list('SELECT id, username, email, (SELECT count(*) FROM public.webauthn_credentials w WHERE w.user_id = u.id) AS passkeys FROM public.users u ORDER BY username')},
  'groups', ${list('SELECT id, name FROM public.user_groups ORDER BY name')},
  'clients', ${list('SELECT id, name FROM public.oidc_clients ORDER BY name')},
  'signingKey', :sealed, 'instanceId', :instance, 'hasStorage', ${there('storage')});
\\elif :bare
SELECT json_build_object('kind', 'empty');
\\else
SELECT json_build_object('kind', 'other');
\\endif
`;

/** Reads what `contentsSql` printed. */
export const readContents = (text: string): Contents => {
  const found = row.parse(JSON.parse(text));
  return {
    kind: found.kind,
    version: found.version ?? undefined,
    isDirty: found.dirty === true,
    users: (found.users ?? []).filter((one) => one.id !== staticUser),
    groups: found.groups ?? [],
    clients: found.clients ?? [],
    signingKey: found.signingKey ?? undefined,
    instanceId: found.instanceId ?? undefined,
    hasStorage: found.hasStorage === true,
  };
};
