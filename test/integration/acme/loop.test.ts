import { describe, expect, test } from 'vitest';
import { createAcmeArea } from '../../../src/acme/area.ts';
import type { AcmeDesired } from '../../../src/acme/policy.ts';
import { readCertificate } from '../../../src/acme/store.ts';
import type { BoundArea, Step } from '../../../src/orchestrator/area.ts';
import { converge } from '../../../src/orchestrator/converge.ts';
import { absent } from '../../../src/orchestrator/facts.ts';
import { zoneName } from '../../support/cloudflare.ts';
import { findPebble } from '../../support/pebble.ts';
import { portsFor } from './ports.ts';
import { recordedEffects, settle, startWorld } from './world.ts';

const program = await findPebble();

/** An area whose one step makes the services of the host run. */
const hostServices = (begin: () => Promise<void>): BoundArea => {
  let isUp = false;
  const step: Step = {
    kind: 'start',
    id: 'start the services of the host',
    why: 'they do not run',
    needs: [],
    uses: ['compose'],
    impact: 'none',
    deadlineMs: 30_000,
  };
  return {
    name: 'containers',
    look: async () =>
      Promise.resolve({
        facts: { 'host.services': isUp ? true : absent('they do not run yet') },
        steps: isUp ? [] : [step],
      }),
    async run() {
      await begin();
      isUp = true;
    },
  };
};

/** The area with wishes that may change between two looks, as where the authority can be reached does. */
const acme = (wishes: () => AcmeDesired): BoundArea => {
  const area = createAcmeArea(portsFor(wishes()));
  return {
    name: 'acme',
    async look(signal) {
      const wanted = wishes();
      const world = await area.observe(wanted, signal);
      return { facts: area.facts(wanted, world), steps: area.plan(wanted, world) };
    },
    async run(step, effects, signal) {
      const apply = area.apply[step.kind as keyof typeof area.apply] as BoundArea['run'];
      await apply(step, effects, signal);
    },
  };
};

const upWith = async (wishes: () => AcmeDesired, begin: () => Promise<void>) => {
  const outcome = await converge({
    areas: [hostServices(begin), acme(wishes)],
    effects: recordedEffects(),
    emit: () => undefined,
    signal: new AbortController().signal,
  });
  return { ...outcome, steps: outcome.ran.filter((one) => one.area === 'acme').map((one) => one.step.id) };
};

describe.skipIf('missing' in program)(
  'a run of the whole loop, the authority being one of its services',
  () => {
    /** Nobody is there. */
    const away = { directory: 'https://localhost:1/dir', trust: { url: 'https://localhost:1/roots/0' } };

    test('orders when the authority has come up', async () => {
      const world = await startWorld();
      try {
        let wanted: AcmeDesired = { ...world.wishes(), ...away };

        const { steps, waiting, failures, unknown } = await upWith(
          () => wanted,
          async () => {
            wanted = world.wishes();
            return Promise.resolve();
          },
        );

        expect({ waiting, failures, unknown }).toEqual({ waiting: [], failures: [], unknown: [] });
        expect(steps).toContain(`issue certificate for ${zoneName}`);
      } finally {
        await world.stop();
      }
    });

    test('finds out within the run that the authority came back with another root', async () => {
      const world = await startWorld();
      try {
        await settle(world.wishes());
        const before = await readCertificate(world.wishes(), zoneName);
        let wanted: AcmeDesired = { ...world.wishes(), trust: away.trust };

        const { steps, waiting, failures, unknown } = await upWith(
          () => wanted,
          async () => {
            await world.pebble.restart();
            wanted = world.wishes();
          },
        );

        expect({ waiting, failures, unknown }).toEqual({ waiting: [], failures: [], unknown: [] });
        expect(steps).toContain(`issue certificate for ${zoneName}`);
        expect((await readCertificate(wanted, zoneName))?.serial).not.toBe(before?.serial);
      } finally {
        await world.stop();
      }
    });

    test('ends well, with one warning, where the authority stays away and a valid certificate is stored', async () => {
      const world = await startWorld();
      try {
        const wanted = world.wishes();
        await settle(wanted);
        await world.pebble.stop();

        const { steps, waiting, failures, unknown } = await upWith(
          () => wanted,
          async () => Promise.resolve(),
        );

        expect({ steps, waiting, failures }).toEqual({
          steps: ['wait for the certificate authority'],
          waiting: [],
          failures: [],
        });
        expect(unknown.map((one) => one.fact)).toEqual(['ca.api']);
      } finally {
        await world.stop();
      }
    });
  },
);
