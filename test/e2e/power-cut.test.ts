import { rm } from 'node:fs/promises';
import { once } from 'node:events';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createTestHost, runProgram, type TestHost } from '../support/host.ts';
import { up } from '../support/kills.ts';
import { dnsRecords } from '../support/world.ts';

/*
 * Interrupted while a certificate is ordered; two runs at once; and a host that comes back while the internet does not.
 */

let host: TestHost;
beforeAll(async () => {
  host = await createTestHost('cut');
});
afterAll(async () => host.remove());

const txtRecords = async () => (await dnsRecords(host)).filter((line) => line.startsWith('TXT '));

/** Without a certificate, and without the renewer, which would order one by itself. */
const loseCertificate = async () => {
  await runProgram('docker', ['rm', '-f', `${host.project}-certs-1`], host.env);
  await rm(join(host.state, 'certificates', 'skylab.localhost'), { recursive: true });
};

/** Runs `up` and sends a signal as soon as it tells of such an effect. */
const interrupted = async (signal: NodeJS.Signals, effect: string) => {
  const child = host.start(['up', '--json']);
  let stdout = '';
  let isSent = false;
  child.stdout?.on('data', (chunk: Buffer) => {
    stdout += chunk.toString();
    if (isSent || !stdout.includes(`"what":"${effect}`)) return;
    isSent = true;
    child.kill(signal);
  });
  const [code, by] = (await once(child, 'close')) as [number | null, NodeJS.Signals | null];
  return { code, by, isSent };
};

describe('a run that is cut off', { concurrent: false }, () => {
  test('first brings the stack up; of two at once, one is told of the other', async () => {
    const [one, other] = await Promise.all([host.run(['up']), host.run(['up'])]);

    const [won, lost] = one.code === 0 ? [one, other] : [other, one];
    expect([won.code, lost.code]).toEqual([0, 5]);
    expect(lost.stderr).toMatch(/error\[LOCK_HELD\]: "up" is at work on this host since \S+ \(process \d+\)/);
  });

  test('by Ctrl-C while a certificate is ordered: it takes its TXT records along', async () => {
    await loseCertificate();
    const ended = await interrupted('SIGINT', 'POST challenge');

    expect(ended).toMatchObject({ isSent: true, code: 130 });
    expect(await txtRecords()).toEqual([]);

    expect(await up(host)).toMatchObject({ code: 0 });
    expect(await txtRecords()).toEqual([]);
  });

  test('by SIGKILL while a certificate is ordered: the next run takes its TXT records away', async () => {
    await loseCertificate();
    const ended = await interrupted('SIGKILL', 'POST challenge');

    expect(ended).toMatchObject({ isSent: true, by: 'SIGKILL' });
    expect((await txtRecords()).length).toBeGreaterThan(0);

    expect(await up(host)).toMatchObject({ code: 0 });
    expect(await txtRecords()).toEqual([]);
  });
});

describe('a host that comes back without the internet', { concurrent: false }, () => {
  test('comes up on the certificate it has, with one warning for each system that is away', async () => {
    expect((await host.run(['down'])).code).toBe(0);
    // The provider and the authority are what this file adds; without it nobody listens at their addresses.
    await rm(join(host.settingsFile, '..', 'compose.yaml'));

    const { code, stdout, stderr } = await host.run(['up']);

    const warnings = stderr.split('\n').filter((line) => line.startsWith('warning: '));
    expect(warnings).toEqual([
      expect.stringContaining(`cloudflare.localhost:${host.ports.api}`),
      expect.stringMatching(/certificate authority/),
    ]);
    expect(stdout).toContain(`https://netbird.skylab.localhost:${host.ports.https}`);
    expect(code).toBe(0);
  });

  test('and says the same when nothing was left to do', async () => {
    const { code, stderr } = await host.run(['up']);

    expect(stderr.split('\n').filter((line) => line.startsWith('warning: '))).toHaveLength(2);
    expect(code).toBe(0);
  });

  test('without a certificate says what is missing, who is away, and what to do', async () => {
    expect((await host.run(['down'])).code).toBe(0);
    await rm(join(host.state, 'certificates', 'skylab.localhost'), { recursive: true });

    const { code, stderr } = await host.run(['up']);

    expect(code).toBe(3);
    expect(stderr).toContain('error[CA_UNREACHABLE]: cannot reach the certificate authority');
    expect(stderr).toContain(
      'fix: check the network of this machine and certificates.directory, then run it again',
    );
    expect(stderr).toContain('while: issue certificate for skylab.localhost');
  });
});
