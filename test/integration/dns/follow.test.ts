import { mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Cloudflare as Provider } from '../../../sandbox/cloudflare/server.ts';
import { desiredDns } from '../../../src/dns/desired.ts';
import { followedIn, readFollowed } from '../../../src/dns/follow/files.ts';
import { createHttp, type Http } from '../../../src/shared/http.ts';
import { startProvider, tokens, zoneName } from '../../support/cloudflare.ts';
import { settingsWith } from '../../unit/dns/fixtures.ts';
import { textOfFile } from '../../unit/ingress/conf-syntax.ts';
import { startFollower, until, wishesFor, type Follower } from './follower.ts';

/*
 * The follower as it runs beside the renewer, with looks every few milliseconds, against the provider of the sandbox.
 */

const names = ['netbird', 'pocketid', 'turn'].map((label) => `${label}.${zoneName}`);
const first = '198.51.100.7';
const second = '203.0.113.9';

let server: Provider;
let http: Http;
let folder: string;
beforeEach(async () => {
  server = await startProvider({ publicAddress: first });
  http = createHttp();
  folder = await mkdtemp(join(tmpdir(), 'skylab-follow-'));
});
afterEach(async () => {
  http.close();
  await server.close();
  await rm(folder, { recursive: true, force: true });
});

const start = (place = folder) => startFollower({ server, http, folder: place });
/** The records lead there, and the follower knows it. */
const settled = async (address: string) => {
  await until(`records for ${address}`, leadsTo(address));
  await until(`the state for ${address}`, async () =>
    readFile(join(folder, 'state.json'), 'utf8').then(
      (text) => (JSON.parse(text) as { right?: { address: string } }).right?.address === address,
      () => false,
    ),
  );
};
/** So many looks from now on. */
const afterLooks = async (follower: Follower, count: number) => {
  const from = follower.looks;
  await until(`${count} looks`, () => follower.looks >= from + count);
};

const records = () =>
  server
    .records()
    .map(({ name, type, content, comment }) => `${name} ${type} ${content} ${comment ?? 'of others'}`)
    .toSorted();
const leadTo = (address: string, which = names) =>
  which.map((name) => `${name} A ${address} skylab-home address`);
const leadsTo = (address: string) => () => records().join() === leadTo(address).join();
const forTurn = async () => readFile(join(folder, 'address'), 'utf8').catch(() => '');
const state = async () =>
  JSON.parse(await readFile(join(folder, 'state.json'), 'utf8')) as Record<string, unknown>;

describe('a public address', () => {
  test('that changes takes the records along, and is handed to coturn', async () => {
    const follower = start();
    try {
      await settled(first);
      expect(await forTurn()).toBe(`${first}\n`);
      const ids = server.records().map(({ id }) => id);

      server.faults.set({ trace: { address: second } });
      await settled(second);

      expect(await forTurn()).toBe(`${second}\n`);
      expect(server.records().map(({ id }) => id)).toEqual(ids);
      expect(follower.notes()).toEqual([
        `the public address is ${first}`,
        `${names.join(', ')} lead to ${first} now`,
        `the public address is ${second}, it was ${first}`,
        `${names.join(', ')} lead to ${second} now`,
      ]);
      expect(follower.warnings()).toEqual([]);
      expect((await stat(join(folder, 'address'))).mode & 0o777).toBe(0o644);
    } finally {
      await follower.stop();
    }
  });

  test('that stays costs no call of the API, not even after a restart', async () => {
    const once = start();
    await settled(first);
    await once.stop();
    const calls = server.calls().length;

    const again = start();
    await afterLooks(again, 10);
    await again.stop();

    expect([again.works, again.said]).toEqual([[], []]);
    expect(server.calls()).toHaveLength(calls);
  });

  test('is led to by no record of another maker: that is said once, and the other names follow', async () => {
    await server.add({ type: 'A', name: '@', content: '192.0.2.1' });
    await server.add({ type: 'A', name: 'netbird', content: '192.0.2.2' });
    const foreign = server.records();
    const follower = start();
    try {
      await until('a warning', () => follower.warnings().length > 0);
      const before = follower.works.length;
      await until('some more tries', () => follower.works.length >= before + 2);

      expect(follower.warnings()).toEqual([
        `records of another maker are in the way: netbird.${zoneName} is A 192.0.2.2`,
      ]);
      expect(follower.said.find((line) => line.level === 'warning')?.hint).toContain('remove them');
      expect(server.records().filter(({ comment }) => comment === null)).toEqual(foreign);
      expect(records().filter((line) => line.includes('skylab-home'))).toEqual(leadTo(first, names.slice(1)));
      // coturn needs no record.
      expect(await forTurn()).toBe(`${first}\n`);
    } finally {
      await follower.stop();
    }
  });

  test.each(['100.64.3.4', '10.0.0.5', '192.168.1.5'])(
    'that nobody outside can dial (%s) is said once and led nowhere',
    async (address) => {
      const follower = start();
      try {
        await settled(first);
        server.faults.set({ trace: { address } });
        await afterLooks(follower, 5);

        expect(follower.warnings()).toHaveLength(1);
        expect(follower.warnings()[0]).toContain(`sees this host at ${address}`);
        expect(records()).toEqual(leadTo(first));
        expect(await forTurn()).toBe(`${first}\n`);

        server.faults.set({ trace: { address: second } });
        await settled(second);
        expect(follower.notes()).toContain(`the public address is known again: ${second}`);
      } finally {
        await follower.stop();
      }
    },
  );

  test('that cannot be asked for is said once, and followed again later', async () => {
    const follower = start();
    try {
      await settled(first);
      server.faults.set({ trace: { status: 502 } });
      await afterLooks(follower, 5);
      await until('the state', async () => 'address_trouble' in (await state()));
      expect(follower.warnings()).toEqual([
        'the public address of this host is not known: asking 127.0.0.1 failed (it answers 502)',
      ]);

      server.faults.clear();
      await until('a note', () => follower.notes().includes(`the public address is known again: ${first}`));
      await until('the state', async () => !('address_trouble' in (await state())));
      expect(records()).toEqual(leadTo(first));
    } finally {
      await follower.stop();
    }
  });

  test('is no longer followed where the settings give one', async () => {
    const follower = start();
    try {
      await settled(first);
      follower.followed = undefined;
      server.faults.set({ trace: { address: second } });
      const { loads } = follower;
      await until('some rounds', () => follower.loads >= loads + 2);
      const { looks } = follower;
      await until('some more', () => follower.loads >= loads + 6);
      expect([follower.looks, records()]).toEqual([looks, leadTo(first)]);

      follower.followed = wishesFor(server);
      await settled(second);
    } finally {
      await follower.stop();
    }
  });
});

describe('a provider', () => {
  test('that refuses the token is said once, with what to do; with another token it goes on at once', async () => {
    const follower = start();
    try {
      await settled(first);
      follower.token = 'revoked-token_1';
      server.faults.set({ trace: { address: second } });
      await until('three tries', () => follower.works.filter((address) => address === second).length >= 3);

      expect(follower.warnings()).toHaveLength(1);
      expect(follower.warnings()[0]).toContain('the token is unknown');
      expect(follower.said.find((line) => line.level === 'warning')?.hint).toContain('make a token');
      expect(records()).toEqual(leadTo(first));
      expect(await forTurn()).toBe(`${second}\n`);
      expect(await state()).toMatchObject({
        address: { text: second },
        records_trouble: { message: follower.warnings()[0] },
      });

      follower.token = tokens.edit.value;
      await settled(second);
      await until('the state', async () => !('records_trouble' in (await state())));
    } finally {
      await follower.stop();
    }
  });

  test('that is away is said once, and the records follow when it is back', async () => {
    const follower = start();
    try {
      await settled(first);
      server.faults.set({ trace: { address: second }, http: [{ answer: { kind: 'html', status: 502 } }] });
      await until('three tries', () => follower.works.filter((address) => address === second).length >= 3);
      expect(follower.warnings()).toHaveLength(1);

      server.faults.set({ trace: { address: second } });
      await settled(second);
      expect(follower.warnings()).toHaveLength(1);
    } finally {
      await follower.stop();
    }
  });

  test('that asks for an hour is not asked before, however often the address is looked at', async () => {
    const follower = start();
    try {
      const answer = { kind: 'rate-limited', retryAfter: '3600' } as const;
      server.faults.set({ http: [{ answer }] });
      await until('a try', () => follower.works.length > 0);
      await afterLooks(follower, 10);

      expect(follower.works).toEqual([first]);
      expect(follower.warnings()).toHaveLength(1);
    } finally {
      await follower.stop();
    }
  });
});

test('a record of ours that `up` would clear away is cleared away with the next address', async () => {
  const follower = start();
  try {
    await settled(first);
    await server.add({ type: 'A', name: 'vpn', content: first, comment: 'skylab-home address' });
    server.faults.set({ trace: { address: second } });

    await settled(second);
    expect(records()).toEqual(leadTo(second));
  } finally {
    await follower.stop();
  }
});

test('a folder that cannot be written is said once, and keeps no record from following', async () => {
  const place = join(folder, 'gone');
  const follower = start(place);
  try {
    await until('the first address', leadsTo(first));
    server.faults.set({ trace: { address: second } });
    await until('the second address', leadsTo(second));
    await afterLooks(follower, 3);
    expect(follower.warnings()).toHaveLength(2);

    await mkdir(place);
    await until(
      'the file',
      async () => (await stat(join(place, 'address')).catch(() => undefined)) !== undefined,
    );
  } finally {
    await follower.stop();
  }
});

test('what `up` writes for the renewer is what it reads; nothing where the address is given or lies at home', async () => {
  const [file] = followedIn(desiredDns(settingsWith('reachability: { mode: public }'), false));
  await writeFile(join(folder, file?.path ?? ''), textOfFile(file));

  expect(await readFollowed(folder)).toMatchObject({
    domain: zoneName,
    names,
    comment: 'skylab-home address',
  });
  expect(await readFollowed(join(folder, 'nowhere'))).toBeUndefined();
  for (const reachability of [
    '{ mode: public, address: 192.0.2.7 }',
    '{ mode: lan }',
    '{ mode: lan, bind: 192.168.1.2 }',
  ])
    expect(followedIn(desiredDns(settingsWith(`reachability: ${reachability}`), false))).toEqual([]);

  await writeFile(join(folder, file?.path ?? ''), '{}');
  await expect(readFollowed(folder)).rejects.toMatchObject({ code: 'SETTINGS_INVALID' });
});
