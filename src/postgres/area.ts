import type { Area } from '../orchestrator/area.ts';
import { StackError } from '../shared/errors.ts';
import { desiredDatabases, postgresFiles, type Desired } from './desired.ts';
import { observeDatabases, runSql, type Ports, type World } from './observe.ts';
import { databaseFacts, planDatabases, type DatabaseStep } from './plan.ts';
import { withMark } from './key-mark.ts';
import { makeVerifier } from './scram.ts';
import { changeSql, changeText, commentSql, oneAtATime, type Change } from './sql.ts';

/** Extensions that plain images of PostgreSQL lack, and an image that has each. */
const imageWith: Readonly<Record<string, string>> = {
  vchord: 'ghcr.io/immich-app/postgres:17-vectorchord1.1.1',
  vector: 'pgvector/pgvector:pg17',
  postgis: 'postgis/postgis:17-3.5',
  timescaledb: 'timescale/timescaledb:latest-pg17',
};

const secretOf = async ({ secrets }: Ports, change: Change): Promise<string> => {
  if (!('secret' in change)) return '';
  const password = await secrets.read(change.secret);
  if (password !== undefined) return makeVerifier(password);
  throw new StackError('SECRET_UNREADABLE', `the password of ${change.role} is not made yet`, {
    hint: 'run npm run up again; it makes what is missing',
    data: { secret: change.secret },
  });
};

/**
 * The changes by the database they are made in, those of the server first: a call costs more than what it does, and an
 * extension needs its database.
 */
const byDatabase = (changes: readonly Change[]): ReadonlyMap<string, readonly Change[]> => {
  const groups = new Map<string, Change[]>();
  for (const change of changes) {
    const database = change.kind === 'add-extension' ? change.database : 'postgres';
    groups.set(database, [...(groups.get(database) ?? []), change]);
  }
  return groups;
};

/** PostgreSQL as an area: roles, databases and extensions, before anyone connects. It never drops anything. */
export const createPostgresArea = (ports: Ports): Area<Desired, World, DatabaseStep> => ({
  name: 'postgres',
  desired: desiredDatabases,
  observe: async (desired, signal) => observeDatabases(ports, desired, signal),
  facts: databaseFacts,
  plan: planDatabases,
  apply: {
    async prepare({ changes }, effects, signal) {
      for (const [database, inside] of byDatabase(changes)) {
        const scripts = await Promise.all(
          inside.map(async (change) => changeSql(change, await secretOf(ports, change))),
        );
        const doing = inside.map(changeText).join(', ');
        await effects.perform('exec', doing, async () =>
          runSql(ports.exec, database, [oneAtATime, ...scripts].join(''), doing, signal),
        );
      }
    },
    async 'missing-extension'({ database, extension, image }) {
      const other = imageWith[extension];
      const hint =
        other === undefined
          ? `choose an image of the same major version that has ${extension}: postgres.image in settings.yaml`
          : `an image that has it: postgres.image: ${other} (the same major version as now, or dump and restore)`;
      const message = `the image ${image} does not have the extension ${extension}, which the database ${database} is to have`;
      return Promise.reject(
        new StackError('DATABASE_FAILED', message, { hint, data: { database, extension, image } }),
      );
    },
    async 'other-key'({ text, hint }) {
      return Promise.reject(new StackError('ENCRYPTION_KEY_CHANGED', text, { hint }));
    },
    async 'mark-key'({ databases }, effects, signal) {
      for (const { name, secret, comment } of databases) {
        const key = await ports.secrets.read(secret);
        // Gone since it was seen: the next look says so.
        if (key === undefined) continue;
        const doing = `write down which key opens ${name}`;
        await effects.perform('exec', doing, async () =>
          runSql(ports.exec, 'postgres', commentSql(name, withMark(comment, key)), doing, signal),
        );
      }
    },
  },
  files: postgresFiles,
  keeps: () => [],
});
