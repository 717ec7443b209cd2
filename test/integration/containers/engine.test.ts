import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { endpointEnv, findEndpoint } from '../../../src/containers/docker/endpoint.ts';
import { createEngine } from '../../../src/containers/engine.ts';

/*
 * The Engine as it fails: a small server at a socket that answers as told. What it does when it works is in test/e2e.
 */

let root: string;
let server: Server | undefined;

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'skylab-engine-'));
});
afterEach(async () => {
  server?.closeAllConnections();
  server?.close();
  server = undefined;
  await rm(root, { recursive: true, force: true });
});

const socket = () => join(root, 'docker.sock');
const engine = () =>
  createEngine(async () => Promise.resolve({ url: `unix://${socket()}`, certificates: undefined }));
const limit = () => AbortSignal.timeout(60_000);

/** An Engine that answers each path with this text, or breaks off where there is none. */
const answering = async (answers: Readonly<Record<string, string>>, status = 200): Promise<void> => {
  server = createServer((request, response) => {
    const path = new URL(request.url ?? '', 'http://x').pathname;
    const text = answers[path];
    if (text === undefined) {
      response.destroy();
      return;
    }
    response.writeHead(status, { 'content-type': 'application/json' });
    response.end(text);
  }).listen(socket());
  await once(server, 'listening');
};

describe('an Engine', () => {
  test('that is not there does not answer', async () => {
    await expect(engine().check(limit())).rejects.toMatchObject({
      code: 'ENGINE_UNREACHABLE',
      message: expect.stringContaining(socket()),
    });
  });

  test('that breaks off in the middle does not answer', async () => {
    await answering({});

    await expect(engine().containers('p', limit())).rejects.toMatchObject({ code: 'ENGINE_UNREACHABLE' });
  });

  test.each([
    ['24.0.9', 'ENGINE_TOO_OLD'],
    ['20.10.24+dfsg1', 'ENGINE_TOO_OLD'],
  ])('of version %s is too old, and says which is wanted', async (version, code) => {
    await answering({ '/version': JSON.stringify({ Version: version }) });

    await expect(engine().check(limit())).rejects.toMatchObject({
      code,
      message: expect.stringMatching(/older than the 25\.0/),
    });
  });

  test.each(['25.0.0', '26.1.5+dfsg1', '29.0.1'])('of version %s is taken', async (version) => {
    await answering({ '/version': JSON.stringify({ Version: version }) });

    await expect(engine().check(limit())).resolves.toBeUndefined();
  });

  test('that refuses a call is quoted', async () => {
    await answering({ '/containers/json': JSON.stringify({ message: 'no space for that' }) }, 500);

    await expect(engine().containers('p', limit())).rejects.toMatchObject({
      code: 'ENGINE_FAILED',
      message: expect.stringContaining('no space for that'),
    });
  });

  test('that answers in another form is told apart from a bug', async () => {
    await answering({ '/containers/json': '{"not":"a list"}' });

    await expect(engine().containers('p', limit())).rejects.toMatchObject({ code: 'ENGINE_FAILED' });
  });

  test('that never answers holds nobody: the signal ends the call with its own reason', async () => {
    server = createServer(() => undefined).listen(socket());
    await once(server, 'listening');
    const controller = new AbortController();
    const reason = new Error('interrupted');
    const asked = engine().containers('p', controller.signal);
    controller.abort(reason);

    await expect(asked).rejects.toBe(reason);
  });

  test('does not know a container that is gone', async () => {
    await answering({ '/containers/x/json': JSON.stringify({ message: 'No such container' }) }, 404);

    expect(await engine().inspect('x', limit())).toBeUndefined();
    await expect(engine().remove('x', limit())).rejects.toMatchObject({ code: 'ENGINE_UNREACHABLE' });
  });
});

describe('where the Engine is', () => {
  const withContext = async (name: string, host: string, tls = false) => {
    const key = createHash('sha256').update(name).digest('hex');
    const meta = join(root, '.docker', 'contexts', 'meta', key);
    await mkdir(meta, { recursive: true });
    await writeFile(join(root, '.docker', 'config.json'), JSON.stringify({ currentContext: name }));
    await writeFile(
      join(meta, 'meta.json'),
      JSON.stringify({ Name: name, Endpoints: { docker: { Host: host } } }),
    );
    if (!tls) return undefined;
    const folder = join(root, '.docker', 'contexts', 'tls', key, 'docker');
    await mkdir(folder, { recursive: true });
    await writeFile(join(folder, 'ca.pem'), '');
    return folder;
  };

  test('is the usual socket where nothing is said', async () => {
    expect((await findEndpoint({}, root)).url).toBe('unix:///var/run/docker.sock');
  });

  test('is what DOCKER_HOST says, before any context', async () => {
    await withContext('other', 'unix:///other.sock');

    expect((await findEndpoint({ DOCKER_HOST: 'unix:///mine.sock' }, root)).url).toBe('unix:///mine.sock');
  });

  test('is that of the chosen context, of which DOCKER_CONTEXT may name another', async () => {
    await withContext('rootless', 'unix:///run/user/1000/docker.sock');

    expect((await findEndpoint({}, root)).url).toBe('unix:///run/user/1000/docker.sock');
    expect((await findEndpoint({ DOCKER_CONTEXT: 'default' }, root)).url).toBe('unix:///var/run/docker.sock');
    await expect(findEndpoint({ DOCKER_CONTEXT: 'nowhere' }, root)).rejects.toMatchObject({
      code: 'ENGINE_UNREACHABLE',
      message: 'the docker context "nowhere" does not exist',
    });
  });

  test('may be encrypted, and the docker command is told so too', async () => {
    const folder = await withContext('tls', 'tcp://127.0.0.1:2376', true);
    const endpoint = await findEndpoint({}, root);

    expect(endpointEnv(endpoint)).toEqual({
      DOCKER_HOST: 'tcp://127.0.0.1:2376',
      DOCKER_TLS_VERIFY: '1',
      DOCKER_CERT_PATH: folder,
    });
    expect(endpointEnv(await findEndpoint({ DOCKER_HOST: 'unix:///x.sock' }, root))).toEqual({
      DOCKER_HOST: 'unix:///x.sock',
    });
  });

  test('is not another machine', async () => {
    await expect(findEndpoint({ DOCKER_HOST: 'ssh://me@server' }, root)).rejects.toMatchObject({
      code: 'ENGINE_UNREACHABLE',
      message: expect.stringContaining('not on this machine'),
    });
  });
});
