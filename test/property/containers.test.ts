import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseDocument } from 'yaml';
import { desiredContainers } from '../../src/containers/desired.ts';
import type { ContainerStep } from '../../src/containers/docker/steps.ts';
import { planContainers } from '../../src/containers/plan.ts';
import type { Step } from '../../src/orchestrator/area.ts';
import type { Fact } from '../../src/orchestrator/facts.ts';
import { desiredDatabases } from '../../src/postgres/desired.ts';
import { planDatabases } from '../../src/postgres/plan.ts';
import { hostSettings } from '../../src/settings/schema.ts';
import type { Settings } from '../../src/settings/settings.ts';
import { isStackError } from '../../src/shared/errors.ts';
import {
  apply,
  bare,
  facts,
  files,
  look,
  modelFor,
  overrides,
  roots,
  settingsFiles,
  settingsFrom,
  sound,
  wantedFrom,
  withHashes,
} from './containers-machine.ts';

/** What other areas state, all of it true: only this area is tried here. */
const elsewhere = ({ domain }: Settings): ReadonlySet<Fact> =>
  new Set<Fact>([
    'postgres.ready',
    'identity.key',
    `certificate:${domain}`,
    'ingress.ready',
    'mesh.settings',
  ]);

describe('for every settings file and every Compose file of a host', () => {
  test('there is a plan or a coded error', () => {
    const ended = { planned: 0, refused: 0 };
    fc.assert(
      fc.property(settingsFiles, roots, overrides, fc.nat(), (file, root, more, pick) => {
        try {
          const wanted = wantedFrom(file, root);
          if (wanted === undefined) {
            ended.refused += 1;
            return;
          }
          const machine = bare();
          if (pick % 2 === 0) for (const { name } of wanted.desired.secrets) machine.secrets.add(name);
          const steps = planContainers(wanted.desired, look(wanted.desired, machine, withHashes(more)));
          const databases = planDatabases(desiredDatabases(wanted.settings), {
            seen: 'absent',
            text: '',
            hint: '',
          });
          const ids = [...steps, ...databases].map((step: Step) => step.id);
          expect(new Set(ids).size).toBe(ids.length);
          expect(databases.length).toBeGreaterThan(0);
          ended.planned += 1;
        } catch (error) {
          if (!isStackError(error)) throw error;
          expect(error.code).toBe('SETTINGS_INVALID');
          ended.refused += 1;
        }
      }),
      { numRuns: 1000 },
    );
    expect(ended.planned).toBeGreaterThan(200);
    expect(ended.refused).toBeGreaterThan(100);
    expect(ended.planned + ended.refused).toBe(1000);
  });

  test('the steps lead to a world without steps, whatever order they run in', () => {
    fc.assert(
      fc.property(
        settingsFiles.filter((file) => hostSettings.safeParse(file).success),
        overrides,
        fc.infiniteStream(fc.nat()),
        (file, rawMore, picks) => {
          const settings = settingsFrom(file, '/srv');
          const desired = desiredContainers(settings, { files, user: { uid: 0, gid: 0 }, down: false });
          const more = sound(withHashes(rawMore));
          const machine = bare();
          const others = elsewhere(settings);
          for (let round = 0; round < 200; round += 1) {
            const world = look(desired, machine, more);
            const steps = planContainers(desired, world);
            if (steps.length === 0) return;
            const holds = facts(desired, world, others);
            const ready = steps.filter((step) => step.needs.every(holds));
            expect(ready.map((step) => step.id).length).toBeGreaterThan(0);
            const pick = picks.next().value ?? 0;
            const step = ready[pick % ready.length];
            if (step !== undefined) apply(machine, step, modelFor(desired, more));
          }
          throw new Error('not done after 200 steps');
        },
      ),
      { numRuns: 300 },
    );
  });

  test('no step waits, over others, for itself', () => {
    fc.assert(
      fc.property(
        settingsFiles.filter((file) => hostSettings.safeParse(file).success),
        overrides,
        (file, rawMore) => {
          const settings = settingsFrom(file, '/srv');
          const desired = desiredContainers(settings, { files, user: { uid: 0, gid: 0 }, down: false });
          const steps = planContainers(desired, look(desired, bare(), sound(withHashes(rawMore))));
          const reached = new Set<Fact>([...elsewhere(settings), 'engine.ready']);
          let left = [...steps];
          for (;;) {
            const next = left.filter((step) => step.needs.every((fact) => reached.has(fact)));
            if (next.length === 0) break;
            for (const step of next) for (const fact of makes(step, steps, reached)) reached.add(fact);
            left = left.filter((step) => !next.includes(step));
          }
          expect(left.map((step) => step.id)).toEqual([]);
        },
      ),
      { numRuns: 200 },
    );
  });
});

/** The facts that are true once a step has run, given what is true before it. */
const makes = (
  step: ContainerStep,
  all: readonly ContainerStep[],
  reached: ReadonlySet<Fact>,
): readonly Fact[] => {
  switch (step.kind) {
    case 'folders':
      return ['folders.ready'];
    case 'secrets':
      return ['secrets.ready'];
    case 'image':
      return [
        `image:${step.action.ref}`,
        ...all.flatMap((one) =>
          one.kind === 'start' && reached.has('secrets.ready')
            ? one.services.map((service): Fact => `prepared:${service}`)
            : [],
        ),
      ];
    case 'start':
      return step.services.map((service): Fact => `started:${service}`);
    case 'await':
      return [`healthy:${step.service}`];
    case 'files':
    case 'env':
      return all.flatMap((one) =>
        one.kind === 'start' ? one.services.map((service): Fact => `prepared:${service}`) : [],
      );
    case 'obstacle':
    case 'remove':
    case 'down':
      return [];
  }
};

test('the generated override is a Compose file, so that what is tried is what can be written', () => {
  fc.assert(
    fc.property(overrides, (more) => {
      expect(parseDocument(JSON.stringify({ services: more })).errors).toEqual([]);
    }),
    { numRuns: 20 },
  );
});
