import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { connect } from 'node:tls';
import { X509Certificate } from 'node:crypto';
import { get } from '../../../src/ingress/probe.ts';
import { findNginx } from './support/find-nginx.ts';
import { until, untilOnlyNew } from './support/nginx.ts';
import { identity, mesh, prepareStack, type Stack } from './support/stack.ts';
import { startUpstream } from './support/upstream.ts';

const program = await findNginx();

describe.skipIf('missing' in program)('a running nginx', () => {
  let stack: Stack;
  beforeEach(async () => {
    if (!('missing' in program)) stack = await prepareStack(program.folder);
  });
  afterEach(async () => stack.close());

  const page = async (name: string, path: string) =>
    get(stack.door, name, { path }, { signal: AbortSignal.timeout(20_000) });
  const version = async () => (await page(mesh, '/.well-known/skylab-ingress')).headers['x-skylab-config'];
  const serial = async () => (await page(mesh, '/.well-known/skylab-ingress')).certificate.serialNumber;
  const refusals = async () =>
    (await stack.nginx.said()).split('\n').filter((line) => line.startsWith('run.sh: nginx serves on'));

  test('takes up changed files within seconds, and answers every request meanwhile', async () => {
    await stack.nginx.start();
    const before = await version();
    const old = await stack.nginx.workers();
    await stack.nginx.putFiles({ ...stack.nginx.desired, strictTransport: false });

    const statuses = new Set<number>();
    await until('the new configuration is served', async () => {
      statuses.add((await page(identity, '/')).status);
      return (await version()) !== before;
    });

    expect([...statuses]).toEqual([200]);
    await untilOnlyNew(stack.nginx.workers, old);
    expect((await page(identity, '/')).headers['strict-transport-security']).toBeUndefined();
  });

  test('reloads once for a change, and then leaves nginx alone', async () => {
    await stack.nginx.start();
    const before = await version();
    await stack.nginx.putFiles({ ...stack.nginx.desired, strictTransport: false });
    await until('the new configuration is served', async () => (await version()) !== before);
    const seenAtMs = Date.now();
    await until('it has looked again', () => Date.now() - seenAtMs > 2_500);

    expect((await stack.nginx.said()).match(/run\.sh: nginx takes up what changed/g)).toHaveLength(1);
  });

  test('takes up a new certificate', async () => {
    await stack.nginx.start();
    const issued = await stack.authority.issue([identity, mesh]);
    const wanted = new X509Certificate(issued.fullchain).serialNumber;
    expect(await serial()).not.toBe(wanted);
    await stack.nginx.putCertificate(issued);

    await until('the new certificate is served', async () => (await serial()) === wanted);
  });

  test('serves on when its files are broken, says why once, and takes the next good ones', async () => {
    await stack.nginx.start();
    const before = await version();
    await stack.nginx.putFiles(stack.nginx.desired, (path, text) =>
      path === 'mesh.conf' ? `${text}\nserver { nonsense on; }` : text,
    );
    await until('the broken files are refused', async () => (await refusals()).length > 0);
    const seenAtMs = Date.now();
    await until('it has looked again', () => Date.now() - seenAtMs > 2_500);

    expect(await refusals()).toEqual([
      expect.stringMatching(/\[emerg\].*unknown directive "nonsense" in .*mesh\.conf/),
    ]);
    expect(await version()).toBe(before);

    await stack.nginx.putFiles({ ...stack.nginx.desired, strictTransport: false });
    await until('the good files are served', async () => (await version()) !== before);
  });

  test('serves on when certificate and key do not fit together', async () => {
    await stack.nginx.start();
    const before = await serial();
    const [one, other] = [
      await stack.authority.issue([identity, mesh]),
      await stack.authority.issue([identity, mesh]),
    ];
    await stack.nginx.putCertificate({ fullchain: one.fullchain, key: other.key });
    await until('the pair is refused', async () => (await refusals()).length > 0);

    expect(await serial()).toBe(before);
  });

  test('starts while no upstream exists, and finds each one as it comes', async () => {
    const names = [...stack.names.table.keys()];
    stack.names.table.clear();
    await stack.nginx.start();

    expect((await page(mesh, '/')).status).toBe(502);
    expect((await page(identity, '/')).status).toBe(502);

    for (const name of names) stack.names.table.set(name, '127.0.0.1');
    await until('both answer', async () => {
      const replies = [await page(mesh, '/'), await page(identity, '/')];
      return replies.every(({ status }) => status === 200);
    });
  });

  test('finds an upstream that comes back at another address', async () => {
    await stack.nginx.start();
    const many = async () =>
      Promise.all(Array.from({ length: 60 }, async () => (await page(identity, '/')).status));
    // Whoever is asked first looks the address up; others, if there are any, do so a second later and know it longer.
    expect((await page(identity, '/')).status).toBe(200);
    const askedAtMs = Date.now();
    await until('more than a second is over', () => Date.now() - askedAtMs > 1_200);
    expect(new Set(await many())).toEqual(new Set([200]));

    const { port } = stack.upstreams.identity;
    await stack.upstreams.identity.close();
    const moved = await startUpstream('moved', { host: '127.0.0.2', port });
    stack.names.table.set('identity.test', '127.0.0.2');

    await until('it answers again', async () => (await page(identity, '/')).text.includes('"moved"'));

    // Once it was seen there, nobody meets what nginx remembered of the old address.
    expect(new Set(await many())).toEqual(new Set([200]));
    await moved.close();
  });

  /** A WebSocket that somebody holds open; `said` is what came back, `ended` whether it was ended by the server. */
  const openStream = async () => {
    const client = connect({
      host: '127.0.0.1',
      port: stack.door.port,
      servername: mesh,
      ca: stack.authority.root,
    });
    const seen = { said: '', ended: false };
    client.on('error', () => undefined);
    client.on('close', () => (seen.ended = true));
    client.on('data', (chunk: Buffer) => (seen.said += chunk.toString('latin1')));
    client.write(
      `GET /relay HTTP/1.1\r\nHost: ${mesh}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n` +
        'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n',
    );
    await until('the WebSocket is open', () => seen.said.startsWith('HTTP/1.1 101'));
    return { client, seen };
  };
  /** A text message of RFC 6455 with a mask of zeros, as long as its text is short. */
  const message = (text: string): Buffer =>
    Buffer.concat([Buffer.from([0x81, 0x80 | text.length, 0, 0, 0, 0]), Buffer.from(text)]);

  test('leaves open streams alone when it takes up a certificate', async () => {
    await stack.nginx.start();
    const { client, seen } = await openStream();
    const issued = await stack.authority.issue([identity, mesh]);
    await stack.nginx.putCertificate(issued);
    const wanted = new X509Certificate(issued.fullchain).serialNumber;
    await until('the new certificate is served', async () => (await serial()) === wanted);
    const servedAtMs = Date.now();
    await until('twelve seconds are over', () => Date.now() - servedAtMs > 12_000);

    client.write(message('still there?'));
    await until('the message is back', () => seen.ended || seen.said.endsWith('still there?'));
    expect(seen.ended).toBe(false);
    client.destroy();
  });

  test('gives an open stream ten seconds when it is asked to end, and leaves nothing running', async () => {
    await stack.nginx.start();
    const { client, seen } = await openStream();
    // A stream of a worker that an earlier reload left behind counts as well.
    await stack.nginx.putFiles({ ...stack.nginx.desired, strictTransport: false });
    await until('a reload', async () => (await stack.nginx.said()).includes('takes up what changed'));
    expect((await stack.nginx.processes()).length).toBeGreaterThan(2);

    const askedAtMs = Date.now();
    await stack.nginx.end('SIGQUIT');

    expect(Date.now() - askedAtMs).toBeGreaterThan(9_000);
    await until('the stream has ended', () => seen.ended);
    await until('nothing is left running', async () => (await stack.nginx.processes()).length === 0);
    client.destroy();
  });

  test('ends at once when it is asked to and nobody holds anything', async () => {
    await stack.nginx.start();
    expect((await page(mesh, '/')).status).toBe(200);

    await stack.nginx.end('SIGQUIT');

    await until('nothing is left running', async () => (await stack.nginx.processes()).length === 0);
    expect(stack.nginx.exitCode()).toBe(0);
  });
});
