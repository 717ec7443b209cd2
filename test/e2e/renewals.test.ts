import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import type { IncomingMessage } from 'node:http';
import { connect as connectHttp2 } from 'node:http2';
import { request } from 'node:https';
import { dirname, join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { readCertificate } from '../../src/acme/store.ts';
import { createHttp } from '../../src/shared/http.ts';
import { createTestHost, runProgram, type TestHost } from '../support/host.ts';
import { dnsRecords } from '../support/world.ts';

/*
 * The renewer in its own container, with certificates that live for three minutes. Pebble suggests any moment of two days for
 * the renewal of each, so it comes at the earliest or at the latest that is taken: after some seconds, or near the end.
 */

const lifetimeSeconds = 240;
const domain = 'skylab.localhost';

let host: TestHost;
beforeAll(async () => {
  host = await createTestHost('renewals');
  const file = join(dirname(host.settingsFile), 'compose.yaml');
  const text = await readFile(file, 'utf8');
  const short = text.replace(/("certificateValidityPeriod": )\d+/, `$1${lifetimeSeconds}`);
  if (short === text) throw new Error('the sandbox no longer says how long certificates live');
  await writeFile(file, short);
});
afterAll(async () => host.remove());

/** A request over a connection of its own; returns the serial that was served. */
const requested = async (ca: string): Promise<string> => {
  const call = request({
    host: '127.0.0.1',
    port: host.ports.https,
    servername: `netbird.${domain}`,
    headers: { host: `netbird.${domain}:${host.ports.https}` },
    agent: false,
    ca,
    timeout: 10_000,
  });
  call.end();
  const [response] = (await once(call, 'response')) as [IncomingMessage];
  const { serialNumber } = (response.socket as TLSSocket).getPeerCertificate();
  response.resume();
  await once(response, 'end');
  if (response.statusCode !== 200) throw new Error(`HTTP ${response.statusCode ?? 0}`);
  return serialNumber;
};

/** A gRPC stream to signal, as every device of the mesh holds one; `ended` says how it ended, if it has. */
const openStream = async (ca: string) => {
  const session = connectHttp2(`https://netbird.${domain}:${host.ports.https}`, {
    createConnection: () =>
      connectTls({
        host: '127.0.0.1',
        port: host.ports.https,
        servername: `netbird.${domain}`,
        ALPNProtocols: ['h2'],
        ca,
      }),
  });
  const seen: { ended?: string } = {};
  session.on('error', (error: Error) => (seen.ended ??= error.message));
  const stream = session.request({
    ':method': 'POST',
    ':path': '/signalexchange.SignalExchange/ConnectStream',
    'content-type': 'application/grpc',
    'x-wiretrustee-peer-id': 'a-device-of-this-test',
    te: 'trailers',
  });
  stream.on('error', (error: Error) => (seen.ended ??= error.message));
  stream.on('close', () => (seen.ended ??= 'closed'));
  const [headers] = (await once(stream, 'response')) as [Readonly<Record<string, unknown>>];
  expect(headers).toMatchObject({ ':status': 200, 'x-wiretrustee-peer-registered': '1' });
  const close = () => {
    session.destroy();
  };
  return { seen, close };
};

test(
  'two renewals in a row: each is served, no request and no open stream fails meanwhile, and no record is left',
  { timeout: lifetimeSeconds * 4000 },
  async () => {
    const up = await host.run(['up']);
    expect(up.stderr).not.toContain('error[');
    const http = createHttp({ addressOf: () => '127.0.0.1', ca: [await directoryCa()] });
    const root = (await http.call('GET', `https://pebble.localhost:${host.ports.caManagement}/roots/0`)).text;
    http.close();
    const paths = { certificates: join(host.state, 'certificates') };
    const stream = await openStream(root);

    const serials = new Set<string>();
    const failures: string[] = [];
    let requests = 0;
    const untilMs = Date.now() + lifetimeSeconds * 2500;
    let renewedAtMs = Infinity;
    let isServed = false;
    // The stream is to outlast a renewal by more than nginx gives to connections when it ends.
    while (!(isServed && Date.now() > renewedAtMs + 15_000) && Date.now() < untilMs) {
      requests += 1;
      await requested(root).then(
        (serial) => serials.add(serial),
        (error: unknown) => failures.push(String(error)),
      );
      if (serials.size > 1) renewedAtMs = Math.min(renewedAtMs, Date.now());
      const stored = await readCertificate(paths, domain);
      isServed = serials.size >= 3 && serials.has(stored?.serial ?? '');
      await pause(50);
    }

    expect(failures).toEqual([]);
    expect(stream.seen.ended).toBeUndefined();
    stream.close();
    expect(isServed).toBe(true);
    expect(requests).toBeGreaterThan(50);
    // Another renewal may be under way already.
    const txtRecords = async () => (await dnsRecords(host)).filter((line) => line.startsWith('TXT '));
    await expect.poll(txtRecords, { timeout: 60_000, interval: 200 }).toEqual([]);
    const { stdout } = await runProgram(
      'docker',
      ['inspect', '--format', '{{.State.Health.Status}}', `${host.project}-certs-1`],
      host.env,
    );
    expect(stdout.trim()).toBe('healthy');
    const status = await host.run(['status', '--json']);
    expect(JSON.parse(status.stdout)).toMatchObject({
      certificate: { issuer: expect.any(String) as unknown },
    });
  },
);

const directoryCa = async (): Promise<string> => {
  const http = createHttp({ addressOf: () => '127.0.0.1' });
  const url = `http://cloudflare.localhost:${host.ports.api}/sandbox/pebble-ca.pem`;
  const { text } = await http.call('GET', url);
  http.close();
  return text;
};
