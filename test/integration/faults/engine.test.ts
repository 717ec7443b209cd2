import { chmod, chown, mkdir, readFile } from 'node:fs/promises';
import { createServer as createHttpServer, type Server } from 'node:http';
import { existsSync } from 'node:fs';
import { once } from 'node:events';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readHolder, takeRunLock } from '../../../src/orchestrator/lock.ts';
import { createTestHost, runProgram, type TestHost } from '../../support/host.ts';
import { codesIn, complaint, withoutVariables } from './support.ts';

/*
 * An Engine that is not there, does not let us in, or is too old.
 */

let host: TestHost;
beforeAll(async () => {
  host = await createTestHost('engine');
});
afterAll(async () => host.remove());

interface Told {
  readonly error?: { readonly code: string; readonly fix: string };
  readonly exitCode?: number;
  readonly type?: string;
}

describe('an Engine that does not answer', () => {
  const nowhere = { DOCKER_HOST: 'unix:///nowhere/docker.sock' };

  test('up says it once, and makes what needs no Engine', async () => {
    const up = await host.run(['up'], nowhere);

    expect(up.code).toBe(3);
    expect(complaint(host, up)).toMatchInlineSnapshot(`
      "error[ENGINE_UNREACHABLE]: the Engine at unix:///nowhere/docker.sock does not answer (ENOENT)
        fix: start it: sudo systemctl start docker
        see: docs/errors.md#engine_unreachable
        while: reach the Docker Engine
      waiting: <steps>
      not everything is as wanted; what ran stays, and npm run up goes on from there"
    `);
    expect(existsSync(join(host.state, 'run.lock'))).toBe(false);
  });

  test('up --json says it as an event, and ends with the exit code', async () => {
    const up = await host.run(['up', '--json'], nowhere);

    const told = up.stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Told);
    expect(told.filter((one) => one.error !== undefined).map((one) => one.error?.code)).toEqual([
      'ENGINE_UNREACHABLE',
    ]);
    expect(told.at(-1)).toMatchObject({ type: 'end', exitCode: 3 });
    expect([up.code, up.stderr]).toEqual([3, '']);
  });

  test('plan still shows the whole run, status what is known, and neither calls it wrong', async () => {
    const planned = await host.run(['plan'], nowhere);
    const status = await host.run(['status'], nowhere);

    expect(planned.code).toBe(2);
    expect(withoutVariables(host, planned.stderr)).toContain(
      'unknown: the Engine at unix:///nowhere/docker.sock does not answer (ENOENT)',
    );
    expect(status.code).toBe(0);
    expect(status.stdout).toContain('warning: the Engine at unix:///nowhere/docker.sock does not answer');
  });

  test('down and logs end with the same error', async () => {
    const down = await host.run(['down'], nowhere);
    const logs = await host.run(['logs', '--json'], nowhere);

    expect([down.code, codesIn(down)]).toEqual([3, ['ENGINE_UNREACHABLE']]);
    expect(logs.code).toBe(3);
    expect(JSON.parse(logs.stdout)).toMatchInlineSnapshot(`
      {
        "error": {
          "code": "ENGINE_UNREACHABLE",
          "data": {
            "endpoint": "unix:///nowhere/docker.sock",
            "errno": "ENOENT",
          },
          "fix": "start it: sudo systemctl start docker",
          "message": "the Engine at unix:///nowhere/docker.sock does not answer (ENOENT)",
        },
      }
    `);
  });

  test('a docker context that does not exist is named', async () => {
    const up = await host.run(['up'], { DOCKER_CONTEXT: 'elsewhere' });

    expect(up.code).toBe(3);
    expect(complaint(host, up)).toMatchInlineSnapshot(`
      "error[ENGINE_UNREACHABLE]: the docker context "elsewhere" does not exist
        fix: choose another one: docker context use default
        see: docs/errors.md#engine_unreachable
        while: reach the Docker Engine
      waiting: <steps>
      not everything is as wanted; what ran stays, and npm run up goes on from there"
    `);
  });

  test('an Engine on another machine is refused', async () => {
    const up = await host.run(['up'], { DOCKER_HOST: 'ssh://somebody@example.org' });

    expect(up.code).toBe(3);
    expect(complaint(host, up)).toMatchInlineSnapshot(`
      "error[ENGINE_UNREACHABLE]: the Engine at ssh://somebody@example.org is not on this machine
        fix: run this on the machine of that Engine, or unset DOCKER_HOST and choose docker context use default
        see: docs/errors.md#engine_unreachable
        while: reach the Docker Engine
      waiting: <steps>
      not everything is as wanted; what ran stays, and npm run up goes on from there"
    `);
  });
});

const isRoot = process.getuid?.() === 0;

test.skipIf(!isRoot)(
  'a user who may not talk to the Engine is told how to be let in (needs root)',
  async () => {
    const other = await createTestHost('denied');
    const nobody = 65_534;
    await chmod(other.folder, 0o755);
    await mkdir(join(other.folder, 'state'));
    await chown(join(other.folder, 'state'), nobody, nobody);
    const socket = join(other.folder, 'docker.sock');
    const server = createHttpServer();
    await new Promise<void>((listening) => server.listen(socket, listening));
    await chmod(socket, 0o600);
    try {
      const ids = [`--reuid=${nobody}`, `--regid=${nobody}`, '--clear-groups'];
      const up = await runProgram(
        'setpriv',
        [...ids, process.execPath, join(process.cwd(), 'dist/cli.js'), 'up'],
        {
          ...other.env,
          HOME: other.folder,
          DOCKER_HOST: `unix://${socket}`,
        },
      );

      expect(up.code).toBe(3);
      expect(complaint(other, up)).toMatchInlineSnapshot(`
        "error[ENGINE_DENIED]: this user may not talk to the Engine at unix://<folder>/docker.sock
          fix: run it as root, or join the group and log in again: sudo usermod -aG docker $USER
          see: docs/errors.md#engine_denied
          while: reach the Docker Engine
        waiting: <steps>
        not everything is as wanted; what ran stays, and npm run up goes on from there"
      `);
    } finally {
      server.close();
      await other.remove();
    }
  },
);

describe('an Engine that is too old', () => {
  let server: Server;
  let old: TestHost;
  beforeAll(async () => {
    old = await createTestHost('old');
    server = createHttpServer((request, response) => {
      const isVersion = request.url?.split('?')[0]?.endsWith('/version') === true;
      if (request.url?.includes('/volumes/') === true) response.statusCode = 404;
      response.setHeader('content-type', 'application/json');
      response.setHeader('api-version', '1.43');
      response.end(JSON.stringify(isVersion ? { Version: '24.0.9', ApiVersion: '1.43' } : []));
    });
    await new Promise<void>((listening) => server.listen(join(old.folder, 'docker.sock'), listening));
  });
  afterAll(async () => {
    server.closeAllConnections();
    server.close();
    await old.remove();
  });

  test('up says which version it found and which it needs', async () => {
    const up = await old.run(['up'], { DOCKER_HOST: `unix://${join(old.folder, 'docker.sock')}` });

    expect(up.code).toBe(3);
    expect(complaint(old, up)).toMatchInlineSnapshot(`
      "error[ENGINE_TOO_OLD]: Docker Engine 24.0.9 is older than the 25.0 that this stack needs
        fix: upgrade Docker: docs/errors.md#engine_too_old
        see: docs/errors.md#engine_too_old
        while: reach the Docker Engine
      waiting: <steps>
      not everything is as wanted; what ran stays, and npm run up goes on from there"
    `);
  });
});

test('an Engine that takes calls and never answers is as good as none', async () => {
  const hung = await createTestHost('hung');
  // It takes calls and never answers.
  const server = createHttpServer(() => undefined);
  const socket = join(hung.folder, 'docker.sock');
  await new Promise<void>((listening) => server.listen(socket, listening));
  try {
    const up = await hung.run(['up'], { DOCKER_HOST: `unix://${socket}` });

    expect(up.code).toBe(3);
    expect(complaint(hung, up)).toMatchInlineSnapshot(`
      "error[ENGINE_UNREACHABLE]: the Engine takes calls and does not answer them: no answer to "list containers" in 15 s
        fix: see what it is at: journalctl -u docker; if it hangs: sudo systemctl restart docker
        see: docs/errors.md#engine_unreachable
        while: reach the Docker Engine
      waiting: <steps>
      not everything is as wanted; what ran stays, and npm run up goes on from there"
    `);
  } finally {
    server.closeAllConnections();
    server.close();
    await hung.remove();
  }
});

test('a run while another is at work ends with who that is, and leaves it alone', async () => {
  const busy = await createTestHost('busy');
  // This process stands for the other run: it is at work until the test is over.
  const lock = await takeRunLock(join(busy.state, 'run.lock'), 'up');
  try {
    const holder = await readFile(join(busy.state, 'run.lock'), 'utf8');

    const second = await busy.run(['up']);
    const document = await busy.run(['down', '--json']);

    expect(second.code).toBe(5);
    expect(complaint(busy, second)).toMatchInlineSnapshot(`
      "error[LOCK_HELD]: "up" is at work on this host since <time> (process <pid>)
        fix: wait for it to end, or end it with Ctrl-C where it runs
        see: docs/errors.md#lock_held"
    `);
    expect(JSON.parse(document.stdout)).toMatchObject({ error: { code: 'LOCK_HELD', data: { verb: 'up' } } });
    expect(await readFile(join(busy.state, 'run.lock'), 'utf8')).toBe(holder);
  } finally {
    await lock.release();
    await busy.remove();
  }
});

test('up is at work under its own name until Ctrl-C ends it', async () => {
  const busy = await createTestHost('interrupted');
  // It takes calls and never answers.
  const server = createHttpServer(() => undefined);
  const socket = join(busy.folder, 'docker.sock');
  await new Promise<void>((listening) => server.listen(socket, listening));
  const asked = once(server, 'request');
  const running = busy.start(['up'], { DOCKER_HOST: `unix://${socket}` });
  const ended = new Promise<number | null>((done) => running.once('close', done));
  try {
    expect(await Promise.race([asked.then(() => 'asked'), ended])).toBe('asked');
    const holder = await readHolder(join(busy.state, 'run.lock'));
    running.kill('SIGINT');

    expect(holder).toMatchObject({ pid: running.pid, verb: 'up' });
    expect(await ended).toBe(130);
    expect(existsSync(join(busy.state, 'run.lock'))).toBe(false);
  } finally {
    running.kill('SIGKILL');
    await ended;
    server.closeAllConnections();
    server.close();
    await busy.remove();
  }
});
