import { spawn, type ChildProcess } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { ensureCertificates } from '../../../sandbox/cloudflare/certificates.ts';
import { createHttp } from '../../../src/shared/http.ts';
import { askUdp } from '../../support/cloudflare.ts';

const entry = fileURLToPath(new URL('../../../sandbox/cloudflare/main.ts', import.meta.url));
const authorization = 'Bearer process-token';
let folder: string;
let running: ChildProcess | undefined;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'skylab-cloudflare-'));
  const requireBanner = `import { createRequire as makeRequire } from 'node:module'; const require = makeRequire(import.meta.url);`;
  await build({
    entryPoints: [entry],
    outfile: join(folder, 'main.mjs'),
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    logLevel: 'silent',
    banner: { js: requireBanner },
  });
  await writeFile(join(folder, 'token'), 'process-token\n');
});
afterEach(() => {
  running?.kill('SIGKILL');
});
afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
});

/** Starts the program and reads its ports from the line it prints. */
const start = async (env: Readonly<Record<string, string>> = {}) => {
  const child = spawn(process.execPath, [join(folder, 'main.mjs')], {
    env: {
      API_PORT: '0',
      DNS_PORT: '0',
      HOST: '127.0.0.1',
      ZONE: 'skylab.localhost',
      TOKEN_FILE: join(folder, 'token'),
      ...env,
    },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  running = child;
  const [line] = (await once(child.stdout, 'data', { signal: AbortSignal.timeout(60_000) })) as [Buffer];
  const match = /API (\S+), DNS port (\d+)/.exec(line.toString());
  if (match?.[1] === undefined) throw new Error(`unexpected first line: ${line.toString()}`);
  return { child, apiUrl: match[1], origin: new URL(match[1]).origin, dnsPort: Number(match[2]) };
};

const stop = async (child: ChildProcess) => {
  const gone = once(child, 'exit');
  const startMs = performance.now();
  child.kill('SIGTERM');
  const [code] = (await gone) as [number | null];
  return { code, tookMs: performance.now() - startMs };
};

const zoneId = async (apiUrl: string): Promise<string> => {
  const answer = await fetch(`${apiUrl}/zones?name=skylab.localhost`, { headers: { authorization } });
  const { result } = (await answer.json()) as { result: { id: string }[] };
  return result[0]?.id ?? '';
};

test('records outlive the process, which ends with 0 at once when told to, hanging clients or not', async () => {
  const first = await start({ DATA_DIR: join(folder, 'data'), ADDRESS_FOR_ZONE: '192.0.2.53' });
  const records = `${first.apiUrl}/zones/${await zoneId(first.apiUrl)}/dns_records`;
  const body = JSON.stringify({ type: 'TXT', name: 'kept', content: 'still here', ttl: 60 });
  expect((await fetch(records, { method: 'POST', headers: { authorization }, body })).status).toBe(200);
  const faults = JSON.stringify({ http: [{ answer: { kind: 'hang-before-headers' } }] });
  await fetch(`${first.origin}/sandbox/faults`, { method: 'PUT', body: faults });
  const hanging = fetch(records, { headers: { authorization } }).catch((error: unknown) => error);

  const { code, tookMs } = await stop(first.child);

  expect(code).toBe(0);
  expect(tookMs).toBeLessThan(30_000);
  await hanging;
  const second = await start({ DATA_DIR: join(folder, 'data'), ADDRESS_FOR_ZONE: '192.0.2.53' });
  const { packet } = await askUdp({ port: second.dnsPort, name: 'kept.skylab.localhost', type: 'TXT' });
  expect(packet.answers).toMatchObject([{ data: [Buffer.from('still here')] }]);
  const glue = await askUdp({ port: second.dnsPort, name: 'ns1.skylab.localhost', type: 'A' });
  expect(glue.packet.answers).toMatchObject([{ data: '192.0.2.53' }]);
});

test('it is healthy once API, DNS and the files of the CA are there, and says when they are gone', async () => {
  const caDir = join(folder, 'ca');
  const { origin } = await start({ CA_DIR: caDir });

  expect((await fetch(`${origin}/healthz`)).status).toBe(200);
  expect(await (await fetch(`${origin}/sandbox/pebble-ca.pem`)).text()).toBe(
    await readFile(join(caDir, 'ca.pem'), 'utf8'),
  );
  expect((await stat(join(caDir, 'pebble-key.pem'))).mode & 0o777).toBe(0o644);
  await rm(join(caDir, 'pebble.pem'));
  expect((await fetch(`${origin}/healthz`)).status).toBe(503);
});

test('without a token it does not start', async () => {
  const child = spawn(process.execPath, [join(folder, 'main.mjs')], {
    env: { ZONE: 'skylab.localhost', API_PORT: '0', DNS_PORT: '0' },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let said = '';
  child.stderr.on('data', (chunk: Buffer) => {
    said += chunk.toString();
  });

  const [code] = (await once(child, 'close')) as [number];

  expect(code).not.toBe(0);
  expect(said).toContain('set TOKEN_FILE or TOKEN');
});

test('the HTTPS identity is trusted under each of its names, and kept until it is about to expire', async () => {
  const directory = join(folder, 'identity');
  const read = async (name: string) => readFile(join(directory, name), 'utf8');
  const ca = await ensureCertificates(directory, Date.now());
  const server = createServer(
    { cert: await read('pebble.pem'), key: await read('pebble-key.pem') },
    (_, response) => {
      response.end('hello');
    },
  );
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const { port } = server.address() as AddressInfo;
  const http = createHttp({ ca: [ca], addressOf: () => '127.0.0.1' });

  for (const name of ['pebble.localhost', 'pebble', 'localhost', '127.0.0.1']) {
    expect((await http.call('GET', `https://${name}:${port}/`)).text).toBe('hello');
  }
  await expect(http.call('GET', `https://elsewhere:${port}/`)).rejects.toThrow(/altnames/i);
  http.close();
  server.close();

  const certificate = await read('pebble.pem');
  expect(await ensureCertificates(directory, Date.now())).toBe(ca);
  expect(await read('pebble.pem')).toBe(certificate);
  const later = Date.parse(new X509Certificate(certificate).validTo) - 29 * 86_400_000;
  expect(await ensureCertificates(directory, later)).not.toBe(ca);
});

test('a set of files that does not fit together is made anew', async () => {
  const [one, two] = [join(folder, 'one'), join(folder, 'two')];
  await ensureCertificates(one, Date.now());
  const other = await ensureCertificates(two, Date.now());
  await writeFile(join(one, 'ca.pem'), other);

  const mended = await ensureCertificates(one, Date.now());

  expect(mended).not.toBe(other);
  const server = new X509Certificate(await readFile(join(one, 'pebble.pem')));
  expect(server.verify(new X509Certificate(mended).publicKey)).toBe(true);
});
