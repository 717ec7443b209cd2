import { once } from 'node:events';
import { readFile, rename, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { complaint, filesBelow, halfWritten } from '../integration/faults/support.ts';
import { createTestHost, runProgram, type TestHost } from '../support/host.ts';

/*
 * One stack, and one fault after the other: each run ends with one error that names cause and fix, loses nothing, and
 * the next run without the fault is whole.
 */

let host: TestHost;
let override: string;
beforeAll(async () => {
  host = await createTestHost('faults');
  override = join(host.folder, 'hosts', host.name, 'compose.yaml');
});
afterAll(async () => host.remove());

const docker = async (...args: readonly string[]): Promise<string> => {
  const { code, stdout, stderr } = await runProgram('docker', args);
  if (code !== 0) throw new Error(`docker ${args.join(' ')}: ${stderr}`);
  return stdout.trim();
};

const container = (service: string): string => `${host.project}-${service}-1`;

const sql = async (database: string, text: string): Promise<string> =>
  docker('exec', '-u', 'postgres', container('postgres'), 'psql', '-XqAt', '-d', database, '-c', text);

const services = async (): Promise<readonly string[]> => {
  const filter = `label=com.docker.compose.project=${host.project}`;
  const names = await docker('ps', '--filter', filter, '--format', '{{.Label "com.docker.compose.service"}}');
  return names
    .split('\n')
    .filter((name) => name !== '')
    .sort();
};

/** What a run without the fault leaves to do. */
const left = async (): Promise<string> => {
  const up = await host.run(['up']);
  if (up.code !== 0) return up.stderr;
  // A health check that failed while its database was away may come late; then it passes again.
  const deadlineMs = Date.now() + 60_000;
  for (;;) {
    const planned = (await host.run(['plan'])).stdout.trim();
    if (planned === nothing || Date.now() > deadlineMs) return planned;
    await pause(1000);
  }
};
const nothing = 'nothing to do';

/** Of the lines of a log the newest: how much of earlier starts is shown beside it depends on how often it was started. */
const newestLine = (text: string): string => text.replaceAll(/(?: {2}\| .*\n)*( {2}\| .*\n)/g, '$1');

const people = async (): Promise<string> =>
  sql(
    'pocketid_standin',
    `SELECT kind, id FROM standin_documents WHERE kind IN ('user','group','client') ORDER BY 1, 2`,
  );

describe('before anything runs', () => {
  test('a subnet that is in use is said, with by whom, and nothing starts', async () => {
    const settings = await readFile(host.settingsFile, 'utf8');
    const subnet = /subnet: (\S+)/.exec(settings)?.[1] ?? '';
    await docker('network', 'create', '--subnet', subnet, `${host.project}-other`);
    const up = await host.run(['up']);
    await docker('network', 'rm', `${host.project}-other`);

    expect(up.code).toBe(3);
    expect(complaint(host, up).replaceAll(subnet, '<subnet>')).toMatchInlineSnapshot(`
      "error[SUBNET_TAKEN]: the subnet <subnet> overlaps with the Docker network "<project>-other" (<subnet>)
        fix: choose a free one: network.subnet in settings.yaml (what is taken: ip route; docker network ls)
        see: docs/errors.md#subnet_taken
        while: clear the way for the network
      waiting: <steps>
      not everything is as wanted; what ran stays, and npm run up goes on from there"
    `);
    expect(await services()).toEqual([]);
  });

  test('ports that a program and a container hold are said, each with its holder; all else comes up', async () => {
    const server = createServer();
    server.listen(host.ports.https, '127.0.0.1');
    await once(server, 'listening');
    const image = await docker('images', 'skylab-sandbox/cloudflare', '--format', '{{.Repository}}:{{.Tag}}');
    const name = `${host.project}-other`;
    const published = `127.0.0.1:${host.ports.identity}:80`;
    const busybox = ['--entrypoint', '/busybox/sleep', image.split('\n')[0] ?? '', '600'];
    const other = await docker('run', '-d', '--name', name, '-p', published, ...busybox);
    const up = await host.run(['up']);
    server.close();
    await docker('rm', '-f', other);

    expect(up.code).toBe(3);
    expect(complaint(host, up)).toMatchInlineSnapshot(`
      "error[PORT_TAKEN]: nginx needs port 127.0.0.1:<https port>/tcp, which is held by node (process <pid>)
        fix: stop that program, or choose another port in settings.yaml (who listens: sudo ss -lntup)
        see: docs/errors.md#port_taken
        while: clear the way for nginx
      error[PORT_TAKEN]: pocket-id needs port 127.0.0.1:<identity port>/tcp, which is held by the container <project>-other
        fix: stop that program, or choose another port in settings.yaml (who listens: sudo ss -lntup)
        see: docs/errors.md#port_taken
        while: clear the way for pocket-id
      waiting: <steps>
      not everything is as wanted; what ran stays, and npm run up goes on from there"
    `);
    expect(await services()).toContain('postgres');
    expect(await services()).not.toContain('nginx');
  });

  test('the next run is whole', async () => {
    expect(await left()).toBe(nothing);
  });
});

describe('a running stack', () => {
  let before: string;
  beforeAll(async () => {
    before = await people();
  });

  /** A run with another key than that of the database. */
  const upWithOtherKey = async () => {
    const file = join(host.state, 'secrets', 'pocket-id-encryption-key');
    const key = await readFile(file, 'utf8');
    await writeFile(file, 'another-key-of-enough-length-0123456789ab');
    const up = await host.run(['up']);
    await writeFile(file, key);
    return up;
  };

  test('another encryption key than that of the database is said before anything starts with it', async () => {
    const started = await docker('inspect', '-f', '{{.State.StartedAt}}', container('pocket-id'));
    const up = await upWithOtherKey();

    expect(up.code).toBe(3);
    expect(complaint(host, up)).toMatchInlineSnapshot(`
      "error[ENCRYPTION_KEY_CHANGED]: the secret pocket-id-encryption-key is not the key that the database pocketid_standin was written with
        fix: put the file back from a backup: <state>/secrets/pocket-id-encryption-key; the data itself is whole
        see: docs/errors.md#encryption_key_changed
        while: check the key of pocketid_standin
      waiting: <steps>
      not everything is as wanted; what ran stays, and npm run up goes on from there"
    `);
    expect(await docker('inspect', '-f', '{{.State.StartedAt}}', container('pocket-id'))).toBe(started);
    expect(await left()).toBe(nothing);
    expect(await people()).toBe(before);
  });

  test('where the database tells of no key, Pocket ID tells that it is another one, and the data stays', async () => {
    await sql('postgres', 'COMMENT ON DATABASE pocketid_standin IS NULL');
    const up = await upWithOtherKey();

    expect(up.code).toBe(3);
    expect(complaint(host, up)).toMatchInlineSnapshot(`
      "error[ENCRYPTION_KEY_CHANGED]: pocket-id does not start: its data was sealed with another key than the one it has now
        | error: failed to decrypt private key: ENCRYPTION_KEY is not the one this database was made with
        fix: put the secret back from a backup; the data itself is whole
        see: docs/errors.md#encryption_key_changed
        while: await pocket-id
      waiting: <steps>
      not everything is as wanted; what ran stays, and npm run up goes on from there"
    `);
    expect(await left()).toBe(nothing);
    expect(await people()).toBe(before);
  });

  test('a lost key is never replaced by a new one while its data is there', async () => {
    const file = join(host.state, 'secrets', 'pocket-id-encryption-key');
    await rename(file, `${host.folder}/kept`);
    const up = await host.run(['up']);
    const names = await filesBelow(join(host.state, 'secrets'));
    const running = await services();
    await rename(`${host.folder}/kept`, file);

    expect(up.code).toBe(3);
    expect(complaint(host, up)).toMatchInlineSnapshot(`
      "error[ENCRYPTION_KEY_CHANGED]: the secret pocket-id-encryption-key is gone, and what it sealed is still there: a new one could not open it
        fix: put the file back from a backup of the secrets; only if that data may be lost: remove it by name first
        see: docs/errors.md#encryption_key_changed
        while: bring back the secret pocket-id-encryption-key
      waiting: <steps>
      not everything is as wanted; what ran stays, and npm run up goes on from there"
    `);
    expect(names).not.toContain('pocket-id-encryption-key');
    expect(running).toContain('pocket-id');
    expect(await left()).toBe(nothing);
    expect(await people()).toBe(before);
  });

  test('a schema newer than the image is said, and left alone', async () => {
    const [version = ''] = (await sql('pocketid_standin', 'SELECT version FROM schema_migrations')).split(
      '\n',
    );
    await sql('pocketid_standin', 'UPDATE schema_migrations SET version = 20991231000000');
    await docker('restart', container('pocket-id'));
    const up = await host.run(['up']);
    const seen = await sql('pocketid_standin', 'SELECT version FROM schema_migrations');
    await sql('pocketid_standin', `UPDATE schema_migrations SET version = ${version}`);

    expect(up.code).toBe(3);
    expect(newestLine(complaint(host, up))).toMatchInlineSnapshot(`
      "error[DATA_FOREIGN]: pocket-id does not start: its database was written by a newer version, or by a stand-in
        | error: database version (20991231000000) is newer than application version (20261122000000), downgrades are not allowed
        fix: run at least the version that wrote it: images.overrides in settings.yaml
        see: docs/errors.md#data_foreign
        while: await pocket-id
      waiting: <steps>
      not everything is as wanted; what ran stays, and npm run up goes on from there"
    `);
    expect(seen).toBe('20991231000000');
    expect(await left()).toBe(nothing);
  });

  test('a stand-in that meets the data of a real server leaves it alone and says so', async () => {
    await sql('pocketid_standin', 'ALTER TABLE standin_documents RENAME TO users');
    await docker('restart', container('pocket-id'));
    const up = await host.run(['up']);
    await sql('pocketid_standin', 'ALTER TABLE users RENAME TO standin_documents');

    expect(up.code).toBe(3);
    expect(newestLine(complaint(host, up))).toMatchInlineSnapshot(`
      "error[DATA_FOREIGN]: pocket-id does not start: a stand-in met the data of the real server, and left it alone
        | error: this database holds the data of a real Pocket ID; a stand-in does not touch it: give the stand-in a database of its own
        fix: give the stand-in a database of its own, or bring the real image to this machine
        see: docs/errors.md#data_foreign
        while: await pocket-id
      waiting: <steps>
      not everything is as wanted; what ran stays, and npm run up goes on from there"
    `);
    expect(await left()).toBe(nothing);
    expect(await people()).toBe(before);
  });

  test('the data of a stand-in and of the real server have different names everywhere', async () => {
    const databases = await sql('postgres', 'SELECT datname FROM pg_database ORDER BY 1');
    const mounts = await docker(
      'inspect',
      '-f',
      '{{range .Mounts}}{{.Source}} {{end}}',
      container('netbird-management'),
    );
    const url = await docker(
      'exec',
      container('pocket-id'),
      '/usr/bin/node',
      '-p',
      `
      new URL(fs.readFileSync('/etc/skylab/current/database-url','utf8')).pathname`,
    );

    expect(databases.split('\n')).toEqual(expect.arrayContaining(['pocketid', 'pocketid_standin']));
    expect(url).toBe('/pocketid_standin');
    expect(mounts).toContain('netbird-standin');
  });

  const breakService = async (service: string, wrong: string) => {
    const text = await readFile(override, 'utf8');
    await writeFile(override, text.replace('services:\n', `services:\n  ${service}:\n    ${wrong}\n`));
    const up = await host.run(['up']);
    await writeFile(override, text);
    return up;
  };

  test('a Pocket ID that ends at once is said with the last lines of its log', async () => {
    const script = "console.error('cannot read the flux capacitor'); process.exit(7)";
    const up = await breakService('pocket-id', `entrypoint: [/usr/bin/node, -e, "${script}"]`);

    expect(up.code).toBe(3);
    expect(complaint(host, up)).toMatchInlineSnapshot(`
      "error[SERVICE_UNHEALTHY]: pocket-id ends again and again: it ended with exit code 7
        | cannot read the flux capacitor
        fix: the lines above are the end of its log; all of it: npm run -s logs -- --service pocket-id
        see: docs/errors.md#service_unhealthy
        while: await pocket-id
      waiting: <steps>
      not everything is as wanted; what ran stays, and npm run up goes on from there"
    `);
  });

  test('a PostgreSQL that ends at once is said with the last lines of its log', async () => {
    const up = await breakService('postgres', 'command: [postgres, -c, no_such_setting=1]');

    expect(up.code).toBe(3);
    expect(complaint(host, up)).toMatchInlineSnapshot(`
      "error[SERVICE_UNHEALTHY]: postgres ends again and again: it ended with exit code 1
        | <time> GMT [1] FATAL:  unrecognized configuration parameter "no_such_setting"
        fix: the lines above are the end of its log; all of it: npm run -s logs -- --service postgres
        see: docs/errors.md#service_unhealthy
        while: await postgres
      waiting: <steps>
      not everything is as wanted; what ran stays, and npm run up goes on from there"
    `);
  });

  test('the run after that is whole', async () => {
    expect(await left()).toBe(nothing);
    expect(await people()).toBe(before);
  });

  test('data of another major version of PostgreSQL is said, and not touched', async () => {
    expect((await host.run(['down'])).code).toBe(0);
    const folder = await docker('volume', 'inspect', '-f', '{{.Mountpoint}}', `${host.project}_postgres`);
    const file = join(folder, 'PG_VERSION');
    const version = await readFile(file, 'utf8');
    await writeFile(file, '15\n');
    const up = await host.run(['up']);
    const seen = await readFile(file, 'utf8');
    await writeFile(file, version);

    expect(up.code).toBe(3);
    expect(complaint(host, up)).toMatchInlineSnapshot(`
      "error[DATA_FOREIGN]: postgres does not start: its data was written by another major version of PostgreSQL
        | <time> [1] FATAL:  database files are incompatible with server
        | <time> [1] DETAIL:  The data directory was initialized by PostgreSQL version 15, which is not compatible with this version 17.12 (Debian 17.12-0+deb13u1).
        fix: set postgres.image back to that version; to move on, dump there and restore here (pg_dumpall)
        see: docs/errors.md#data_foreign
        while: await postgres
      waiting: <steps>
      not everything is as wanted; what ran stays, and npm run up goes on from there"
    `);
    expect(seen).toBe('15\n');
    expect(await left()).toBe(nothing);
    expect(await people()).toBe(before);
  });

  test('nothing was left half-written', async () => {
    expect(await halfWritten(host.folder)).toEqual([]);
    await rm(join(host.folder, 'kept'), { force: true });
  });
});
