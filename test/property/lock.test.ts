import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { readHolder, takeRunLock } from '../../src/orchestrator/lock.ts';

let folder = '';
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'skylab-lock-'));
});
afterEach(async () => {
  await rm(folder, { recursive: true, force: true });
});

describe('the run lock', () => {
  test('has one holder however many try at once, and the next can take it after release', async () => {
    const path = join(folder, 'run.lock');
    for (let round = 0; round < 10; round += 1) {
      const attempts = await Promise.allSettled(
        Array.from({ length: 8 }, async () => takeRunLock(path, 'up')),
      );
      const holders = attempts.filter((one) => one.status === 'fulfilled');

      expect(holders).toHaveLength(1);
      for (const one of attempts) {
        if (one.status === 'rejected')
          expect(one.reason).toMatchObject({ code: 'LOCK_HELD', data: { pid: process.pid } });
      }
      await holders[0]?.value.release();
    }
  });

  test('is taken over from a process that is gone', async () => {
    const path = join(folder, 'run.lock');
    const child = spawn('sleep', ['60']);
    const pid = child.pid ?? 0;
    child.kill('SIGKILL');
    await new Promise((resolve) => child.once('exit', resolve));
    const dead = {
      pid,
      startTicks: '1',
      bootId: 'same',
      machine: 'x',
      verb: 'up',
      since: '2026-01-01T00:00:00Z',
    };
    await writeFile(path, JSON.stringify(dead));

    const lock = await takeRunLock(path, 'down');

    expect(await readHolder(path)).toMatchObject({ pid: process.pid, verb: 'down' });
    await lock.release();
    expect(await readHolder(path)).toBeUndefined();
  });

  test('is taken over from a process that has ended and that nobody has collected', async () => {
    const path = join(folder, 'run.lock');
    // The shell becomes a program that never asks how its child ended.
    const parent = spawn('sh', ['-c', 'sleep 0 & echo $!; exec sleep 600'], {
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    try {
      const [printed] = (await once(parent.stdout, 'data')) as [Buffer];
      const pid = Number(printed.toString());
      const fields = async () =>
        (await readFile(`/proc/${pid}/stat`, 'utf8')).split(') ')[1]?.split(' ') ?? [];
      await expect.poll(fields, { interval: 5, timeout: 20_000 }).toMatchObject({ 0: 'Z' });
      const first = await takeRunLock(path, 'up');
      const holder = JSON.parse(await readFile(path, 'utf8')) as Record<string, unknown>;
      await first.release();
      await writeFile(path, JSON.stringify({ ...holder, pid, startTicks: (await fields())[19] }));

      const lock = await takeRunLock(path, 'down');

      expect(await readHolder(path)).toMatchObject({ pid: process.pid, verb: 'down' });
      await lock.release();
    } finally {
      parent.kill('SIGKILL');
    }
  });

  test('is taken over from a younger process that was given the same id', async () => {
    const path = join(folder, 'run.lock');
    const first = await takeRunLock(path, 'up');
    const holder = JSON.parse(await readFile(path, 'utf8')) as { startTicks: string };
    await writeFile(path, JSON.stringify({ ...holder, startTicks: String(Number(holder.startTicks) - 1) }));

    const second = await takeRunLock(path, 'down');

    expect(await readHolder(path)).toMatchObject({ verb: 'down' });
    await second.release();
    await first.release();
  });

  test('is taken over when its file is broken', async () => {
    const path = join(folder, 'run.lock');
    await writeFile(path, '{"pid":');

    const lock = await takeRunLock(path, 'up');

    expect(await readHolder(path)).toMatchObject({ verb: 'up' });
    await lock.release();
  });
});
