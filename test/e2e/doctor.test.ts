import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createStun } from '../../src/doctor/stun.ts';
import type { Check, Report } from '../../src/orchestrator/report/check.ts';
import { createTestHost, runProgram, type TestHost } from '../support/host.ts';

/*
 * One stack, healthy, then with one thing broken at a time: doctor names that one, and skips what hangs on it.
 */

let host: TestHost;
beforeAll(async () => {
  host = await createTestHost('doctor');
});
afterAll(async () => host.remove());

const docker = async (...args: readonly string[]): Promise<string> => {
  const { code, stdout, stderr } = await runProgram('docker', args);
  if (code !== 0) throw new Error(`docker ${args.join(' ')}: ${stderr}`);
  return stdout.trim();
};

const container = (service: string): string => `${host.project}-${service}-1`;

const examine = async (): Promise<{
  readonly code: number | undefined;
  readonly failed: readonly string[];
  readonly skipped: readonly string[];
  readonly of: (id: string) => Check | undefined;
}> => {
  const { code, stdout, stderr } = await host.run(['doctor', '--json']);
  if (stdout === '') throw new Error(stderr);
  const { checks } = JSON.parse(stdout) as Report;
  const ids = (status: string) => checks.filter((one) => one.status === status).map((one) => one.id);
  return {
    code,
    failed: ids('failed'),
    skipped: ids('skipped'),
    of: (id) => checks.find((one) => one.id === id),
  };
};

/** Skipped on a sandbox however well it is: it has no resolver, no delegation and no router. */
const inapplicable = ['resolver', 'delegation', 'rebind-protection', 'dnssec'];

const untilHealthy = async (service: string): Promise<void> => {
  for (const end = Date.now() + 120_000; Date.now() < end; await pause(500)) {
    if ((await docker('inspect', '-f', '{{.State.Health.Status}}', container(service))) === 'healthy') return;
  }
  throw new Error(`${service} is not healthy`);
};

describe('doctor', () => {
  test('fails nothing on a host that was never up, says why it skips, and makes nothing', async () => {
    const { code, failed, of } = await examine();

    expect({ code, failed }).toEqual({ code: 0, failed: [] });
    expect(of('engine')).toMatchObject({ status: 'passed' });
    expect(of('certificate')).toMatchObject({
      status: 'skipped',
      detail: 'the stack is not up here: npm run up starts it',
    });
    expect(await docker('ps', '-aq', '--filter', `label=com.docker.compose.project=${host.project}`)).toBe(
      '',
    );
  });

  test('passes everything on a healthy stack, twice, and changes nothing', async () => {
    expect((await host.run(['up'])).code).toBe(0);

    expect(await examine()).toMatchObject({ code: 0, failed: [], skipped: inapplicable });
    expect(await examine()).toMatchObject({ code: 0, failed: [], skipped: inapplicable });
    expect((await host.run(['plan'])).code).toBe(0);
  });

  test('a service that was stopped is found, and its routes are skipped because of it', async () => {
    await docker('stop', container('netbird-signal'));
    const { code, failed, of } = await examine();
    await docker('start', container('netbird-signal'));
    await untilHealthy('netbird-signal');

    expect({ code, failed }).toEqual({ code: 2, failed: ['services'] });
    expect(of('services')?.detail).toContain('netbird-signal (exited)');
    for (const id of ['grpc', 'websocket'])
      expect(of(id)).toMatchObject({
        status: 'skipped',
        detail: 'because services failed: netbird-signal is not up',
      });
  });

  test('a record that leads elsewhere is found', async () => {
    const api = `http://127.0.0.1:${host.ports.api}/client/v4`;
    const headers = { authorization: 'Bearer sandbox-token', 'content-type': 'application/json' };
    const call = async (method: string, path: string, body?: object) => {
      const answer = await fetch(`${api}${path}`, {
        method,
        headers,
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
      return ((await answer.json()) as { result: unknown }).result;
    };
    const [zone] = (await call('GET', '/zones')) as { id: string }[];
    const all = (await call('GET', `/zones/${zone?.id}/dns_records`)) as {
      id: string;
      name: string;
      type: string;
    }[];
    const record = all.find((one) => one.type === 'A' && one.name.startsWith('netbird.'));
    const path = `/zones/${zone?.id}/dns_records/${record?.id}`;

    await call('PATCH', path, { content: '192.0.2.7' });
    const { code, failed, of } = await examine();
    await call('PATCH', path, { content: '127.0.0.1' });

    expect({ code, failed }).toEqual({ code: 2, failed: ['records'] });
    expect(of('records')?.detail).toContain('netbird.skylab.localhost leads to 192.0.2.7; wanted 127.0.0.1');
  });

  test('a port that is published past the firewall is found', async () => {
    const name = `${host.project}-stray`;
    const bridge = await docker('network', 'inspect', 'bridge', '-f', '{{(index .IPAM.Config 0).Gateway}}');
    const image = await docker('inspect', '-f', '{{.Config.Image}}', container('coturn'));
    const label = `com.docker.compose.project=${host.project}`;
    await docker(
      'run',
      '-d',
      '--name',
      name,
      '--label',
      label,
      '-p',
      `${bridge}::9`,
      '--entrypoint',
      'sleep',
      image,
      '300',
    );
    const { code, failed, of } = await examine();
    await docker('rm', '-f', name);

    expect({ code, failed }).toEqual({ code: 2, failed: ['published-ports'] });
    expect(of('published-ports')?.detail).toContain(`${name} on ${bridge}:`);
  });

  test('coturn that lost its configuration relays for everyone, and is found', async () => {
    const name = `${host.project}-open-turn`;
    const image = await docker('inspect', '-f', '{{.Config.Image}}', container('coturn'));
    const port = String(host.ports.stun);
    await docker('rm', '-f', container('coturn'));
    await docker(
      'run',
      '-d',
      '--name',
      name,
      '--label',
      `com.docker.compose.project=${host.project}`,
      '--label',
      'com.docker.compose.service=coturn',
      '--label',
      `stack.skylab.host=${host.name}`,
      '-p',
      `127.0.0.1:${port}:${port}/udp`,
      image,
      'turnserver',
      '-n',
      '--no-auth',
      '-p',
      port,
    );
    const stun = createStun('127.0.0.1', host.ports.stun);
    const isAnswered = async () =>
      stun.ask('binding', AbortSignal.timeout(10_000)).then(
        () => true,
        () => false,
      );
    await expect.poll(isAnswered, { timeout: 60_000 }).toBe(true);
    const { code, failed, of } = await examine();
    await docker('rm', '-f', name);

    expect({ code, failed }).toEqual({ code: 2, failed: ['turn'] });
    expect(of('stun')).toMatchObject({ status: 'passed' });
    expect(of('turn')?.detail).toContain('relays for everyone');
  });
});
