import { describe, expect, test, vi } from 'vitest';
import type { BoundArea } from '../../../src/orchestrator/area.ts';
import { converge } from '../../../src/orchestrator/converge.ts';
import { effectsFor, step } from '../../support/steps.ts';

const run = async (areas: readonly BoundArea[]) =>
  converge({ areas, effects: effectsFor(), emit: () => undefined, signal: new AbortController().signal });

describe('converge', () => {
  test('gives what a step changed a moment to show before it says that nothing has changed', async () => {
    let runs = 0;
    let changedAtMs = Infinity;
    const area: BoundArea = {
      name: 'dns',
      look: async () => ({
        facts: {},
        steps: performance.now() - changedAtMs > 500 ? [] : [step('set record')],
      }),
      run: async () => {
        runs += 1;
        changedAtMs = Math.min(changedAtMs, performance.now());
      },
    };

    const outcome = await run([area]);

    expect({ runs, failures: outcome.failures }).toEqual({ runs: 2, failures: [] });
  });

  test('names the area whose look does not end', async () => {
    vi.useFakeTimers();
    const area: BoundArea = {
      name: 'dns',
      look: async (signal) =>
        new Promise((_resolve, reject) => {
          signal.addEventListener('abort', () => {
            reject(signal.reason as Error);
          });
        }),
      run: async () => undefined,
    };
    const ended = run([area]).catch((error: unknown) => error);

    await vi.advanceTimersByTimeAsync(60_000);
    vi.useRealTimers();

    expect(await ended).toMatchObject({
      code: 'DEADLINE',
      message: 'looking at dns did not end within 60 s',
    });
  });
});
