import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { access, mkdir, mkdtemp, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { homedir, tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { promisify } from 'node:util';
import { ensureCertificates } from '../../sandbox/cloudflare/certificates.ts';
import { createHttp } from '../../src/shared/http.ts';
import { freePort } from './ports.ts';

const run = promisify(execFile);

/** Where the program is, or why it is not to be had. */
export type PebbleProgram = { readonly path: string } | { readonly missing: string };

const isThere = async (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  );

const unpacked = async (cache: string): Promise<PebbleProgram> => {
  const target = join(cache, 'pebble-trixie');
  const path = join(target, 'usr', 'bin', 'pebble');
  if (await isThere(path)) return { path };
  await mkdir(cache, { recursive: true });
  const work = await mkdtemp(join(cache, 'unpack-'));
  try {
    await run('apt-get', ['download', 'pebble/trixie'], { cwd: work, timeout: 60_000 });
    const [archive] = (await readdir(work)).filter((name) => name.endsWith('.deb'));
    if (archive === undefined) return { missing: 'apt-get downloaded no package of Pebble' };
    await run('dpkg', ['-x', archive, 'files'], { cwd: work, timeout: 60_000 });
    // Another test file may have been faster: its copy is as good.
    await rename(join(work, 'files'), target).catch(() => undefined);
    return (await isThere(path)) ? { path } : { missing: `${archive} holds no usr/bin/pebble` };
  } catch (error) {
    const [line] = (error instanceof Error ? error.message : String(error)).trim().split('\n').slice(-1);
    return { missing: `Debian trixie's package of Pebble cannot be had: ${line ?? ''}` };
  } finally {
    await rm(work, { recursive: true, force: true });
  }
};

/** Pebble from PATH, else unpacked from Debian trixie's package into the user's cache. Says so where there is none. */
export const findPebble = async (): Promise<PebbleProgram> => {
  for (const folder of (process.env['PATH'] ?? '').split(delimiter)) {
    const path = join(folder, 'pebble');
    if (folder !== '' && (await isThere(path))) return { path };
  }
  const found = await unpacked(
    join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'skylab-stack'),
  );
  if ('missing' in found) process.stdout.write(`skipped: ${found.missing}\n`);
  return found;
};

export interface PebbleOptions {
  /** `host:port` of the name server that it validates against. */
  readonly dnsServer: string;
  /** Lifetime of certificates in seconds. Default: Pebble's own, five years. */
  readonly certificateValidityPeriod?: number;
  /** Percent of good nonces that are refused. Default 0. */
  readonly nonceRejectPercent?: number;
  /** Percent of authorizations that are re-used. Default 0. */
  readonly authzReusePercent?: number;
  /** Domains that it refuses to issue for. */
  readonly domainBlocklist?: readonly string[];
  /** Seconds that its answers ask a client to wait. */
  readonly retryAfter?: { readonly authz: number; readonly order: number };
}

export interface Pebble {
  readonly directoryUrl: string;
  readonly managementUrl: string;
  /** PEM of the CA behind Pebble's own HTTPS. */
  readonly caPem: string;
  /** PEM of the root that it issues under; a new one after each start. */
  readonly rootPem: () => Promise<string>;
  /** Ends it and starts it anew at the same address: everything it knew is gone. */
  readonly restart: () => Promise<void>;
  readonly stop: () => Promise<void>;
}

/** It makes an RSA key before it answers. */
const readyTimeoutMs = 90_000;

/** Starts Pebble on loopback. @throws where there is no program, or it does not answer within 90 s */
export const startPebble = async (options: PebbleOptions): Promise<Pebble> => {
  const program = await findPebble();
  if ('missing' in program) throw new Error(program.missing);
  const folder = await mkdtemp(join(tmpdir(), 'skylab-pebble-'));
  const caPem = await ensureCertificates(folder, Date.now());
  const http = createHttp({ ca: [caPem] });
  const [port, managementPort] = [await freePort(), await freePort()];
  const directoryUrl = `https://localhost:${port}/dir`;
  const managementUrl = `https://localhost:${managementPort}`;
  const config = {
    pebble: {
      listenAddress: `127.0.0.1:${port}`,
      managementListenAddress: `127.0.0.1:${managementPort}`,
      certificate: join(folder, 'pebble.pem'),
      privateKey: join(folder, 'pebble-key.pem'),
      httpPort: 5002,
      tlsPort: 5001,
      externalAccountBindingRequired: false,
      ...(options.certificateValidityPeriod === undefined
        ? {}
        : { certificateValidityPeriod: options.certificateValidityPeriod }),
      ...(options.domainBlocklist === undefined ? {} : { domainBlocklist: options.domainBlocklist }),
      ...(options.retryAfter === undefined ? {} : { retryAfter: options.retryAfter }),
    },
  };
  const configPath = join(folder, 'pebble.json');
  await writeFile(configPath, JSON.stringify(config));

  const answers = async (): Promise<boolean> =>
    http.call('GET', directoryUrl, { timeoutMs: 1000 }).then(
      ({ status }) => status === 200,
      () => false,
    );

  const begin = async (): Promise<ChildProcess> => {
    const child = spawn(program.path, ['-config', configPath, '-dnsserver', options.dnsServer], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: {
        PEBBLE_VA_NOSLEEP: '1',
        PEBBLE_WFE_NONCEREJECT: String(options.nonceRejectPercent ?? 0),
        PEBBLE_AUTHZREUSE: String(options.authzReusePercent ?? 0),
      },
    });
    let said = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (chunk: Buffer) => {
        said = (said + chunk.toString()).slice(-2000);
      });
    }
    const untilMs = Date.now() + readyTimeoutMs;
    while (!(await answers())) {
      if (child.exitCode !== null || Date.now() > untilMs) {
        child.kill('SIGKILL');
        throw new Error(`Pebble does not answer at ${directoryUrl}; it said: ${said}`);
      }
      await pause(50);
    }
    return child;
  };
  const end = async (child: ChildProcess): Promise<void> => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const gone = once(child, 'exit');
    child.kill('SIGTERM');
    await gone;
  };

  let child = await begin();
  return {
    directoryUrl,
    managementUrl,
    caPem,
    rootPem: async () => (await http.call('GET', `${managementUrl}/roots/0`)).text,
    async restart() {
      await end(child);
      child = await begin();
    },
    async stop() {
      await end(child);
      http.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
};
