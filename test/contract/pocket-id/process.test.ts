import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { build } from 'esbuild';
import { Client, escapeLiteral } from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { parseEnvFile, renderIdentityEnv } from '../../../src/settings/identity-env.ts';
import { freePort } from '../../support/ports.ts';
import { skipWithoutPostgres, startPostgres, type TestPostgres } from '../../support/postgres.ts';

const startDeadlineMs = 60_000;

interface Ended {
  readonly code: number | null;
  readonly signal: string | null;
  readonly errors: string;
}

describe.skipIf(skipWithoutPostgres())('the process of the stand-in', () => {
  let postgres: TestPostgres;
  let folder: string;
  let program: string;

  beforeAll(async () => {
    postgres = await startPostgres();
    folder = await mkdtemp(join(tmpdir(), 'skylab-pocket-id-'));
    program = join(folder, 'main.mjs');
    await build({
      entryPoints: [fileURLToPath(new URL('../../../sandbox/pocket-id/main.ts', import.meta.url))],
      bundle: true,
      platform: 'node',
      format: 'esm',
      external: ['pg-native'],
      banner: {
        js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);",
      },
      outfile: program,
      logLevel: 'error',
    });
  });

  afterAll(async () => {
    await postgres.stop();
    await rm(folder, { recursive: true, force: true });
  });

  const run = (environment: Readonly<Record<string, string>>, ...args: readonly string[]) => {
    const child = spawn(process.execPath, [program, ...args], {
      env: {
        APP_URL: 'https://id.lab.test',
        ENCRYPTION_KEY: 'process-encryption-key-0123456789',
        DB_CONNECTION_STRING: postgres.url,
        HOST: '127.0.0.1',
        ...environment,
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let output = '';
    let errors = '';
    child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString('utf8')));
    child.stderr.on('data', (chunk: Buffer) => (errors += chunk.toString('utf8')));
    const ended = once(child, 'close').then(([code, signal]): Ended => ({
      code: code as number | null,
      signal: signal as string | null,
      errors,
    }));
    return { child, ended, output: () => output };
  };

  const untilServing = async (started: ReturnType<typeof run>): Promise<void> => {
    const deadlineMs = Date.now() + startDeadlineMs;
    while (!started.output().includes('serving')) {
      if (Date.now() > deadlineMs || started.child.exitCode !== null)
        throw new Error((await started.ended).errors);
      await new Promise((wake) => void setTimeout(wake, 20));
    }
  };

  test('the bundled program serves, is healthy, and ends with 0 on SIGTERM', async () => {
    const port = await freePort();
    const started = run({ PORT: String(port) });
    await untilServing(started);
    expect(started.output()).toContain('stand-in for Pocket ID v2.14.0');
    expect((await run({ PORT: String(port) }, 'healthcheck').ended).code).toBe(0);
    // A caller that never finishes its request must not hold it up.
    const caller = connect(port, '127.0.0.1');
    caller.on('error', () => undefined);
    await once(caller, 'connect');
    caller.write('GET /healthz HTTP/1.1\r\nHost: id.lab.test\r\n');
    const askedAtMs = Date.now();
    started.child.kill('SIGTERM');
    expect(await started.ended).toMatchObject({ code: 0, signal: null });
    expect(Date.now() - askedAtMs).toBeLessThan(30_000);
    const unhealthy = await run({ PORT: String(port) }, 'healthcheck').ended;
    expect([unhealthy.code, unhealthy.errors]).toEqual([
      1,
      `healthcheck: http://localhost:${port}/healthz does not answer\n`,
    ]);
  });

  test('a taken port ends it with 1', async () => {
    const ended = await run({ PORT: String(postgres.port) }).ended;
    expect([ended.code, ended.errors]).toEqual([1, expect.stringContaining('EADDRINUSE')]);
  });

  test('secrets come from files: keys as they are, addresses trimmed', async () => {
    const file = async (name: string, text: string): Promise<string> => {
      await writeFile(join(folder, name), text);
      return join(folder, name);
    };
    const files = {
      ENCRYPTION_KEY_FILE: await file('key', 'process-encryption-key-0123456789'),
      DB_CONNECTION_STRING_FILE: await file('dsn', `${postgres.url}\n`),
      DB_CONNECTION_STRING: 'sqlite:ignored',
    };
    const started = run({ ...files, PORT: String(await freePort()) });
    await untilServing(started);
    started.child.kill('SIGTERM');
    await started.ended;
    const newline = await file('key-with-newline', 'process-encryption-key-0123456789\n');
    const ended = await run({ ...files, ENCRYPTION_KEY_FILE: newline, PORT: '0' }).ended;
    expect([ended.code, ended.errors]).toEqual([1, expect.stringContaining('failed to decrypt private key')]);
  });

  test('it starts with pocketid.env alone, as systemd hands it over', async () => {
    const password = "p'a%s~word";
    const client = new Client({ connectionString: postgres.url });
    await client.connect();
    await client.query(`CREATE ROLE pocketid LOGIN PASSWORD ${escapeLiteral(password)}`);
    await client.query('CREATE DATABASE pocketid OWNER pocketid');
    await client.end();
    const text = renderIdentityEnv({
      issuer: 'https://pocketid.lab.test:8443',
      port: await freePort(),
      database: `127.0.0.1:${postgres.port}`,
      encryptionKey: 'a-key/that+was-there=before',
      databasePassword: password,
    });
    const started = run(Object.fromEntries(parseEnvFile(text)));
    await untilServing(started);
    started.child.kill('SIGTERM');

    expect(await started.ended).toMatchObject({ code: 0 });
  });

  test.each([
    ['PostgreSQL refuses', { DB_CONNECTION_STRING: 'postgres://x:y@127.0.0.1:1/z' }, 'failed to connect'],
    ['the database is no PostgreSQL', { DB_CONNECTION_STRING: 'data/pocket-id.db' }, 'postgres://'],
    ['the address has a path', { APP_URL: 'https://id.lab.test/auth' }, 'without a path'],
    ['the encryption key is short', { ENCRYPTION_KEY: 'short' }, 'at least 16'],
  ])('it ends with 1 and one line when %s', async (_why, environment, message) => {
    const ended = await run({ ...environment, PORT: '0' }).ended;
    expect(ended.code).toBe(1);
    expect(ended.errors).toMatch(/^error: [^\n]+\n$/);
    expect(ended.errors).toContain(message);
  });
});
