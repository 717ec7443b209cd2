import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { chown, mkdir, readFile } from 'node:fs/promises';
import { connect } from 'node:http2';
import { dirname, join } from 'node:path';
import { connect as connectTls } from 'node:tls';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { createIngressArea } from '../../../src/ingress/apply.ts';
import type { DesiredIngress } from '../../../src/ingress/desired.ts';
import { callGrpc, get, shakeHands } from '../../../src/ingress/probe.ts';
import { readText } from '../../../src/shared/files.ts';
import { freePort } from '../../support/ports.ts';
import { effectsFor } from '../../support/steps.ts';
import { findNginx } from './support/find-nginx.ts';
import { nginxUser, until } from './support/nginx.ts';
import { otherSite, prepareOther, type OtherNginx } from './support/other-nginx.ts';
import { identity, mesh, prepareStack, type Stack } from './support/stack.ts';
import { frame, type Asked } from './support/upstream.ts';

const program = await findNginx();

/*
 * A real nginx holds the port, with a site of its own on it; ours is reached through what is rendered for it. The tests
 * go on from one another, as a person would.
 */
describe.skipIf('missing' in program)('behind another nginx', () => {
  let stack: Stack;
  let other: OtherNginx;
  let innerPort: number;
  const signal = () => AbortSignal.timeout(30_000);
  const area = createIngressArea({
    readText,
    exec: { exec: async () => Promise.resolve({ exitCode: 0, stdout: '', stderr: '' }) },
    frontOwner: nginxUser,
    async readPair(of) {
      const folder = join(stack.nginx.desired.places.certificates, of, 'current');
      const chainPem = await readText(join(folder, 'fullchain.pem'));
      const keyPem = await readText(join(folder, 'key.pem'));
      return chainPem === undefined || keyPem === undefined ? undefined : { chainPem, keyPem };
    },
  });
  const planned = async (desired: DesiredIngress = stack.nginx.desired) =>
    area.plan(desired, await area.observe(desired, signal()));
  const ids = async (desired?: DesiredIngress) => (await planned(desired)).map((step) => step.id);
  /** Takes the steps of one kind. */
  const take = async (kind: 'write-vhost' | 'hand-over', desired?: DesiredIngress) => {
    for (const step of await planned(desired)) {
      if (step.kind === 'write-vhost' && kind === step.kind)
        await area.apply['write-vhost'](step, effectsFor(), signal());
      if (step.kind === 'hand-over' && kind === step.kind)
        await area.apply['hand-over'](step, effectsFor(), signal());
    }
  };
  const frontStep = async (desired?: DesiredIngress) => {
    const step = (await planned(desired)).find((one) => one.kind === 'await-front');
    if (step?.kind !== 'await-front') throw new Error('nothing is awaited');
    return step;
  };
  const awaitFront = async (desired?: DesiredIngress) =>
    area.apply['await-front'](await frontStep(desired), effectsFor(), signal());
  /** Inside the network our nginx has the same port as the other one has outside; on one machine it cannot. */
  const putFiles = async (desired: DesiredIngress) =>
    stack.nginx.putFiles(desired, (_path, text) =>
      text.replaceAll(`listen ${desired.port} ssl`, `listen 127.0.0.1:${innerPort} ssl`),
    );
  const file = () => stack.nginx.desired.front?.file ?? '';
  const page = async (name: string, path: string, headers: Readonly<Record<string, string>> = {}) =>
    get(
      stack.door,
      name,
      { path, headers },
      { roots: [stack.authority.root], verify: true, signal: signal() },
    );
  const asked = async (name: string, path: string, headers: Readonly<Record<string, string>> = {}) =>
    JSON.parse((await page(name, path, headers)).text) as Asked;

  beforeAll(async () => {
    if ('missing' in program) return;
    stack = await prepareStack(program.folder, [], (folder, port) => ({
      folder,
      file: join(folder, 'skylab-lab.conf'),
      listen: [String(port)],
      prefix: 'skylab_lab',
    }));
    innerPort = await freePort();
    const { desired } = stack.nginx;
    await mkdir(dirname(desired.places.socket));
    if (nginxUser !== undefined) await chown(dirname(desired.places.socket), nginxUser.uid, nginxUser.gid);
    await putFiles(desired);
    await stack.nginx.start();
    const site = await stack.authority.issue([otherSite]);
    other = await prepareOther(program.folder, {
      port: desired.port,
      include: `${desired.front?.folder}/*.conf`,
      site,
    });
    await other.start();
  });
  afterAll(async () => {
    await other.stop();
    await stack.close();
  });

  test('plans the file, the certificate, and the wait for the person who includes it', async () => {
    expect(await ids()).toEqual([
      `write ${file()}`,
      'hand over certificate.pem',
      'await the nginx that holds the port',
    ]);
  });

  test('says what to do where the file is not included yet', async () => {
    await take('write-vhost');
    await take('hand-over');

    expect(await ids()).toEqual(['await the nginx that holds the port']);
    await expect(awaitFront()).rejects.toMatchObject({
      code: 'INGRESS_NOT_FRONTED',
      message: expect.stringMatching(/does not have the virtual host of|does not answer for/) as unknown,
      hint: expect.stringContaining(`sudo ln -s ${file()} /etc/nginx/sites-enabled/`) as unknown,
    });
  });

  test('is taken by nginx -t without a word, and needs nothing after the reload', async () => {
    const { code, said } = await other.check();
    expect([code, said]).toEqual([0, expect.not.stringMatching(/\[(warn|alert|emerg)\]/)]);

    const step = await frontStep();
    await Promise.all([area.apply['await-front'](step, effectsFor(), signal()), other.reload()]);

    expect(await ids()).toEqual([]);
    const { desired } = stack.nginx;
    expect(area.facts(desired, await area.observe(desired, signal()))).toEqual({ 'ingress.ready': true });
  });

  test('leaves the other site as it was', async () => {
    const reply = await page(otherSite, '/');

    expect([reply.text, reply.headers['x-other-nginx']]).toEqual(['photos', 'yes']);
  });

  test('passes to the same servers by the same rules', async () => {
    expect(await asked(mesh, '/auth/callback?code=1')).toMatchObject({ server: 'dashboard' });
    expect(await asked(mesh, '/api/instance')).toMatchObject({ server: 'management' });
    expect(await asked(identity, '/api/oidc/a%2Fb//c?x=%20y&z')).toMatchObject({
      server: 'identity',
      url: '/api/oidc/a%2Fb//c?x=%20y&z',
    });
    for (const path of ['/setup', '//setup', '/API/signup/Setup', '/signup%2fsetup'])
      expect((await page(identity, path)).status).toBe(404);
    expect((await page(identity, '/big?bytes=200000')).headers['x-big']).toHaveLength(200_000);
    expect((await page(identity, '/', { cookie: 'x'.repeat(30_000) })).status).toBe(200);
  });

  test('says who asks, whatever the client says, and passes no API key on', async () => {
    const { headers } = await asked(identity, '/', {
      'x-real-ip': '6.6.6.6',
      'x-forwarded-for': '6.6.6.6',
      forwarded: 'for=6.6.6.6',
      'x-api-key': 'secret-key',
    });

    expect(headers).toMatchObject({
      host: `${identity}:${stack.door.port}`,
      'x-forwarded-for': '127.0.0.1',
      'x-real-ip': '127.0.0.1',
      'x-real-port': expect.stringMatching(/^[1-9]\d+$/) as unknown,
      'x-forwarded-proto': 'https',
      'x-forwarded-port': String(stack.door.port),
    });
    expect(JSON.stringify(headers)).not.toMatch(/6\.6\.6\.6|secret-key/);
  });

  test('adds nothing of the http block around it to the answers of the stack', async () => {
    const { headers } = await page(identity, '/');

    expect(headers['x-other-nginx']).toBeUndefined();
    expect(headers['strict-transport-security']).toBe('max-age=31536000');
  });

  test('carries gRPC: single calls, and a stream that stays open', async () => {
    const key = await callGrpc(
      stack.door,
      mesh,
      '/management.ManagementService/GetServerKey',
      Buffer.alloc(0),
      {
        signal: signal(),
      },
    );
    expect(key).toMatchObject({ grpcStatus: '0' });
    expect(stack.upstreams.management.grpcCalls.at(-1)).toMatchObject({
      headers: { 'x-forwarded-for': '127.0.0.1' },
    });

    const session = connect(`https://${mesh}:${stack.door.port}`, {
      createConnection: () =>
        connectTls({
          host: '127.0.0.1',
          port: stack.door.port,
          servername: mesh,
          ALPNProtocols: ['h2'],
          ca: stack.authority.root,
        }),
    });
    const stream = session.request({
      ':method': 'POST',
      ':path': '/signalexchange.SignalExchange/ConnectStream',
      'content-type': 'application/grpc',
      te: 'trailers',
    });
    let received = '';
    stream.setEncoding('latin1');
    stream.on('data', (chunk: string) => (received += chunk));
    stream.write(frame(Buffer.from('first')));
    await until('the first message is back', () => received.includes('first'));
    stream.write(frame(Buffer.from('second')));
    await until('the second message is back', () => received.includes('second'));
    session.destroy();
  });

  test.each(['/relay', '/ws-proxy/management', '/ws-proxy/signal'])(
    'opens a WebSocket on %s',
    async (path) => {
      const socket = new WebSocket(`wss://${mesh}:${stack.door.port}${path}`, {
        ca: stack.authority.root,
        lookup: (_name, options, callback) => {
          if (options.all === true) callback(null, [{ address: '127.0.0.1', family: 4 }]);
          else callback(null, '127.0.0.1', 4);
        },
      });
      await once(socket, 'open');
      socket.send('there?');
      const [data] = (await once(socket, 'message')) as [Buffer];
      socket.terminate();

      expect(data.toString()).toBe('there?');
    },
  );

  test('serves a renewed certificate as soon as it is handed over, without a reload', async () => {
    await stack.nginx.putCertificate(await stack.authority.issue([identity, mesh]));
    expect(await ids()).toContain('hand over certificate.pem');

    await take('hand-over');

    const pem = await readFile(stack.nginx.desired.certificateFile, 'utf8');
    const seen = await shakeHands(stack.door, mesh, { roots: [stack.authority.root], signal: signal() });
    expect(seen.certificate.serialNumber).toBe(new X509Certificate(pem).serialNumber);
    expect(await ids()).toEqual([]);
  });

  test('is written anew when the settings change, and waited for until it is reloaded', async () => {
    const { desired } = stack.nginx;
    const { front } = desired;
    if (front === undefined) throw new Error('there is no front');
    const changed = { ...desired, front: { ...front, listen: [...front.listen, `[::1]:${desired.port}`] } };
    await take('write-vhost', changed);

    await expect(awaitFront(changed)).rejects.toMatchObject({
      message: expect.stringContaining('has an older virtual host') as unknown,
    });
    await take('write-vhost');
    expect(await ids()).toEqual([]);
  });

  test('logs no query there either', async () => {
    await page(identity, '/authorize?code=query-secret');
    await page(otherSite, '/seen');
    await until('the other nginx has logged', async () => (await other.said()).includes('/seen'));

    expect(await other.said()).not.toContain('query-secret');
  });
});
