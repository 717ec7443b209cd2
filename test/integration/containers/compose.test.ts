import { execFileSync } from 'node:child_process';
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createCompose, type ComposeProject } from '../../../src/containers/compose.ts';

/*
 * What is asked of docker compose and kept, with the real command; it needs no Engine for that. Calls are counted by a
 * `docker` in front of the real one.
 */

const whyNoCompose = (): string | undefined => {
  try {
    execFileSync('docker', ['compose', 'version'], { stdio: 'ignore' });
    return undefined;
  } catch {
    return 'docker compose is not installed';
  }
};
const missing = whyNoCompose();

let root: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'skylab-compose-'));
  await mkdir(join(root, 'state'));
  await mkdir(join(root, 'bin'));
});
afterEach(async () => {
  await rm(root, { recursive: true, force: true });
});

const limit = () => AbortSignal.timeout(120_000);
const project = (more: Partial<ComposeProject> = {}): ComposeProject => ({
  name: 'skylab-test',
  folder: root,
  files: [join(root, 'compose.yaml')],
  profiles: [],
  envFile: join(root, 'state', 'compose.env'),
  cache: join(root, 'state', 'cache'),
  ...more,
});
const files = async (text: string) => writeFile(join(root, 'compose.yaml'), text);

/** A docker command that writes down each call, and then does what its script says. */
const dockerThat = async (script: string) => {
  const path = join(root, 'bin', 'docker');
  await writeFile(path, `#!/bin/sh\necho "$@" >> ${join(root, 'calls')}\n${script}\n`);
  await chmod(path, 0o755);
};
const realDocker = () => execFileSync('sh', ['-c', 'command -v docker'], { encoding: 'utf8' }).trim();
const calls = async () =>
  (await readFile(join(root, 'calls'), 'utf8').catch(() => '')).split('\n').length - 1;
const compose = (env: Readonly<Record<string, string>> = {}) =>
  createCompose({
    endpoint: async () =>
      Promise.resolve({ url: `unix://${join(root, 'nowhere.sock')}`, certificates: undefined }),
    env: {
      PATH: `${join(root, 'bin')}:${process.env['PATH']}`,
      HOME: root,
      DOCKER_CONFIG: join(process.env['HOME'] ?? '/', '.docker'),
      ...env,
    },
  });

const two =
  'services:\n  a: { image: "${IMAGE:?}", restart: always }\n  b: { image: b, profiles: [extra] }\n';

describe.skipIf(missing !== undefined)(
  `the model of the Compose files (${missing ?? 'docker compose is here'})`,
  () => {
    beforeEach(async () => {
      await dockerThat(`exec ${realDocker()} "$@"`);
      await files(two);
    });

    test('holds the services of the profiles that are on, with their hashes', async () => {
      const model = await compose().model(project(), { IMAGE: 'one' }, limit());
      const all = await compose().model(project({ profiles: ['extra'] }), { IMAGE: 'one' }, limit());

      expect(Object.keys(model)).toEqual(['a']);
      expect(model['a']).toMatchObject({
        image: 'one',
        oneShot: false,
        hash: expect.stringMatching(/^[0-9a-f]{64}$/),
      });
      expect(Object.keys(all)).toEqual(['a', 'b']);
    });

    test('is asked for once and then kept, also by the next process', async () => {
      const first = await compose().model(project(), { IMAGE: 'one' }, limit());
      const asked = await calls();
      const second = await compose().model(project(), { IMAGE: 'one' }, limit());

      expect(second).toEqual(first);
      expect([asked, await calls()]).toEqual([3, 3]);
    });

    test('is asked for again when a variable or a file has changed, and only the newest is kept', async () => {
      const first = await compose().model(project(), { IMAGE: 'one' }, limit());
      const other = await compose().model(project(), { IMAGE: 'two' }, limit());
      await files(two.replace('always', 'unless-stopped'));
      const third = await compose().model(project(), { IMAGE: 'one' }, limit());

      expect(await calls()).toBe(9);
      expect(new Set([first, other, third].map((one) => one['a']?.hash)).size).toBe(3);
      expect((await readdir(join(root, 'state', 'cache'))).length).toBe(1);
    });

    test('is not kept where there is no state yet: a look writes nothing', async () => {
      await rm(join(root, 'state'), { recursive: true });
      await compose().model(project(), { IMAGE: 'one' }, limit());

      expect(await readdir(root)).not.toContain('state');
    });

    test('is asked for again where what was kept cannot be read', async () => {
      await compose().model(project(), { IMAGE: 'one' }, limit());
      const [name = ''] = await readdir(join(root, 'state', 'cache'));
      await writeFile(join(root, 'state', 'cache', name), '{"a": 1}');

      expect((await compose().model(project(), { IMAGE: 'one' }, limit()))['a']?.image).toBe('one');
    });

    test("does not see the caller's own variables", async () => {
      process.env['COMPOSE_PROFILES'] = 'extra';
      try {
        const model = await compose({ COMPOSE_FILE: '/nowhere' }).model(project(), { IMAGE: 'one' }, limit());

        expect(Object.keys(model)).toEqual(['a']);
      } finally {
        delete process.env['COMPOSE_PROFILES'];
      }
    });

    test('cannot be had from a file that Compose does not take, which is quoted', async () => {
      await files('services: { a: { image: x, nonsense: 1 } }\n');

      await expect(compose().model(project(), {}, limit())).rejects.toMatchObject({
        code: 'COMPOSE_FAILED',
        message: expect.stringContaining('nonsense'),
      });
    });

    test('cannot be had without a variable, which is named', async () => {
      await expect(compose().model(project(), {}, limit())).rejects.toMatchObject({
        code: 'COMPOSE_FAILED',
        message: expect.stringContaining('IMAGE'),
      });
    });

    test('is asked for again every time where a file brings in others', async () => {
      await writeFile(join(root, 'other.yaml'), 'services: { c: { image: c } }\n');
      await files(`include: [other.yaml]\n${two}`);
      await compose().model(project(), { IMAGE: 'one' }, limit());
      await compose().model(project(), { IMAGE: 'one' }, limit());

      expect(await calls()).toBe(6);
    });
  },
);

describe('the docker command', () => {
  test('that has no compose is named', async () => {
    await dockerThat('echo "docker: \'compose\' is not a docker command." >&2; exit 1');
    await files(two);

    await expect(compose().model(project(), { IMAGE: 'one' }, limit())).rejects.toMatchObject({
      code: 'COMPOSE_MISSING',
    });
  });

  test('whose compose is too old is named with its version', async () => {
    await dockerThat(
      'case "$*" in *version*) echo 2.20.3;; *hash*) echo "a 1";; *) echo \'{"services":{}}\';; esac',
    );
    await files(two);

    await expect(compose().model(project(), { IMAGE: 'one' }, limit())).rejects.toMatchObject({
      code: 'COMPOSE_TOO_OLD',
      message: expect.stringContaining('2.20.3'),
    });
  });

  test('is called to start services with what only they need, and nothing of the caller', async () => {
    await dockerThat(`env > ${join(root, 'env')}`);
    await compose({ SECRET: 'x' }).up(project({ profiles: ['extra'] }), ['a', 'b'], 10_000, limit());

    expect((await readFile(join(root, 'calls'), 'utf8')).trim().replaceAll(root, '<root>')).toBe(
      'compose --project-name skylab-test --project-directory <root> --profile extra --env-file <root>/state/compose.env -f <root>/compose.yaml up --no-build --pull never --remove-orphans=false --quiet-pull -d a b',
    );
    const env = await readFile(join(root, 'env'), 'utf8');
    expect(env).toContain(`DOCKER_HOST=unix://${root}/nowhere.sock`);
    expect(env).not.toContain('SECRET');
  });

  test('takes a stack down without its volumes', async () => {
    await dockerThat('exit 0');
    await compose().stop('skylab-test', ['a'], 100_000, limit());
    await compose().down('skylab-test', 10_000, limit());

    expect((await readFile(join(root, 'calls'), 'utf8')).split('\n').slice(0, 2)).toEqual([
      'compose --project-name skylab-test stop a',
      'compose --project-name skylab-test down',
    ]);
  });

  test('that fails is quoted with its last lines', async () => {
    await dockerThat('echo first; echo "no such thing" >&2; exit 17');

    await expect(compose().up(project(), ['a'], 100_000, limit())).rejects.toMatchObject({
      code: 'COMPOSE_FAILED',
      message: expect.stringContaining('no such thing'),
      data: { exitCode: 17 },
    });
  });

  test('that hangs is ended when its time is over', async () => {
    await dockerThat('exec sleep 600');
    const startedMs = performance.now();

    await expect(compose().up(project(), ['a'], 1000, limit())).rejects.toMatchObject({ code: 'DEADLINE' });
    expect(performance.now() - startedMs).toBeLessThan(100_000);
  });

  test('that waits for an answer gets none, and goes on', async () => {
    await dockerThat('read -r answer; echo "$answer" > "$HOME/answer"');
    await compose().up(project(), ['a'], 100_000, limit());

    expect(await readFile(join(root, 'answer'), 'utf8')).toBe('\n');
  });

  test('is ended when the run is interrupted', async () => {
    await dockerThat(`echo started > ${join(root, 'started')}; exec sleep 600`);
    const controller = new AbortController();
    const reason = new Error('interrupted');
    let startedMs = 0;
    const interrupting = async () => {
      const endMs = Date.now() + 120_000;
      while ((await readdir(root)).every((name) => name !== 'started') && Date.now() < endMs)
        await new Promise((resolve) => setTimeout(resolve, 20));
      startedMs = performance.now();
      controller.abort(reason);
    };
    const running = compose().up(project(), ['a'], 200_000, controller.signal);
    await Promise.all([expect(running).rejects.toBe(reason), interrupting()]);

    expect(performance.now() - startedMs).toBeLessThan(100_000);
  });
});
