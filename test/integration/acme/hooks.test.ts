import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { AcmeDesired } from '../../../src/acme/policy.ts';
import { runHooks } from '../../../src/acme/renewal/hooks.ts';
import { lookAtStore } from '../../../src/acme/renewal/look.ts';
import { readTold } from '../../../src/acme/renewal/state.ts';
import { placeOf } from '../../../src/acme/store.ts';
import { startLocalWorld, type LocalWorld } from './local-world.ts';
import { recordedEffects } from './world.ts';

const dayMs = 86_400_000;

describe("the operator's commands", () => {
  let world: LocalWorld;
  beforeAll(async () => {
    world = await startLocalWorld();
  });
  afterEach(() => {
    Object.assign(world.authority, { nowMs: () => Date.now(), refusal: undefined });
  });
  afterAll(async () => {
    await world.stop();
  });

  /** A command that writes what it is told into a file. */
  const noting = (file: string) => [
    process.execPath,
    '-e',
    `fs.appendFileSync(${JSON.stringify(file)}, process.env.SKYLAB_EVENT + ': ' + process.env.SKYLAB_MESSAGE + '\\n')`,
  ];
  const run = async (wanted: AcmeDesired, timeoutMs?: number) =>
    runHooks(
      wanted,
      await lookAtStore(wanted, [world.authority.rootPem]),
      recordedEffects(),
      new AbortController().signal,
      timeoutMs,
    );

  test('are run once after a renewal, and not for the first certificate', async () => {
    const file = join(world.folder, 'renewed.txt');
    await writeFile(file, '');
    const wanted = world.wishes('renewed', { on_renewed: noting(file) });
    await world.order(wanted);
    await run(wanted);
    expect(await readFile(file, 'utf8')).toBe('');

    await world.order(wanted, true);
    await run(wanted);
    await run(wanted);

    expect(await readFile(file, 'utf8')).toMatch(
      /^renewed: the certificate for netbird\.skylab\.test was renewed; .*\n$/,
    );
  });

  test('are run when orders fail the third time, with what to do by when', async () => {
    const file = join(world.folder, 'failed.txt');
    await writeFile(file, '');
    const wanted = world.wishes('failed', { on_failed: noting(file) });
    world.authority.nowMs = () => Date.now() - 70 * dayMs;
    await world.order(wanted);
    world.authority.nowMs = () => Date.now();
    world.authority.refusal = () => 'caa';
    for (let failures = 1; failures <= 3; failures += 1) {
      expect(await readFile(file, 'utf8')).toBe('');
      await world.order(wanted);
      await run(wanted);
    }

    expect(await readFile(file, 'utf8')).toMatch(
      /^failed: orders fail since .* you have to act by .*CAA.*\n$/,
    );
  });

  test('that fail are run again later; the certificate stays', async () => {
    const wanted = world.wishes('unheard', { on_renewed: [process.execPath, '-e', 'process.exit(7)'] });
    await world.order(wanted);
    await world.order(wanted, true);

    expect(await run(wanted)).toMatch(/on_renewed failed .*exit code 7.*run again in 1 min/);
    expect(await run(wanted)).toBeUndefined();
    expect((await readTold(placeOf(wanted)))?.trying?.tries).toBe(1);
    expect((await lookAtStore(wanted, undefined)).judgement.valid).toBe(true);
  });

  test('that hang are ended after their time, and run again later; the certificate stays', async () => {
    const wanted = world.wishes('hanging', {
      on_renewed: [process.execPath, '-e', 'setInterval(() => undefined, 1000)'],
    });
    await world.order(wanted);
    await world.order(wanted, true);

    expect(await run(wanted, 500)).toMatch(/on_renewed failed .*ended after 0\.5 s.*run again in 1 min/);
    expect((await readTold(placeOf(wanted)))?.trying?.tries).toBe(1);
    expect((await lookAtStore(wanted, undefined)).judgement.valid).toBe(true);
  });

  test('that do not exist are named', async () => {
    const wanted = world.wishes('missing', { on_renewed: ['no-such-program'] });
    await world.order(wanted);
    await world.order(wanted, true);

    expect(await run(wanted)).toContain('no-such-program: ENOENT');
  });
});
