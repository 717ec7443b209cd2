import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createAcmeArea } from '../../../src/acme/area.ts';
import { lockPath } from '../../../src/acme/issue.ts';
import { readJournal } from '../../../src/acme/renewal/records.ts';
import type { AcmeDesired } from '../../../src/acme/policy.ts';
import { readOpenOrder } from '../../../src/acme/renewal/state.ts';
import { placeOf, readCertificate } from '../../../src/acme/store.ts';
import { zoneName } from '../../support/cloudflare.ts';
import { findPebble } from '../../support/pebble.ts';
import { portsFor } from './ports.ts';
import { bundled, names, settle, startWorld, until, type TestWorld } from './world.ts';

const program = await findPebble();
const signal = new AbortController().signal;
const challengeNames = names.map((name) => `_acme-challenge.${name}`);

describe.skipIf('missing' in program)('processes that order certificates', () => {
  let world: TestWorld;
  let file: string;
  const children: ChildProcess[] = [];
  beforeAll(async () => {
    world = await startWorld();
    file = await bundled('child', world.folder);
  });
  afterAll(async () => {
    for (const child of children) child.kill('SIGKILL');
    await world.stop();
  });

  const start = async (wanted: AcmeDesired, args: readonly string[], killAt = '') => {
    const wishes = `${wanted.certificates}.json`;
    await writeFile(wishes, JSON.stringify(wanted));
    const child = spawn(process.execPath, [file, wishes, ...args], {
      env: { KILL_AT: killAt },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    children.push(child);
    let said = '';
    child.stdout.on('data', (chunk: Buffer) => {
      said += chunk.toString();
    });
    const ended = once(child, 'close') as Promise<[number | null, NodeJS.Signals | null]>;
    return { child, said: () => said, ended };
  };

  test('a first order for two names has these effects', async () => {
    const { said, ended } = await start(world.wishes(names, 'listed'), ['order']);
    await ended;

    const { host } = new URL(world.pebble.directoryUrl);
    const list = said()
      .replaceAll(host, 'the authority')
      .replaceAll(world.folder, '<folder>')
      // Which of the two comes first is left to chance.
      .replaceAll(/(netbird|pocketid)\.skylab\.test/g, '<name>');
    expect(list).toMatchInlineSnapshot(`
      "1 try out the store <folder>/listed
      2 save an account key for the authority
      3 POST newAccount at the authority
      4 save the address of the account at the authority
      5 POST newOrder at the authority
      6 write skylab.test/order.json
      7 write down 2 TXT records
      8 create TXT _acme-challenge.<name>
      9 create TXT _acme-challenge.<name>
      10 write down 2 TXT records
      11 POST challenge for <name>
      12 POST challenge for <name>
      13 remove TXT _acme-challenge.<name>
      14 remove TXT _acme-challenge.<name>
      15 write down 0 TXT records
      16 POST finalize at the authority
      17 write skylab.test/versions/1/fullchain.pem
      18 write skylab.test/versions/1/key.pem
      19 write skylab.test/versions/1/meta.json
      20 point skylab.test/current at version 1
      21 remove versions of skylab.test before the last
      22 remove skylab.test/order.json
      issued
      "
    `);
  });

  // The numbers are those of the list above.
  test.each([
    ['after:8', true],
    ['before:10', true],
    ['after:10', true],
    ['after:11', true],
    ['before:13', true],
    // 13 and 14 run side by side, so one record may be left.
    ['after:14', undefined],
    ['after:15', false],
    ['after:16', false],
    ['after:17', false],
    ['before:19', false],
    ['after:20', false],
    ['before:22', false],
  ])(
    'killed hard %s: the next run leaves no TXT record and a valid certificate',
    async (killAt, isLittered) => {
      const wanted = world.wishes(names, `killed-${killAt.replace(':', '-')}`);
      const { ended } = await start(wanted, ['order'], killAt);
      const [, killedBy] = await ended;
      const littered = world.txtNames().length > 0;
      const written = await readJournal(wanted.certificates);
      // The dead holder's heartbeat never stands still here: its lock is free because its process is gone.
      const lock = lockPath(wanted.certificates);
      let atS = 1;
      const beating = setInterval(() => {
        atS += 1;
        utimes(lock, atS, atS).catch(() => undefined);
      }, 200);

      const { facts, done } = await settle(wanted).finally(() => {
        clearInterval(beating);
      });

      expect(killedBy).toBe('SIGKILL');
      // The order of the run before is finished: a second one would cost a place in the authority's limits.
      expect(done.filter((what) => what.startsWith('POST newOrder'))).toEqual([]);
      expect(littered).toBe(isLittered ?? littered);
      if (littered) expect(written.map(({ name }) => name).sort()).toEqual(challengeNames);
      expect(world.txtNames()).toEqual([]);
      expect(await readOpenOrder(placeOf(wanted))).toBeUndefined();
      expect(facts[`certificate:${zoneName}`]).toBe(true);
    },
  );

  test('told to stop in the middle: records are removed before it ends', async () => {
    const wanted = world.wishes(names, 'stopped');
    const hidden = { type: 'TXT', answer: { kind: 'servfail' } } as const;
    world.provider.faults.set({ dns: [hidden] });
    const { child, ended } = await start(wanted, ['order']);
    await until('its records are there', () => world.txtNames().length === names.length);

    child.kill('SIGTERM');
    const [code] = await ended;

    world.provider.faults.clear();
    expect(code).toBe(3);
    expect(world.txtNames()).toEqual([]);
  });

  test('two at once: one orders, the other finds its certificate', async () => {
    const wanted = world.wishes(names, 'two-processes');

    const runs = await Promise.all([start(wanted, ['order']), start(wanted, ['order'])]);
    await Promise.all(runs.map(async (run) => run.ended));

    const said = runs.map((run) => run.said());
    expect(said.map((text) => text.trim().split('\n').at(-1))).toEqual(
      expect.arrayContaining(['issued', 'present']),
    );
    expect(said.join('').match(/POST newOrder/g)).toHaveLength(1);
    expect(await readCertificate(wanted, zoneName)).toMatchObject({ version: 'versions/1' });
  });

  test('while one is at work, what it has made is not taken for leftovers', async () => {
    const wanted = world.wishes(names, 'busy');
    world.provider.faults.set({ dns: [{ type: 'TXT', answer: { kind: 'servfail' } }] });
    const { child, ended } = await start(wanted, ['order']);
    await until('its records are there', () => world.txtNames().length === names.length);

    const seen = await createAcmeArea(portsFor(wanted)).observe(wanted, signal);

    child.kill('SIGTERM');
    await ended;
    world.provider.faults.clear();
    expect(seen.leftovers).toBe(0);
  });

  test('the renewer, told to stop while it orders: it ends at once, and its records are gone', async () => {
    const wanted = world.wishes(names, 'renewer');
    world.provider.faults.set({ dns: [{ type: 'TXT', answer: { kind: 'servfail' } }] });
    const { child, said, ended } = await start(wanted, ['renew', join(world.folder, 'heartbeat')]);
    await until('its records are there', () => world.txtNames().length === names.length);
    const startMs = performance.now();

    child.kill('SIGTERM');
    const [code] = await ended;

    world.provider.faults.clear();
    // Far below the two minutes for which it would wait for the records to be seen.
    expect(performance.now() - startMs).toBeLessThan(90_000);
    expect(code).toBe(0);
    expect(said().trim().split('\n').at(-1)).toBe('ended');
    expect(world.txtNames()).toEqual([]);
  });
});
