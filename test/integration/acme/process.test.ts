import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readCertificate } from '../../../src/acme/store.ts';
import { zoneName } from '../../support/cloudflare.ts';
import { startLocalWorld, type LocalWorld } from './local-world.ts';
import { until } from './world.ts';

const dayMs = 86_400_000;
const megabyte = 1024;

describe('the renewer as the process that runs in its container', () => {
  let world: LocalWorld;
  beforeAll(async () => {
    world = await startLocalWorld();
  });
  afterAll(async () => {
    await world.stop();
  });

  /** Starts it with the files of one store, as `up` would write them. */
  const start = async (store: string, more: Readonly<Record<string, string>> = {}) => {
    const wanted = world.wishes(store);
    const files = join(world.folder, `${store}-files`);
    await mkdir(files);
    await writeFile(join(files, 'settings.json'), JSON.stringify(wanted));
    await writeFile(join(files, 'cloudflare-token'), 'edit-token_1\n');
    const heartbeat = join(files, 'heartbeat');
    const child = spawn(process.execPath, ['dist/cli.js', 'renew', '--watch'], {
      env: {
        SKYLAB_RENEWER_FILES: files,
        SKYLAB_HEARTBEAT: heartbeat,
        NODE_OPTIONS: '--max-semi-space-size=1',
        SKYLAB_PUBLIC_ADDRESS: files,
        ...more,
      },
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    let said = '';
    child.stderr.on('data', (chunk: Buffer) => {
      said += chunk.toString();
    });
    const ended = once(child, 'close') as Promise<[number | null]>;
    const pulse = async () => JSON.parse(await readFile(heartbeat, 'utf8')) as Record<string, unknown>;
    return {
      wanted,
      files,
      said: () => said,
      pulse: async () => pulse().catch((): Record<string, unknown> => ({})),
      residentMb: async () => {
        const status = await readFile(`/proc/${child.pid ?? 0}/status`, 'utf8');
        return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) / megabyte;
      },
      async stop() {
        child.kill('SIGTERM');
        const [code] = await ended;
        return code;
      },
    };
  };

  test('renews what is due, and then holds no more than 60 MB', async () => {
    world.authority.nowMs = () => Date.now() - 70 * dayMs;
    await world.order(world.wishes('memory'));
    world.authority.nowMs = () => Date.now();
    const renewer = await start('memory');
    try {
      await until('a good state', async () => (await renewer.pulse())['state'] === 'good');

      expect(await readCertificate(renewer.wanted, zoneName)).toMatchObject({ version: 'versions/2' });
      expect(await renewer.pulse()).toMatchObject({ overdue: false });
      await until('no more than 60 MB', async () => (await renewer.residentMb()) <= 60);
      expect(renewer.said()).toContain(`new certificate for netbird.${zoneName}`);
    } finally {
      expect(await renewer.stop()).toBe(143);
    }
  });

  test('follows the public address beside it, while no certificate can be had, and holds no more than before', async () => {
    world.provider.faults.set({ trace: { address: '198.51.100.7' } });
    world.authority.fault = ({ path }) =>
      path === '/newOrder' ? { kind: 'problem', status: 400, type: 'caa' } : undefined;
    const renewer = await start('address', { SKYLAB_LOOK_EVERY_MS: '200' });
    try {
      await until('a failing state', async () => (await renewer.pulse())['state'] === 'failing');
      const { api } = renewer.wanted.cloudflare;
      const names = [`netbird.${zoneName}`, `turn.${zoneName}`];
      const followed = { domain: zoneName, names, ttlSeconds: 300, comment: 'skylab-test address', api };
      await writeFile(join(renewer.files, 'address.json'), JSON.stringify(followed));
      const leadsTo = (address: string) => () =>
        names.every((name) =>
          world.provider.records().some((one) => one.name === name && one.content === address),
        );
      await until('the first address', leadsTo('198.51.100.7'));

      world.provider.faults.set({ trace: { address: '203.0.113.9' } });
      await until('the second address', leadsTo('203.0.113.9'));
      await until('word of it', () => renewer.said().includes('lead to 203.0.113.9 now'));

      expect(await readFile(join(renewer.files, 'address'), 'utf8')).toBe('203.0.113.9\n');
      await until('no more than 60 MB', async () => (await renewer.residentMb()) <= 60);
      expect(await renewer.pulse()).toMatchObject({ state: 'failing' });
      expect(renewer.said()).not.toContain('edit-token_1');
    } finally {
      world.authority.fault = undefined;
      world.provider.faults.clear();
      expect(await renewer.stop()).toBe(143);
    }
  });

  test('is told to stop in the middle of an order: it ends when its records are removed', async () => {
    world.provider.faults.set({ dns: [{ type: 'TXT', answer: { kind: 'servfail' } }] });
    const renewer = await start('stopped');
    try {
      await until('its record is there', () => world.txtNames().length === 1);
    } finally {
      expect(await renewer.stop()).toBe(143);
      world.provider.faults.clear();
    }
    expect(world.txtNames()).toEqual([]);
  });

  test('has had no certificate at all for more than a day: its heartbeat says so, over restarts', async () => {
    world.authority.fault = ({ path }) =>
      path === '/newOrder' ? { kind: 'problem', status: 400, type: 'caa' } : undefined;
    const wanted = world.wishes('none');
    const file = join(wanted.certificates, zoneName, 'missing.json');
    /** Starts it anew; returns its first word of this state. */
    const pulseOf = async (state: string) => {
      await rm(join(world.folder, 'none-files'), { recursive: true, force: true });
      const renewer = await start('none');
      try {
        await until(state, async () => (await renewer.pulse())['state'] === state);
        return await renewer.pulse();
      } finally {
        await renewer.stop();
      }
    };
    const first = await pulseOf('failing');
    const { since } = JSON.parse(await readFile(file, 'utf8')) as { since: string };
    await writeFile(file, JSON.stringify({ since: new Date(Date.parse(since) - 2 * dayMs).toISOString() }));
    const twoDaysLater = await pulseOf('failing');
    world.authority.fault = undefined;
    await world.order(wanted);
    const mended = await pulseOf('good');

    expect([first['overdue'], twoDaysLater['overdue'], mended['overdue']]).toEqual([false, true, false]);
    await expect(readFile(file)).rejects.toThrow('ENOENT');
  });

  test('is past a renewal for more than a day: its heartbeat says so, and what is in the way', async () => {
    world.authority.nowMs = () => Date.now() - 62 * dayMs;
    await world.order(world.wishes('overdue'));
    world.authority.nowMs = () => Date.now();
    world.authority.fault = ({ path }) =>
      path === '/newOrder' ? { kind: 'problem', status: 400, type: 'caa' } : undefined;
    const renewer = await start('overdue');
    try {
      let pulse: Readonly<Record<string, unknown>> = {};
      await until('a failing state', async () => {
        pulse = await renewer.pulse();
        return pulse['state'] === 'failing';
      });

      expect(pulse).toMatchObject({ overdue: true, error: 'CA_REFUSED' });
      await until('what is in the way is said', () => renewer.said().includes('CAA'));
    } finally {
      world.authority.fault = undefined;
      await renewer.stop();
    }
  });
});
