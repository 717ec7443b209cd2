import { describe, expect, test } from 'vitest';
import { desiredIngress } from '../../../src/ingress/desired.ts';
import type { IngressWorld, Served } from '../../../src/ingress/observe.ts';
import { ingressFacts, planIngress } from '../../../src/ingress/plan.ts';
import { testSettings } from '../../support/settings.ts';

const desired = desiredIngress(testSettings('/state'));
const world = (seen: Served): IngressWorld => ({
  served: [
    { name: desired.identity, stored: 'AA', seen: { serial: 'AA', version: 'v1' } },
    { name: desired.mesh, stored: 'AA', seen },
  ],
});

describe('the ingress area', () => {
  test('has nothing to do where every name is served as wanted', () => {
    const served = world({ serial: 'AA', version: 'v1' });

    expect(planIngress(desired, served, 'v1')).toEqual([]);
    expect(ingressFacts(served, 'v1')).toEqual({ 'ingress.ready': true });
  });

  test.each<[string, IngressWorld, string]>([
    [
      'an old configuration',
      world({ serial: 'AA', version: 'v0' }),
      'nginx serves configuration v0 for netbird.lab.localhost, wanted is v1',
    ],
    [
      'a configuration that is not ours',
      world({ serial: 'AA', version: undefined }),
      'nginx serves configuration without a version for netbird.lab.localhost, wanted is v1',
    ],
    [
      'an old certificate',
      world({ serial: 'BB', version: 'v1' }),
      'nginx serves certificate BB for netbird.lab.localhost, the store has AA',
    ],
  ])('waits for nginx where one name is served with %s', (_what, served, why) => {
    const steps = planIngress(desired, served, 'v1');

    expect(steps).toMatchObject([
      { id: 'await nginx reload', why, needs: ['healthy:nginx', 'certificate:lab.localhost'] },
    ]);
    expect(steps[0]).not.toHaveProperty('assumed');
    expect(ingressFacts(served, 'v1')).toEqual({ 'ingress.ready': { because: 'absent', text: why } });
  });

  test('expects to wait where nginx does not answer yet', () => {
    const silent = world({ silent: 'connect ECONNREFUSED 127.0.0.1:18443' });

    expect(planIngress(desired, silent, 'v1')).toMatchObject([{ assumed: true, version: 'v1' }]);
    expect(ingressFacts(silent, 'v1')).toMatchObject({
      'ingress.ready': { text: expect.stringContaining('ECONNREFUSED') as unknown },
    });
  });

  test('says so where the store has no certificate', () => {
    const served: IngressWorld = {
      served: [{ name: desired.mesh, stored: undefined, seen: { serial: 'AA', version: 'v1' } }],
    };

    expect(ingressFacts(served, 'v1')).toEqual({
      'ingress.ready': {
        because: 'absent',
        text: 'no certificate for netbird.lab.localhost is in the store',
      },
    });
  });
});
