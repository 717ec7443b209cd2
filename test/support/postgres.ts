import { spawn, type ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { chown, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { Client } from 'pg';

import { freePort } from './ports.ts';

const installRoot = '/usr/lib/postgresql';
const startDeadlineMs = 90_000;
const pollIntervalMs = 30;

/** A throw-away PostgreSQL server on loopback; its superuser is `postgres`, its password is in `url`. */
export interface TestPostgres {
  /** `postgres://postgres:<password>@127.0.0.1:<port>/postgres` */
  readonly url: string;
  readonly host: string;
  readonly port: number;
  /** Makes an empty database and resolves to its URL. */
  createDatabase(): Promise<string>;
  /** Takes the server away and keeps its data: connections break, new ones are refused. */
  halt(): Promise<void>;
  /** Brings it back on the same port. */
  resume(): Promise<void>;
  restart(): Promise<void>;
  /** Ends the server and removes its data. */
  stop(): Promise<void>;
}

interface Account {
  readonly uid: number;
  readonly gid: number;
}

const newestBinaries = (): string | undefined => {
  const versions = existsSync(installRoot) ? readdirSync(installRoot) : [];
  const usable = versions.filter((version) => existsSync(join(installRoot, version, 'bin', 'initdb')));
  const newest = usable.toSorted((a, b) => Number(a) - Number(b)).at(-1);
  return newest === undefined ? undefined : join(installRoot, newest, 'bin');
};

/** PostgreSQL refuses to run as root, so its own account runs it there; anyone else runs it as themselves. */
const serverAccount = (): Account | 'self' | undefined => {
  if (process.getuid?.() !== 0) return 'self';
  const line = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .find((each) => each.startsWith('postgres:'));
  const [, , uid, gid] = line?.split(':') ?? [];
  return uid === undefined || gid === undefined ? undefined : { uid: Number(uid), gid: Number(gid) };
};

/** Why no PostgreSQL can be started here, for `describe.skipIf`; `undefined` when one can. */
export const whyNoPostgres = (): string | undefined => {
  if (newestBinaries() === undefined) return `no initdb under ${installRoot}: apt-get install postgresql`;
  return serverAccount() === undefined
    ? 'running as root, and there is no user postgres to run it as'
    : undefined;
};

/** As `whyNoPostgres`, and says so where the tests' output is read. */
export const skipWithoutPostgres = (): boolean => {
  const reason = whyNoPostgres();
  if (reason !== undefined) process.stderr.write(`skipped, needs PostgreSQL: ${reason}\n`);
  return reason !== undefined;
};

const runToEnd = async (
  command: string,
  args: readonly string[],
  account: Account | 'self',
): Promise<void> => {
  const child = spawn(command, args, {
    ...(account === 'self' ? {} : account),
    env: { PATH: '/usr/bin:/bin', LC_ALL: 'C.UTF-8' },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const output: Buffer[] = [];
  child.stdout.on('data', (chunk: Buffer) => output.push(chunk));
  child.stderr.on('data', (chunk: Buffer) => output.push(chunk));
  const [code] = (await once(child, 'close')) as [number | null];
  if (code !== 0) throw new Error(`${command} ended with ${code}: ${Buffer.concat(output).toString('utf8')}`);
};

const answers = async (url: string): Promise<boolean> => {
  const client = new Client({ connectionString: url, connectionTimeoutMillis: 2000 });
  client.on('error', () => undefined);
  try {
    await client.connect();
    return true;
  } catch {
    return false;
  } finally {
    await client.end().catch(() => undefined);
  }
};

/**
 * Starts a new PostgreSQL cluster in a temporary directory (about 1.5 s). Ask `whyNoPostgres` first.
 * @throws Error with PostgreSQL's own output when it does not come up
 */
export const startPostgres = async (): Promise<TestPostgres> => {
  const binaries = newestBinaries();
  const account = serverAccount();
  if (binaries === undefined || account === undefined) throw new Error(whyNoPostgres());
  const root = await mkdtemp(join(tmpdir(), 'skylab-postgres-'));
  const [data, passwordFile, log] = [join(root, 'data'), join(root, 'password'), join(root, 'log')];
  const password = randomBytes(12).toString('hex');
  await writeFile(passwordFile, password);
  if (account !== 'self')
    for (const path of [root, passwordFile]) await chown(path, account.uid, account.gid);
  const settings = ['--username=postgres', '--auth=scram-sha-256', `--pwfile=${passwordFile}`, '--no-sync'];
  await runToEnd(
    join(binaries, 'initdb'),
    ['-D', data, '--encoding=UTF8', '--no-locale', ...settings],
    account,
  );

  const host = '127.0.0.1';
  const port = await freePort();
  const url = `postgres://postgres:${password}@${host}:${port}/postgres`;
  const options = {
    listen_addresses: host,
    port,
    unix_socket_directories: root,
    fsync: 'off',
    log_destination: 'stderr',
  };
  let child: ChildProcess | undefined;
  const killWithUs = (): void => {
    child?.kill('SIGQUIT');
    rmSync(root, { recursive: true, force: true, maxRetries: 5, retryDelay: 20 });
  };
  process.once('exit', killWithUs);

  const resume = async (): Promise<void> => {
    const args = Object.entries(options).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
    // A shell for the redirection alone: the log outlives the pipes of this process.
    child = spawn(
      '/bin/sh',
      [
        '-c',
        'log="$1"; shift; exec "$@" >>"$log" 2>&1',
        'sh',
        log,
        join(binaries, 'postgres'),
        '-D',
        data,
        ...args,
      ],
      {
        ...(account === 'self' ? {} : account),
        env: { PATH: '/usr/bin:/bin', LC_ALL: 'C.UTF-8' },
        stdio: 'ignore',
      },
    );
    const deadlineMs = Date.now() + startDeadlineMs;
    while (!(await answers(url))) {
      if (child.exitCode !== null || Date.now() > deadlineMs)
        throw new Error(`PostgreSQL did not come up: ${await readFile(log, 'utf8')}`);
      await new Promise((wake) => void setTimeout(wake, pollIntervalMs));
    }
  };

  const halt = async (): Promise<void> => {
    const running = child;
    child = undefined;
    if (running === undefined || running.exitCode !== null) return;
    const ended = once(running, 'exit');
    running.kill('SIGQUIT');
    await ended;
  };

  await resume();
  let databases = 0;
  return {
    url,
    host,
    port,
    createDatabase: async () => {
      databases += 1;
      const name = `test_${databases}`;
      const client = new Client({ connectionString: url });
      await client.connect();
      await client.query(`CREATE DATABASE ${name}`);
      await client.end();
      return url.replace(/\/postgres$/, `/${name}`);
    },
    halt,
    resume,
    restart: async () => {
      await halt();
      await resume();
    },
    stop: async () => {
      await halt();
      process.off('exit', killWithUs);
      await rm(root, { recursive: true, force: true });
    },
  };
};
