import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Report } from '../../../src/orchestrator/report/check.ts';
import { createTestHost, type TestHost } from '../../support/host.ts';

/*
 * The verb itself: exit codes, output, and what it does where it can do least.
 */

let host: TestHost;
beforeEach(async () => {
  host = await createTestHost('examine');
});
afterEach(async () => host.remove());

const noEngine = { DOCKER_HOST: 'unix:///nowhere/docker.sock' };
const statusOf = (stdout: string) =>
  new Map((JSON.parse(stdout) as Report).checks.map((one) => [one.id, one.status]));

test('broken settings are one finding that names every problem, and all else is looked at that can be', async () => {
  await writeFile(host.settingsFile, 'domain: UPPER\nnonsense: 1\n');
  const { code, stdout } = await host.run(['doctor']);

  expect(code).toBe(2);
  expect(stdout).toContain('✗ settings: the settings of this host are valid');
  expect(stdout).toContain('domain: is not a host name');
  expect(stdout).toContain('nonsense: is not a known setting');
  expect(stdout).toContain('- token: the token may edit the DNS of the zone (because settings failed)');
  expect(stdout).toMatch(/[✓✗] mesh-range/);
});

test('values that are still to be filled in are a finding', async () => {
  await host.change((settings) => {
    settings['domain'] = '<your domain>';
  });
  const { code, stdout } = await host.run(['doctor', '--json'], noEngine);

  expect(code).toBe(2);
  expect(statusOf(stdout).get('settings')).toBe('failed');
});

test('a host without a folder is a finding, too', async () => {
  const { code, stdout } = await host.run(['doctor', '--host', 'nobody', '--json'], noEngine);

  expect(code).toBe(2);
  expect(statusOf(stdout).get('settings')).toBe('failed');
});

test('without an Engine that is the one failure, and --json is one document', async () => {
  const { code, stdout } = await host.run(['doctor', '--json'], noEngine);
  const statuses = statusOf(stdout);
  // These look at this machine itself, which may be short of something while all the tests run.
  const ofMachine = ['disk', 'memory', 'mesh-range'];

  expect(code).toBe(2);
  expect(
    [...statuses].filter(([id, status]) => status === 'failed' && !ofMachine.includes(id)).map(([id]) => id),
  ).toEqual(['engine']);
  expect(ofMachine.filter((id) => !['passed', 'failed'].includes(statuses.get(id) ?? ''))).toEqual([]);
});

test('Ctrl-C ends it at once, whatever is silent', async () => {
  const silent = createServer().listen(0, '127.0.0.1');
  await once(silent, 'listening');
  const asked = once(silent, 'connection');
  const { port } = silent.address() as AddressInfo;
  await host.change((settings) => {
    settings['cloudflare'] = { token: { value: 'x' }, api: `http://127.0.0.1:${port}/client/v4` };
  });
  const running = host.start(['doctor'], noEngine);
  try {
    await asked;
    const startMs = performance.now();
    running.kill('SIGINT');
    const [code] = (await once(running, 'exit')) as [number | null];

    expect(code).toBe(130);
    // A silent provider would be waited for longer.
    expect(performance.now() - startMs).toBeLessThan(12_000);
  } finally {
    silent.close();
  }
});
