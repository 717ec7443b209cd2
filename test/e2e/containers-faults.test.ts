import { readdir, readFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { once } from 'node:events';
import { afterEach, describe, expect, test } from 'vitest';
import type { Outcome } from '../../src/orchestrator/converge.ts';
import { effectsFor } from '../support/steps.ts';
import { createTiny, docker, goodScript, type Tiny } from './containers-tiny.ts';

/*
 * What goes wrong with containers on the real Engine: one clear error each, and the next run goes on.
 */

const stepsOf = (outcome: Outcome) => outcome.ran.map((one) => one.step.id);
const failuresOf = (outcome: Outcome) => outcome.failures.map((one) => [one.step.id, one.error.code]);
const signal = 'netbird-signal';
const relay = 'netbird-relay';
const isRoot = process.getuid?.() === 0;

/** Command lines of running programs that name this project. */
const commandsWith = async (project: string): Promise<readonly string[]> => {
  const numbers = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  const lines = await Promise.all(
    numbers.map(async (number) => readFile(`/proc/${number}/cmdline`, 'utf8').catch(() => '')),
  );
  return lines
    .map((line) => line.replaceAll('\0', ' '))
    .filter((line) => line.includes(`--project-name ${project}`));
};

let tiny: Tiny;

describe('what goes wrong', () => {
  afterEach(async () => {
    await tiny.clear();
  });

  test('a service that ends again and again is named soon, with its exit code and last lines', async () => {
    tiny = await createTiny();
    tiny.setScript('echo "cannot go on"; exit 3\n');
    const startedMs = performance.now();
    const outcome = await tiny.up();

    // Far below the three minutes for which a service that is still starting is waited for.
    expect(performance.now() - startedMs).toBeLessThan(100_000);
    expect(failuresOf(outcome)).toEqual([[`await ${signal}`, 'SERVICE_UNHEALTHY']]);
    const message = outcome.failures[0]?.error.message ?? '';
    expect(message).toContain('exit code 3');
    expect(message).toContain('cannot go on');
    expect((await tiny.planned()).join()).toBe(`await ${signal}`);

    tiny.setScript(goodScript);
    expect(failuresOf(await tiny.up())).toEqual([]);
  });

  test('a service that fails for an outside reason is tried afresh by the next run', async () => {
    tiny = await createTiny();
    // It runs on where the file is; the file is not part of its definition.
    tiny.setReloaded('not yet');
    tiny.setScript(
      `/bin/busybox grep -q now /etc/skylab/current/reloaded || { echo "not now"; exit 1; }\n${goodScript}`,
    );
    expect(failuresOf(await tiny.up())).toEqual([[`await ${signal}`, 'SERVICE_UNHEALTHY']]);

    tiny.setReloaded('now');
    const second = await tiny.up();
    expect(failuresOf(second)).toEqual([]);
  });

  test.each([
    ['failed to decrypt private key', 'ENCRYPTION_KEY_CHANGED'],
    ['The data directory was initialized by PostgreSQL version 16, which is not compatible', 'DATA_FOREIGN'],
  ])('a service that says "%s" has its own code: %s', async (line, code) => {
    tiny = await createTiny();
    tiny.setScript(`echo "${line}"; exit 1\n`);

    expect(failuresOf(await tiny.up())).toEqual([[`await ${signal}`, code]]);
  });

  test('a port that a program holds is named with the program, and the other service starts', async () => {
    tiny = await createTiny();
    const server = createServer().listen(tiny.settings.addresses.port, '127.0.0.1');
    await once(server, 'listening');
    try {
      const outcome = await tiny.up();

      expect(outcome.failures.map((one) => one.error.code)).toContain('PORT_TAKEN');
      if (isRoot)
        expect(outcome.failures.map((one) => one.error.message).join()).toContain(`process ${process.pid}`);
      expect(stepsOf(outcome)).toContain(`start ${signal}`);
    } finally {
      server.close();
      await once(server, 'close');
    }
    expect(failuresOf(await tiny.up())).toEqual([]);
  });

  test('a port that a container of others holds is named with the container', async () => {
    tiny = await createTiny();
    const name = `${tiny.settings.project}-holder`;
    const { port } = tiny.settings.addresses;
    await docker(
      'run',
      '-d',
      '--name',
      name,
      '-p',
      `127.0.0.1:${port}:80`,
      'skylab-test/busybox:1',
      '/bin/busybox',
      'sleep',
      '1000',
    );
    try {
      const outcome = await tiny.up();

      expect(outcome.failures.map((one) => one.error.message)).toContain(
        `${relay} needs port 127.0.0.1:${port}/tcp, which is held by the container ${name}`,
      );
    } finally {
      await docker('rm', '-f', name);
    }
  });

  test('a subnet that another network has is named with the network, and nothing is started', async () => {
    tiny = await createTiny();
    const name = `${tiny.settings.project}-other`;
    await docker('network', 'create', '--subnet', tiny.settings.network.subnet, name);
    try {
      const outcome = await tiny.up();

      expect(outcome.failures.map((one) => [one.error.code, one.error.message])).toEqual([
        ['SUBNET_TAKEN', expect.stringContaining(`the Docker network "${name}"`)],
      ]);
      expect(await tiny.idOf(signal)).toBe('');
    } finally {
      await docker('network', 'rm', name);
    }
  });

  test('an interrupted start leaves no call of Compose behind, and the next run goes on', async () => {
    tiny = await createTiny();
    const controller = new AbortController();
    const reason = new Error('interrupted');
    const effects = effectsFor();
    const watching = {
      ...effects,
      perform: async <T>(
        kind: Parameters<typeof effects.perform>[0],
        what: string,
        act: () => Promise<T>,
      ) => {
        if (kind === 'compose') setTimeout(() => controller.abort(reason), 150);
        return effects.perform(kind, what, act);
      },
    };

    await expect(tiny.up({ effects: watching, signal: controller.signal })).rejects.toBe(reason);
    expect(await commandsWith(tiny.settings.project)).toEqual([]);
    expect(failuresOf(await tiny.up())).toEqual([]);
  });
});
