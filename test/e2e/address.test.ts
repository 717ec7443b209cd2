import { readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createTestHost, runProgram, type TestHost } from '../support/host.ts';
import { relayedAddress } from '../support/turn.ts';
import { dnsRecords } from '../support/world.ts';

/*
 * A public address that changes while nobody runs `up`: the renewer in its own container sees it and leads the records
 * there, and coturn gives it to others.
 */

const first = '198.51.100.7';
const second = '203.0.113.9';
const names = ['netbird', 'pocketid', 'turn'].map((label) => `${label}.skylab.localhost`);

let host: TestHost;
beforeAll(async () => {
  host = await createTestHost('address', { reachability: { address: 'auto' } });
  const file = join(dirname(host.settingsFile), 'compose.yaml');
  const text = await readFile(file, 'utf8');
  const changed = text
    .replace('\nservices:\n', '\nservices:\n  certs:\n    environment: { SKYLAB_LOOK_EVERY_MS: "2000" }\n\n')
    .replace('      TOKEN: sandbox-token\n', `      TOKEN: sandbox-token\n      PUBLIC_ADDRESS: ${first}\n`);
  if (!/LOOK_EVERY[^]*PUBLIC_ADDRESS/.test(changed))
    throw new Error('the sandbox is written another way now');
  await writeFile(file, changed);
});
afterAll(async () => host.remove());

/** Tells the provider what to answer; it takes that from inside its own container only. */
const tell = async (told: object) => {
  const script = `
    const answer = await fetch('http://127.0.0.1:${host.ports.api}/sandbox/faults', {
      method: 'PUT',
      body: ${JSON.stringify(JSON.stringify(told))},
    });
    if (!answer.ok) throw new Error(await answer.text());`;
  const args = ['exec', `${host.project}-cloudflare-1`, '/usr/bin/node', '--input-type=module', '-e', script];
  const { code, stderr } = await runProgram('docker', args, host.env);
  expect([code, stderr]).toEqual([0, '']);
};

const ours = async () => (await dnsRecords(host)).filter((line) => line.includes(' address'));
const leadTo = (address: string) => names.map((name) => `A ${name} ${address} false ${host.project} address`);
const relayed = async () =>
  relayedAddress(
    host.ports.stun,
    (await readFile(join(host.state, 'secrets', 'turn-secret'), 'utf8')).trim(),
  );
const idOf = async (service: string) =>
  (
    await runProgram(
      'docker',
      ['inspect', '-f', '{{.Id}} {{.RestartCount}}', `${host.project}-${service}-1`],
      host.env,
    )
  ).stdout;
const patience = { timeout: 180_000, interval: 500 };
const publicAddress = async () =>
  (JSON.parse((await host.run(['status', '--json'])).stdout) as { publicAddress: unknown }).publicAddress;

test('the records and the address of relayed connections follow the public address without a run of `up`', async () => {
  const up = await host.run(['up']);
  expect([up.code, up.stderr]).toEqual([0, expect.not.stringContaining('error[')]);
  expect(await ours()).toEqual(leadTo(first));
  await expect.poll(relayed, patience).toBe(first);
  const before = [await idOf('coturn'), await idOf('certs')];

  await tell({ trace: { address: second } });

  await expect.poll(ours, patience).toEqual(leadTo(second));
  await expect.poll(relayed, patience).toBe(second);
  await expect.poll(publicAddress, patience).toMatchObject({ address: second });
  expect([await idOf('coturn'), await idOf('certs')]).toEqual(before);
  const plan = await host.run(['plan']);
  expect([plan.code, plan.stdout]).toEqual([0, expect.not.stringContaining('update A')]);
});

test('a provider that refuses the records leaves coturn following; `status` says what is in the way, until it is gone', async () => {
  const answer = { kind: 'error', status: 403, code: 10_000, message: 'Authentication error' };
  await tell({ trace: { address: first }, http: [{ method: 'PATCH', answer }] });

  await expect.poll(relayed, patience).toBe(first);
  await expect.poll(publicAddress, patience).toMatchObject({
    address: first,
    failure: { of: 'records', message: expect.stringContaining('not edit it') as unknown },
  });
  expect(await ours()).toEqual(leadTo(second));

  await tell({ trace: { address: first } });
  await expect.poll(ours, patience).toEqual(leadTo(first));
  const logs = await runProgram('docker', ['logs', `${host.project}-certs-1`], host.env);
  expect(logs.stderr.match(/warning: .*not edit it/g)).toHaveLength(1);
});

test('another run of `up` finds nothing to do', async () => {
  const up = await host.run(['up', '--json']);

  expect(up.code).toBe(0);
  expect(JSON.parse(up.stdout.trim().split('\n').at(-1) ?? '')).toMatchObject({ ran: 0, failures: [] });
});
