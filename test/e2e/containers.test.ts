import { readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createContainerExec } from '../../src/containers/engine.ts';
import type { Outcome } from '../../src/orchestrator/converge.ts';
import { createTiny, docker, goodScript, type Tiny } from './containers-tiny.ts';

/*
 * The containers area on the real Engine, with two small services.
 */

const limit = () => AbortSignal.timeout(60_000);
const stepsOf = (outcome: Outcome) => outcome.ran.map((one) => one.step.id);
const failuresOf = (outcome: Outcome) => outcome.failures.map((one) => [one.step.id, one.error.code]);
const signal = 'netbird-signal';
const relay = 'netbird-relay';
const isRoot = process.getuid?.() === 0;

let tiny: Tiny;
const inside = async (...argv: readonly string[]) =>
  docker('exec', await tiny.idOf(signal), '/bin/busybox', ...argv);

describe('a stack that is brought up', () => {
  let first: Outcome;

  beforeAll(async () => {
    tiny = await createTiny();
    first = await tiny.up();
  });
  afterAll(async () => {
    await tiny.clear();
  });

  test('is healthy after one call of Compose', () => {
    expect([failuresOf(first), first.waiting]).toEqual([[], []]);
    expect(stepsOf(first).filter((id) => id.startsWith('start'))).toEqual([`start ${relay}, ${signal}`]);
  });

  test('takes no step a second time', async () => {
    expect(stepsOf(await tiny.up())).toEqual([]);
  });

  test('reads its files as the only one who can', async () => {
    expect(await inside('cat', '/etc/skylab/current/key')).toBe(await tiny.secrets.read('turn-secret'));
    if (!isRoot) return;
    const folder = join(tiny.settings.paths.services, signal);
    const modeOf = async (path: string) => {
      const { mode, uid } = await stat(path);
      return [(mode & 0o7777).toString(8), uid];
    };
    expect(await modeOf(folder)).toEqual(['500', 1000]);
    expect(await modeOf(join(folder, 'current', 'key'))).toEqual(['400', 1000]);
    expect(await modeOf(tiny.settings.paths.state)).toEqual(['700', 0]);
  });

  test('can be looked at with the documented command', async () => {
    const { composeEnv } = tiny.settings.paths;
    const file = join(tiny.settings.installation, 'compose', 'compose.yaml');

    expect(await docker('compose', '--env-file', composeEnv, '-f', file, 'ps', '--services')).toBe(
      `${relay}\n${signal}`,
    );
  });

  test('shows no secret in docker inspect and in compose.env', async () => {
    const shown = [
      await docker('inspect', await tiny.idOf(signal), await tiny.idOf(relay)),
      await readFile(tiny.settings.paths.composeEnv, 'utf8'),
    ].join('\n');

    for (const name of await tiny.secrets.names()) expect(shown).not.toContain(await tiny.secrets.read(name));
  });

  test('recreates only the service whose file has changed', async () => {
    const [before, other] = [await tiny.idOf(signal), await tiny.idOf(relay)];
    tiny.setScript(`${goodScript}# changed\n`);
    const outcome = await tiny.up();

    expect(failuresOf(outcome)).toEqual([]);
    expect(stepsOf(outcome)).toContain(`start ${signal}`);
    expect(await tiny.idOf(signal)).not.toBe(before);
    expect(await tiny.idOf(relay)).toBe(other);
    expect(stepsOf(await tiny.up())).toEqual([]);
  });

  test('swaps a file that the service reloads under its eyes, and recreates nothing', async () => {
    const before = await tiny.idOf(signal);
    tiny.setReloaded('two');
    expect(stepsOf(await tiny.up())).toEqual([`write files of ${signal}`]);

    expect(await inside('cat', '/etc/skylab/current/reloaded')).toBe('two');
    expect(await tiny.idOf(signal)).toBe(before);
    expect((await readdir(join(tiny.settings.paths.services, signal))).length).toBe(2);
  });

  test('starts again what was stopped, and makes again what was removed', async () => {
    await docker('stop', '-t', '1', await tiny.idOf(signal));
    await docker('rm', '-f', await tiny.idOf(relay));
    const outcome = await tiny.up();

    expect(failuresOf(outcome)).toEqual([]);
    expect(await tiny.planned()).toEqual([]);
  });

  test('does not ask the shell of the caller for its variables', async () => {
    process.env['HTTPS_PORT'] = '1';
    try {
      expect(await tiny.planned()).toEqual([]);
    } finally {
      delete process.env['HTTPS_PORT'];
    }
  });

  test('writes a file anew that somebody has changed', async () => {
    const path = join(tiny.settings.paths.services, signal, 'current', 'reloaded');
    if (isRoot) await writeFile(path, 'tampered');
    else return;

    expect(stepsOf(await tiny.up())).toEqual([`write files of ${signal}`]);
    expect(await readFile(path, 'utf8')).toBe('two');
  });

  test("runs what the host's own Compose file adds, and removes it when it is gone, without its volume", async () => {
    const volume = `${tiny.settings.project}_extra`;
    await tiny.writeOverride(`
services:
  extra:
    image: skylab-test/busybox:1
    init: true
    command: [/bin/busybox, sleep, "100000"]
    labels: { stack.skylab.host: x }
    volumes: [extra:/data]
volumes: { extra: {} }
`);
    try {
      const added = await tiny.up();
      const written = expect.stringMatching(/^write compose\.env/) as unknown;
      expect([failuresOf(added), stepsOf(added)]).toEqual([[], [written, 'start extra']]);
      await tiny.writeOverride(undefined);

      expect(stepsOf(await tiny.up())).toEqual([written, 'remove extra']);
      expect(await tiny.idOf('extra')).toBe('');
      expect(await docker('volume', 'ls', '-q', '--filter', `name=${volume}`)).toBe(volume);
    } finally {
      await docker('volume', 'rm', volume);
    }
  });

  test('names what is wrong with the Compose file of the host, and leaves what runs alone', async () => {
    const before = await tiny.idOf(signal);
    await tiny.writeOverride('services: { extra: { imag: x } }\n');
    const outcome = await tiny.up();
    await tiny.writeOverride(undefined);

    expect(failuresOf(outcome)).toEqual([['settle COMPOSE_FAILED', 'COMPOSE_FAILED']]);
    expect(outcome.failures[0]?.error.message).toContain('imag');
    expect(await tiny.idOf(signal)).toBe(before);
  });

  test('lets programs run inside: input, both outputs, exit code', async () => {
    const exec = createContainerExec(tiny.docker.engine, tiny.settings.project);
    const run = async (script: string, stdin?: string) =>
      exec.exec(signal, ['/bin/busybox', 'sh', '-c', script], {
        signal: limit(),
        ...(stdin === undefined ? {} : { stdin }),
      });

    expect(await run('cat; echo problem >&2; exit 7', 'given ü')).toEqual({
      exitCode: 7,
      stdout: 'given ü',
      stderr: 'problem\n',
    });
    expect((await run('/bin/busybox yes 0123456789 | /bin/busybox head -c 3000000')).stdout.length).toBe(
      3_000_000,
    );
    await expect(exec.exec('nothing', ['x'], { signal: limit() })).rejects.toMatchObject({
      code: 'SERVICE_UNHEALTHY',
    });
  });

  test('lets go of a program inside when it is interrupted', async () => {
    const exec = createContainerExec(tiny.docker.engine, tiny.settings.project);
    const reason = new Error('interrupted');
    const controller = new AbortController();
    const running = exec.exec(signal, ['/bin/busybox', 'sleep', '60'], { signal: controller.signal });
    controller.abort(reason);

    await expect(running).rejects.toBe(reason);
  });

  test('shows the last lines of a service', async () => {
    const [id, { engine }] = [await tiny.idOf(signal), tiny.docker];

    expect(await engine.lastLines(id, 10, limit())).toContain('starts');
    expect((await engine.lastLines(id, 1, limit())).length).toBe(1);
  });

  test('moves to another subnet with all it has', async () => {
    const subnet = tiny.settings.network.subnet.replace(/^10\.22/, '10.23');
    const { addresses } = tiny.settings;
    const moved = {
      ...tiny.settings,
      network: { subnet },
      addresses: { ...addresses, dynamicRange: addresses.dynamicRange.replace(/^10\.22/, '10.23') },
    };
    // What notices it on the real stack is nginx, whose address changes with the subnet.
    tiny.setScript(`${goodScript}# moved\n`);
    const outcome = await tiny.up({ settings: moved });

    expect(failuresOf(outcome)).toEqual([]);
    expect(stepsOf(outcome)).toContain(`move the stack to ${subnet}`);
    expect(
      await docker(
        'network',
        'inspect',
        `${tiny.settings.project}_default`,
        '-f',
        '{{(index .IPAM.Config 0).Subnet}}',
      ),
    ).toBe(subnet);
  });

  test('runs beside another stack, and going down leaves the other one alone', async () => {
    const other = await createTiny();
    try {
      expect(failuresOf(await other.up())).toEqual([]);
      const before = [await tiny.idOf(signal), await tiny.idOf(relay)];

      expect(stepsOf(await other.down())).toEqual(['take the stack down']);

      expect([await tiny.idOf(signal), await tiny.idOf(relay)]).toEqual(before);
      const states = await docker('inspect', '-f', '{{.State.Status}}', ...before);
      expect(states.split('\n')).toEqual(['running', 'running']);
      expect(await other.idOf(signal)).toBe('');
    } finally {
      await other.clear();
    }
  });

  test('goes down whole and comes up again with the secrets it had', async () => {
    const secret = await tiny.secrets.read('turn-secret');
    expect(stepsOf(await tiny.down())).toEqual(['take the stack down']);
    expect(await tiny.idOf(signal)).toBe('');
    expect(stepsOf(await tiny.down())).toEqual([]);

    expect(failuresOf(await tiny.up())).toEqual([]);
    expect(await tiny.secrets.read('turn-secret')).toBe(secret);
  });
});
