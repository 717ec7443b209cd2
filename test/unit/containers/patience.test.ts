import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { wrongWith } from '../../../src/containers/docker/diagnosis.ts';

interface Health {
  readonly interval: string;
  readonly timeout: string;
}

const running = { status: 'running' };
const text = readFileSync('compose/compose.yaml', 'utf8');
const health = (parse(text, { merge: true }) as { readonly 'x-health': Health })['x-health'];
const secondsOf = (duration: string): number => Number(/^(\d+)s$/.exec(duration)?.[1]);

describe('a service that is waited for', () => {
  test('has two whole rounds of its health check to get well', () => {
    const roundMs = 1000 * (secondsOf(health.interval) + secondsOf(health.timeout));

    expect(roundMs).toBeGreaterThan(0);
    expect(wrongWith(running, 0, 2 * roundMs)).toBeUndefined();
    expect(wrongWith(running, 0, 3 * roundMs)).toBe('does not become healthy');
  });

  test('is given up where it has ended for good, or three times', () => {
    expect(wrongWith({ status: 'exited' }, 0, 0)).toBe('does not stay up');
    expect(wrongWith(running, 2, 0)).toBeUndefined();
    expect(wrongWith({ status: 'restarting' }, 3, 0)).toBe('ends again and again');
  });
});
