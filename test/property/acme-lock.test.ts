import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, readdir, readlink, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { heartbeatHolder, withHeartbeatLock } from '../../src/shared/heartbeat-lock.ts';

let folder = '';
let path = '';
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'skylab-heartbeat-'));
  path = join(folder, 'store.lock');
});
afterEach(async () => {
  await rm(folder, { recursive: true, force: true });
});

const never = new AbortController().signal;
// All of them live in one event loop: what is to last must outlast a busy machine, too.
const quick = { who: 'a test', guards: 'the test', beatMs: 50, staleMs: 60_000, retryMs: 5, waitMs: 200_000 };
const stale = { ...quick, staleMs: 5000 };

/** The lock of someone in another container, whose process cannot be looked at from here. */
const foreign = async () => {
  const boot = (await readFile('/proc/sys/kernel/random/boot_id', 'utf8')).trim();
  return {
    id: 'foreign',
    who: 'the renewer',
    since: '2026-11-22T12:00:00Z',
    boot,
    pidNamespace: 'pid:[1]',
    pid: 7,
    startTicks: '1',
  };
};

describe('a lock with a heartbeat', () => {
  test('has one holder at a time, however many want it and however long they stay', async () => {
    const visits = fc.array(fc.record({ waitMs: fc.nat(15), stayMs: fc.nat(15) }), {
      minLength: 2,
      maxLength: 8,
    });
    await fc.assert(
      fc.asyncProperty(visits, async (all) => {
        let inside = 0;
        let visited = 0;
        await Promise.all(
          all.map(async ({ waitMs, stayMs }) => {
            await pause(waitMs);
            await withHeartbeatLock(path, quick, never, async () => {
              inside += 1;
              visited += 1;
              expect(inside).toBe(1);
              await pause(stayMs);
              inside -= 1;
            });
          }),
        );

        expect(visited).toBe(all.length);
        expect(await readdir(folder)).toEqual([]);
      }),
      { numRuns: 30 },
    );
  });

  test('is taken over by one of many when the heartbeat of its holder has stood still', async () => {
    await writeFile(path, JSON.stringify(await foreign()));
    let inside = 0;
    const startMs = performance.now();

    await Promise.all(
      Array.from({ length: 6 }, async () =>
        withHeartbeatLock(path, stale, never, async () => {
          inside += 1;
          expect(inside).toBe(1);
          await pause(5);
          inside -= 1;
        }),
      ),
    );

    expect(performance.now() - startMs).toBeGreaterThan(stale.staleMs);
    expect(await readdir(folder)).toEqual([]);
  });

  test('goes from a dead holder to one heir, and from heir to heir, in every order of events', async () => {
    const dead = { ...(await foreign()), boot: 'an earlier one' };
    for (let round = 0; round < 60; round += 1) {
      await writeFile(path, JSON.stringify(dead));
      let inside = 0;
      let visited = 0;

      await Promise.all(
        Array.from({ length: 8 }, async () =>
          withHeartbeatLock(path, { ...quick, retryMs: 0 }, never, async (held) => {
            inside += 1;
            visited += 1;
            expect(inside).toBe(1);
            await pause(1, undefined, { signal: held });
            inside -= 1;
          }),
        ),
      );

      expect(visited).toBe(8);
      expect(await readdir(folder)).toEqual([]);
    }
  });

  test('is left to a holder whose heart beats, whatever its clock says', async () => {
    await writeFile(path, JSON.stringify(await foreign()));
    const stop = new AbortController();
    let atS = 1;
    const beating = (async () => {
      while (!stop.signal.aborted) {
        await utimes(path, atS, atS);
        atS += 1;
        await pause(50);
      }
    })();

    await expect(
      withHeartbeatLock(path, { ...stale, waitMs: 10_000 }, never, async () => Promise.resolve()),
    ).rejects.toMatchObject({
      code: 'LOCK_HELD',
      message: expect.stringContaining('the renewer') as unknown,
    });

    stop.abort();
    await beating;
  });

  test('is taken at once from a process that is gone, and from another boot', async () => {
    const child = spawn('sleep', ['60']);
    const { pid = 0 } = child;
    const gone = once(child, 'exit');
    child.kill('SIGKILL');
    await gone;
    const here = await foreign();
    const dead = [
      { ...here, pid, pidNamespace: await readlink('/proc/self/ns/pid') },
      { ...here, boot: 'an earlier one' },
    ];
    for (const holder of dead) {
      await writeFile(path, JSON.stringify(holder));
      expect(await heartbeatHolder(path)).toBeUndefined();
      const startMs = performance.now();

      await withHeartbeatLock(path, quick, never, async () => Promise.resolve());

      expect(performance.now() - startMs).toBeLessThan(quick.staleMs);
    }
  });

  test('is taken from a file that cannot be read, once it is old enough', async () => {
    await writeFile(path, '{"id":');

    await withHeartbeatLock(path, stale, never, async () => Promise.resolve());

    expect(await readdir(folder)).toEqual([]);
  });

  test('is not blocked by someone who died while taking it over', async () => {
    const here = await foreign();
    await writeFile(path, JSON.stringify({ ...here, boot: 'an earlier one' }));
    await writeFile(`${path}.${here.id}`, JSON.stringify({ ...here, id: 'heir', boot: 'an earlier one' }));

    await withHeartbeatLock(path, quick, never, async () => Promise.resolve());

    expect(await readdir(folder)).toEqual([]);
  });

  test('ends what it guards when someone else has taken it', async () => {
    const outcome = withHeartbeatLock(path, quick, never, async (held) => {
      await writeFile(path, JSON.stringify(await foreign()));
      await pause(60_000, undefined, { signal: held });
    });

    await expect(outcome).rejects.toMatchObject({ cause: { code: 'LOCK_HELD' } });
    expect(await heartbeatHolder(path)).toBe('the renewer');
  });

  test('passes on an abort, while waiting and while held, and leaves nothing behind', async () => {
    const stop = new AbortController();
    let entered = () => {};
    const inside = new Promise<void>((resolve) => {
      entered = resolve;
    });
    const holding = withHeartbeatLock(path, quick, stop.signal, async (held) => {
      entered();
      await pause(60_000, undefined, { signal: held });
    });
    await inside;
    const waiting = withHeartbeatLock(path, quick, stop.signal, async () => Promise.resolve());
    const both = Promise.allSettled([waiting, holding]);
    await pause(30);

    stop.abort(new Error('Ctrl-C'));

    expect(await both).toMatchObject([
      { status: 'rejected', reason: { message: 'Ctrl-C' } },
      { status: 'rejected', reason: { cause: { message: 'Ctrl-C' } } },
    ]);
    expect(await readdir(folder)).toEqual([]);
  });
});
