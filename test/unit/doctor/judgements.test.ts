import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { memoryLimits } from '../../../src/containers/docker/memory.ts';
import { examine, type Examination } from '../../../src/doctor/examine.ts';
import { failed, passed, skipped, unknown, type Finding } from '../../../src/doctor/finding.ts';
import { judgeDisk, judgeMemory } from '../../../src/doctor/machine.ts';
import { judgeRecords } from '../../../src/doctor/names.ts';
import { judgeMeshRange } from '../../../src/doctor/networks.ts';
import { judgeClock } from '../../../src/doctor/outside.ts';
import { StackError } from '../../../src/shared/errors.ts';

const signal = new AbortController().signal;
const mebibyte = 1024 ** 2;

describe('what needs what', () => {
  const one = (id: string, needs: readonly string[], look: () => Promise<Finding>): Examination => ({
    id,
    title: id,
    needs,
    timeoutMs: 50,
    look,
  });
  const statuses = async (all: readonly Examination[]) =>
    (await examine(all, signal)).map(({ id, status, detail }) => [id, status, detail]);

  test('what builds on a failure is skipped because of the first cause, however far away', async () => {
    const never = async (): Promise<Finding> => {
      throw new Error('looked at');
    };

    expect(
      await statuses([
        one('c', ['b'], never),
        one('b', ['a'], never),
        one('a', [], async () => failed('x', 'y', 'z')),
      ]),
    ).toEqual([
      ['c', 'skipped', 'because a failed'],
      ['b', 'skipped', 'because a failed'],
      ['a', 'failed', 'x'],
    ]);
  });

  test('what does not apply stops nobody; what could not be seen stops all that build on it', async () => {
    const well = async () => passed('');

    expect(
      await statuses([
        one('na', [], async () => skipped('not here')),
        one('after', ['na'], well),
        one('unseen', [], async () => unknown('no answer')),
        one('behind', ['unseen'], well),
      ]),
    ).toEqual([
      ['na', 'skipped', 'not here'],
      ['after', 'passed', ''],
      ['unseen', 'skipped', 'no answer'],
      ['behind', 'skipped', 'no answer'],
    ]);
  });

  test('our errors fail a check with their fix; what takes too long, or may not be read, is skipped', async () => {
    const denied = Object.assign(new Error('EACCES: denied'), { code: 'EACCES' });
    const all = await examine(
      [
        one('ours', [], async () => Promise.reject(new StackError('ENGINE_DENIED', 'no', { hint: 'do' }))),
        one('slow', [], async () => new Promise(() => undefined)),
        one('denied', [], async () => Promise.reject(denied)),
      ].map((each) =>
        each.id === 'slow'
          ? {
              ...each,
              look: async (limit: AbortSignal) =>
                new Promise<Finding>((_, reject) => {
                  limit.addEventListener('abort', () => {
                    reject(limit.reason as Error);
                  });
                }),
            }
          : each,
      ),
      signal,
    );

    expect(all.map(({ status, detail }) => [status, detail])).toEqual([
      ['failed', 'no'],
      ['skipped', 'no result within 0.05 s'],
      ['skipped', 'could not be looked at: EACCES: denied'],
    ]);
    expect(all[0]?.fix).toBe('do');
  });

  test('a bug is no finding', async () => {
    const bug = one('bug', [], async () => Promise.reject(new TypeError('x is undefined')));

    await expect(examine([bug], signal)).rejects.toThrow('x is undefined');
  });
});

describe('judgements', () => {
  test('file systems that do not count inodes are never out of them', () => {
    const room = { freeBytes: 10 * 1024 * mebibyte, freeFiles: 0, files: 0 };
    expect(judgeDisk([{ what: 'storage', path: '/x', room }]).status).toBe('passed');
  });

  test('the Engine needs more room than the data', () => {
    const room = { freeBytes: 1.5 * 1024 * mebibyte, freeFiles: 0, files: 0 };
    expect(judgeDisk([{ what: 'storage', path: '/x', room }]).status).toBe('passed');
    expect(judgeDisk([{ what: 'engine', path: '/x', room }]).status).toBe('failed');
  });

  test('a running stack has its memory already', () => {
    const text = 'MemTotal: 4000000 kB\nMemAvailable:   500000 kB\n';
    expect(judgeMemory(text, 3000 * mebibyte, true).status).toBe('passed');
    expect(judgeMemory(text, 3000 * mebibyte, false).status).toBe('failed');
    expect(judgeMemory(undefined, 1, false)).toMatchObject({ status: 'skipped', blocks: true });
  });

  test('the limits of all services are added up, those of profiles that are off left out', () => {
    const text = readFileSync('compose/compose.yaml', 'utf8');
    const off = memoryLimits(text, []);

    expect(off).toBeGreaterThan(2000 * mebibyte);
    expect(memoryLimits(text, ['peer']) - off).toBe(256 * mebibyte);
    expect(memoryLimits('services: { a: { mem_limit: 1g }, b: { mem_limit: 512k }, c: {} }', [])).toBe(
      1024 * mebibyte + 512 * 1024,
    );
  });

  test('a clock is compared with the nearest of all', () => {
    const heard = [
      { host: 'a', aheadMs: 500_000 },
      { host: 'b', aheadMs: -1000 },
    ];
    expect(judgeClock(heard)).toMatchObject({ status: 'passed', detail: '1 s behind b' });
    expect(judgeClock([{ host: 'a', aheadMs: 61_000 }]).status).toBe('failed');
    expect(judgeClock([{ host: 'a', aheadMs: -60_000 }]).status).toBe('passed');
  });

  test('records of a stack that was never up are not missed', () => {
    const seen = [{ name: 'a.test', addresses: [] }];
    expect(judgeRecords(seen, '1.2.3.4', false).status).toBe('skipped');
    expect(judgeRecords(seen, '1.2.3.4', true)).toMatchObject({
      status: 'failed',
      detail: 'a.test leads to nothing; wanted 1.2.3.4',
    });
  });

  test('a proxied record is told by the address it leads to', () => {
    const seen = [{ name: 'a.test', addresses: ['104.21.7.9'] }];
    expect(judgeRecords(seen, '203.0.113.7', true).fix).toContain('orange cloud');
  });

  test.each([
    ['eth0', '100.72.3.4/24', 'failed'],
    ['eth0', '100.128.0.1/24', 'passed'],
    ['wt0', '100.90.1.1/16', 'passed'],
    ['tailscale0', '100.101.1.1/32', 'failed'],
  ])('%s with %s: %s', (via, subnet, status) => {
    expect(judgeMeshRange([{ via, subnet }]).status).toBe(status);
  });
});
