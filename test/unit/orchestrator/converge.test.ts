import { setTimeout } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import type { BoundArea } from '../../../src/orchestrator/area.ts';
import { converge } from '../../../src/orchestrator/converge.ts';
import { absent, unreachable, type Fact } from '../../../src/orchestrator/facts.ts';
import type { Event } from '../../../src/orchestrator/report/event.ts';
import { StackError } from '../../../src/shared/errors.ts';
import { effectsFor, makerArea, step } from '../../support/steps.ts';

const run = async (
  areas: readonly BoundArea[],
  signal = new AbortController().signal,
  events: Event[] = [],
) => converge({ areas, effects: effectsFor(), emit: (event) => events.push(event), signal });

describe('converge', () => {
  test('runs a step as soon as what it needs holds, also across areas', async () => {
    const made = new Set<Fact>();
    const log: string[] = [];
    const postgres = makerArea(
      'postgres',
      made,
      [{ fact: 'postgres.ready', needs: ['healthy:postgres'] }],
      log,
    );
    const containers = makerArea(
      'containers',
      made,
      [
        { fact: 'healthy:postgres', needs: [] },
        { fact: 'healthy:pocket-id', needs: ['postgres.ready'] },
      ],
      log,
    );

    const outcome = await run([postgres, containers]);

    expect(log.filter((line) => line.startsWith('begin'))).toEqual([
      'begin make healthy:postgres',
      'begin make postgres.ready',
      'begin make healthy:pocket-id',
    ]);
    expect(outcome).toMatchObject({ waiting: [], failures: [], unknown: [] });
  });

  test('takes no step a second time', async () => {
    const made = new Set<Fact>();
    const areas = [makerArea('dns', made, [{ fact: 'dns.records', needs: [] }])];
    await run(areas);

    const second = await run(areas);

    expect(second.ran).toEqual([]);
  });

  test('overlaps steps that share nothing, and never those that share something exclusive', async () => {
    const order: string[] = [];
    let release = () => undefined as unknown;
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    const open = new Set(['a', 'b', 'c']);
    const area: BoundArea = {
      name: 'containers',
      look: async () => ({
        facts: {},
        steps: [...open].map((id) => step(id, { uses: id === 'c' ? [] : ['compose'] })),
      }),
      async run({ id }) {
        order.push(`begin ${id}`);
        if (id === 'a') await held;
        if (id === 'c') release();
        open.delete(id);
        order.push(`end ${id}`);
      },
    };

    await run([area]);

    expect(order).toEqual(['begin a', 'begin c', 'end c', 'end a', 'begin b', 'end b']);
  });

  test('names the step that succeeds twice and changes nothing', async () => {
    let runs = 0;
    const area: BoundArea = {
      name: 'dns',
      look: async () => ({ facts: {}, steps: [step('set record', { why: 'the record is missing' })] }),
      run: async () => {
        runs += 1;
      },
    };

    const outcome = await run([area]);

    expect(runs).toBe(2);
    expect(outcome.failures.map((one) => [one.error.code, one.error.message])).toEqual([
      ['NOT_CONVERGED', '"set record" succeeded twice, and still: the record is missing'],
    ]);
  });

  test('keeps going with everything a failing step does not hold up', async () => {
    const made = new Set<Fact>();
    const failing: BoundArea = {
      name: 'acme',
      look: async () => ({
        facts: { 'certificate:x': absent('no certificate yet') },
        steps: [step('issue')],
      }),
      run: async () => {
        throw new StackError('CA_REFUSED', 'the authority refuses', { hint: 'read its answer' });
      },
    };
    const containers = makerArea('containers', made, [
      { fact: 'healthy:postgres', needs: [] },
      { fact: 'healthy:nginx', needs: ['certificate:x'] },
    ]);

    const outcome = await run([failing, containers]);

    expect(made).toEqual(new Set(['healthy:postgres']));
    expect(outcome.failures.map((one) => one.step.id)).toEqual(['issue']);
    expect(outcome.waiting.map((one) => [one.step.id, one.unmet[0]?.why.text])).toEqual([
      ['make healthy:nginx', 'no certificate yet'],
    ]);
  });

  test('tries again when an outside system was away for a moment', async () => {
    let calls = 0;
    let done = false;
    const events: Event[] = [];
    const area: BoundArea = {
      name: 'dns',
      look: async () => ({ facts: {}, steps: done ? [] : [step('set record')] }),
      run: async () => {
        calls += 1;
        if (calls === 1) throw new StackError('DNS_API_UNREACHABLE', 'no answer', { hint: 'wait' });
        done = true;
      },
    };

    const outcome = await run([area], undefined, events);

    expect(outcome.failures).toEqual([]);
    expect(events.find((event) => event.type === 'failed')).toMatchObject({ willRetry: true });
  });

  test('does not wait for a server that asks for hours', async () => {
    const area: BoundArea = {
      name: 'acme',
      look: async () => ({ facts: {}, steps: [step('issue')] }),
      run: async () => {
        throw new StackError('CA_LIMITED', 'too many orders', { hint: 'wait', retryAfterMs: 3_600_000 });
      },
    };

    const outcome = await run([area]);

    expect(outcome.failures.map((one) => one.error.code)).toEqual(['CA_LIMITED']);
  });

  test('ends a step at its deadline with an error that names it', async () => {
    const area: BoundArea = {
      name: 'containers',
      look: async () => ({ facts: {}, steps: [step('await postgres', { deadlineMs: 30 })] }),
      run: async (_step, _effects, signal) =>
        new Promise((_resolve, reject) => {
          signal.addEventListener('abort', () => {
            reject(signal.reason as Error);
          });
        }),
    };

    const outcome = await run([area]);

    expect(outcome.failures.map((one) => [one.error.code, one.step.id])).toEqual([
      ['DEADLINE', 'await postgres'],
    ]);
  });

  test('stops at an interrupt, after the running steps have ended', async () => {
    const controller = new AbortController();
    const order: string[] = [];
    const area: BoundArea = {
      name: 'containers',
      look: async () => ({ facts: {}, steps: [step('long'), step('never', { needs: ['postgres.ready'] })] }),
      run: async (_step, _effects, signal) =>
        new Promise((_resolve, reject) => {
          signal.addEventListener('abort', () => {
            order.push('step ended');
            reject(signal.reason as Error);
          });
          controller.abort(new Error('interrupted'));
        }),
    };

    const ended = run([area], controller.signal).catch((error: unknown) => {
      order.push('run ended');
      return error;
    });

    expect(await ended).toMatchObject({ message: 'interrupted' });
    expect(order).toEqual(['step ended', 'run ended']);
  });

  test('reports what nobody could look at, and does not call it a failure', async () => {
    const area: BoundArea = {
      name: 'dns',
      look: async () => ({
        facts: { 'dns.records': unreachable('the provider does not answer') },
        steps: [],
      }),
      run: async () => undefined,
    };

    const outcome = await run([area]);

    expect(outcome).toMatchObject({
      waiting: [],
      failures: [],
      unknown: [{ fact: 'dns.records', why: { text: 'the provider does not answer' } }],
    });
  });

  test('takes the newest look when two overlap', async () => {
    // The first look at "dns" is slow and shows a step; the second, begun later, is quick and shows none.
    let looks = 0;
    let releaseSlow = () => undefined as unknown;
    const slow = new Promise<void>((resolve) => {
      releaseSlow = resolve;
    });
    const open = new Set(['first', 'second']);
    const dns: BoundArea = {
      name: 'dns',
      look: async () => {
        looks += 1;
        const steps = [...open].map((id) => step(id));
        if (looks === 2) await slow;
        if (looks === 3) releaseSlow();
        return { facts: {}, steps };
      },
      async run({ id }) {
        open.delete(id);
      },
    };

    const outcome = await run([dns]);

    expect(outcome.ran.map((one) => one.step.id)).toEqual(['first', 'second']);
    expect(outcome.failures).toEqual([]);
  });

  test('looks again before a step that was expected before its need came true', async () => {
    // While "dns" is looked at again, a step of another area ends: that must not start what was expected.
    let isUp = false;
    const log: string[] = [];
    const containers: BoundArea = {
      name: 'containers',
      look: async () => ({
        facts: isUp ? { 'host.services': true } : { 'host.services': absent('not started') },
        steps: isUp ? [] : [step('start')],
      }),
      run: async () => {
        isUp = true;
      },
    };
    const others = new Set(['x', 'y']);
    const postgres: BoundArea = {
      name: 'postgres',
      look: async () => ({ facts: {}, steps: [...others].map((id) => step(id)) }),
      async run({ id }) {
        await setTimeout(id === 'x' ? 5 : 10);
        others.delete(id);
      },
    };
    const dns: BoundArea = {
      name: 'dns',
      async look() {
        if (!isUp) return { facts: {}, steps: [step('expected', { needs: ['host.services'] })] };
        await setTimeout(40);
        return { facts: {}, steps: [] };
      },
      run: async ({ id }) => void log.push(id),
    };

    await run([containers, postgres, dns]);

    expect(log).toEqual([]);
  });

  test('ends with a look at everything, and does what that look shows', async () => {
    let stored = 1;
    let served = 1;
    const acme: BoundArea = {
      name: 'acme',
      look: async () => ({ facts: { 'certificate:x': true }, steps: stored === 1 ? [step('issue')] : [] }),
      run: async () => {
        stored = 2;
      },
    };
    const ingress: BoundArea = {
      name: 'ingress',
      look: async () => ({ facts: {}, steps: served === stored ? [] : [step('reload')] }),
      run: async () => {
        served = stored;
      },
    };

    const outcome = await run([acme, ingress]);

    expect(outcome.ran.map((one) => one.step.id)).toEqual(['issue', 'reload']);
  });
});
