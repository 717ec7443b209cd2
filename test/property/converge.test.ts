import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { AreaName, BoundArea } from '../../src/orchestrator/area.ts';
import { converge } from '../../src/orchestrator/converge.ts';
import type { KillPoint } from '../../src/orchestrator/effects.ts';
import type { Fact } from '../../src/orchestrator/facts.ts';
import { effectsFor, Killed, makerArea } from '../support/steps.ts';

const areaNames: readonly AreaName[] = [
  'containers',
  'postgres',
  'dns',
  'acme',
  'ingress',
  'oidc',
  'netbird',
];

interface Node {
  readonly fact: Fact;
  readonly area: AreaName;
  readonly needs: readonly Fact[];
  readonly uses: readonly 'compose'[];
}

/** A graph without cycles: each fact needs only facts before it. */
const graphs = fc
  .array(
    fc.record({
      area: fc.constantFrom(...areaNames),
      picks: fc.array(fc.nat(), { maxLength: 3 }),
      exclusive: fc.boolean(),
    }),
    { minLength: 1, maxLength: 14 },
  )
  .map((rows) =>
    rows.map<Node>(({ area, picks, exclusive }, index) => ({
      fact: `healthy:${index}`,
      area,
      needs: index === 0 ? [] : [...new Set(picks.map((pick): Fact => `healthy:${pick % index}`))],
      uses: exclusive ? ['compose'] : [],
    })),
  );

const areasOf = (graph: readonly Node[], made: Set<Fact>, log: string[] = []): readonly BoundArea[] =>
  areaNames
    .map((name) => [name, graph.filter((node) => node.area === name)] as const)
    .filter(([, nodes]) => nodes.length > 0)
    .map(([name, nodes]) => makerArea(name, made, nodes, log));

const run = async (graph: readonly Node[], made: Set<Fact>, killPoint?: KillPoint, log: string[] = []) =>
  converge({
    areas: areasOf(graph, made, log),
    effects: effectsFor(killPoint),
    emit: () => undefined,
    signal: new AbortController().signal,
  });

describe('the loop, for every graph of areas', () => {
  test('makes everything, each once, and a second run does nothing', async () => {
    await fc.assert(
      fc.asyncProperty(graphs, async (graph) => {
        const made = new Set<Fact>();
        const first = await run(graph, made);
        const second = await run(graph, made);

        expect(made).toEqual(new Set(graph.map((node) => node.fact)));
        expect(first.ran).toHaveLength(graph.length);
        expect(second.ran).toEqual([]);
      }),
      { numRuns: 300 },
    );
  });

  test('never begins a step before what it needs, nor beside one that shares something exclusive', async () => {
    await fc.assert(
      fc.asyncProperty(graphs, async (graph) => {
        const log: string[] = [];
        await run(graph, new Set(), undefined, log);

        const nodeOf = new Map(graph.map((node) => [`make ${node.fact}`, node]));
        const ended = new Set<Fact>();
        const open = new Set<Node>();
        for (const line of log) {
          const [what = '', ...rest] = line.split(' ');
          const node = nodeOf.get(rest.join(' '));
          if (node === undefined) throw new Error(`unknown step in the log: ${line}`);
          if (what === 'begin') {
            expect([...node.needs].filter((need) => !ended.has(need))).toEqual([]);
            if (node.uses.length > 0) expect([...open].filter((other) => other.uses.length > 0)).toEqual([]);
            open.add(node);
          } else {
            open.delete(node);
            ended.add(node.fact);
          }
        }
      }),
      { numRuns: 300 },
    );
  });

  test('killed before or after any effect and run again, ends in the same world', async () => {
    await fc.assert(
      fc.asyncProperty(
        graphs,
        fc.constantFrom('before' as const, 'after' as const),
        fc.nat(),
        async (graph, when, pick) => {
          const made = new Set<Fact>();
          const at = (pick % graph.length) + 1;
          const killed = await run(graph, made, { when, at }).catch((error: unknown) => error);
          // The loop turns what a step throws into a failure; a process that is gone does nothing more, and neither may we.
          if (!(killed instanceof Killed))
            expect(made.size).toBeGreaterThanOrEqual(when === 'after' ? at : at - 1);

          const again = await run(graph, made);

          expect(made).toEqual(new Set(graph.map((node) => node.fact)));
          expect(again).toMatchObject({ failures: [], waiting: [] });
        },
      ),
      { numRuns: 300 },
    );
  });
});
