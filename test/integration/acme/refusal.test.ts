import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { AcmePorts } from '../../../src/acme/renewal/records.ts';
import type { AcmeDesired } from '../../../src/acme/policy.ts';
import { readCertificate } from '../../../src/acme/store.ts';
import { zoneName } from '../../support/cloudflare.ts';
import { findPebble } from '../../support/pebble.ts';
import { portsFor } from './ports.ts';
import { names, refusedOrder, settle, startWorld, type TestWorld } from './world.ts';

const program = await findPebble();

const withTxt = (
  wanted: AcmeDesired,
  change: (txt: AcmePorts['txt']) => Partial<AcmePorts['txt']>,
): AcmePorts => {
  const ports = portsFor(wanted);
  return { ...ports, txt: { ...ports.txt, ...change(ports.txt) } };
};

describe.skipIf('missing' in program)('an order that fails', () => {
  let world: TestWorld;
  beforeAll(async () => {
    world = await startWorld({ domainBlocklist: [`blocked.${zoneName}`] });
  });
  afterEach(() => {
    world.provider.faults.clear();
  });
  afterAll(async () => {
    await world.stop();
  });

  test('is refused by the authority: the error has its type, and nothing was made', async () => {
    const { error, done } = await refusedOrder(world.wishes([...names, `blocked.${zoneName}`], 'blocked'));

    expect(error).toMatchObject({
      code: 'CA_REFUSED',
      data: { type: 'rejectedIdentifier', status: 400 },
      hint: expect.stringContaining('does not issue for that name') as unknown,
    });
    expect(done.filter((what) => what.includes('TXT'))).toEqual([]);
  });

  test('does not pass validation: error typed, records removed, the authorization given up', async () => {
    const wanted = world.wishes(names, 'vanishing');
    const ports = withTxt(wanted, (txt) => ({
      async untilPropagated(name, value, timeoutMs, stop) {
        await txt.untilPropagated(name, value, timeoutMs, stop);
        // What the authority sees is not what was seen here: as with name servers that do not answer alike.
        world.provider.faults.set({
          dns: [{ name: 'netbird', type: 'TXT', answer: { kind: 'lag', behindMs: 60_000 } }],
        });
      },
    }));

    const { error, done } = await refusedOrder(wanted, ports);

    expect(error).toMatchObject({
      code: 'CA_REFUSED',
      message: expect.stringContaining(`netbird.${zoneName}`) as unknown,
    });
    expect(['unauthorized', 'dns']).toContain((error as { data: { type: string } }).data.type);
    expect(done).toContain(`POST deactivation of netbird.${zoneName}`);
    expect(done.filter((what) => what.startsWith('POST finalize'))).toEqual([]);
    expect(world.txtNames()).toEqual([]);
  });

  test('never shows its records: the authority is not told', async () => {
    const wanted = world.wishes(names, 'hidden');
    world.provider.faults.set({ dns: [{ name: 'pocketid', type: 'TXT', answer: { kind: 'servfail' } }] });
    const ports = withTxt(wanted, (txt) => ({
      untilPropagated: async (name, value, _timeoutMs, stop) => txt.untilPropagated(name, value, 1000, stop),
    }));

    const { error, done } = await refusedOrder(wanted, ports);

    expect(error).toMatchObject({ code: 'DNS_NOT_PROPAGATED' });
    expect(done.filter((what) => what.startsWith('POST challenge'))).toEqual([]);
    expect(world.txtNames()).toEqual([]);
  });

  test.each([
    ['refused', { kind: 'error', status: 400, code: 9999, message: 'no' }],
    ['lost on its way back', { kind: 'lost-answer' }],
  ] as const)(
    'has one of its records %s: the others are removed, nothing is finalized',
    async (_case, answer) => {
      world.provider.faults.set({
        http: [{ method: 'POST', path: 'dns_records', requests: [2, 3, 4, 5, 6], answer }],
      });
      const wanted = world.wishes(names, `one-${answer.kind}`);

      const { error, done } = await refusedOrder(wanted);

      // A lost answer may be found again by name and value; then there is nothing to fail for.
      if (answer.kind === 'error')
        expect(error).toMatchObject({ code: expect.stringMatching(/^DNS_API_/) as unknown });
      if (error !== undefined) expect(done.filter((what) => what.startsWith('POST finalize'))).toEqual([]);
      expect(world.txtNames()).toEqual([]);
    },
  );

  test('leaves records that cannot be removed in the journal, and the next run removes them', async () => {
    const wanted = world.wishes(names, 'stuck');
    const failing = {
      method: 'DELETE',
      answer: { kind: 'error', status: 400, code: 9999, message: 'no' },
    } as const;
    world.provider.faults.set({ http: [failing] });
    const issued = await refusedOrder(wanted);
    const stuck = world.txtNames();
    world.provider.faults.clear();

    const { planned } = await settle(wanted);

    expect(issued.error).toBeUndefined();
    expect(stuck).toHaveLength(2);
    expect(planned).toContain('sweep what an ended run left');
    expect(world.txtNames()).toEqual([]);
  });

  test('is aborted: it ends at once, and its records are gone', async () => {
    const wanted = world.wishes(names, 'aborted');
    const stop = new AbortController();
    const seen: { name: string; comment: string }[] = [];
    const ports = withTxt(wanted, () => ({
      async untilPropagated(_name, _value, _timeoutMs, limit) {
        seen.push(...world.provider.records().map(({ name, comment }) => ({ name, comment: comment ?? '' })));
        stop.abort(new Error('Ctrl-C'));
        await new Promise((_, reject) => {
          limit.addEventListener('abort', () => {
            reject(limit.reason as Error);
          });
          if (limit.aborted) reject(limit.reason as Error);
        });
      },
    }));
    const startMs = performance.now();

    const { error } = await refusedOrder(wanted, ports, stop.signal);

    expect(error).toMatchObject({ message: 'Ctrl-C' });
    expect(performance.now() - startMs).toBeLessThan(90_000);
    expect(seen[0]?.comment).toMatch(/^skylab-test acme \d{4}-/);
    expect(world.txtNames()).toEqual([]);
  });

  test('gives a chain that is not trusted: it is not stored, and the old certificate stays', async () => {
    const wanted = world.wishes(names, 'untrusted');
    await settle(wanted);
    const before = await readCertificate(wanted, zoneName);
    const otherRoot = join(world.folder, 'other-root.pem');
    await writeFile(otherRoot, world.pebble.caPem);

    const { error } = await refusedOrder({ ...wanted, trust: { file: otherRoot } });

    expect(error).toMatchObject({
      code: 'CERTIFICATE_INVALID',
      message: expect.stringContaining('does not end at a trusted root') as unknown,
    });
    expect(await readCertificate(wanted, zoneName)).toEqual(before);
  });

  test('cannot be stored: the disk is tried out before anything is ordered', async () => {
    // Nobody may make folders there, not even root.
    const { error, done } = await refusedOrder({ ...world.wishes(), certificates: '/sys/skylab-store' });

    expect(error).toMatchObject({ code: expect.stringMatching(/^DISK_/) as unknown });
    expect(done.filter((what) => what.startsWith('POST'))).toEqual([]);
  });

  test('is sent to an address that is no directory', async () => {
    const { error } = await refusedOrder({
      ...world.wishes(names, 'no-directory'),
      directory: `${world.pebble.managementUrl}/roots/0`,
    });

    expect(error).toMatchObject({
      code: 'CA_REFUSED',
      hint: expect.stringContaining('certificates.directory') as unknown,
    });
  });
});

describe.skipIf('missing' in program)('an authority that is away', () => {
  let world: TestWorld;
  beforeAll(async () => {
    world = await startWorld();
    await settle(world.wishes());
    await world.pebble.stop();
  });
  afterAll(async () => {
    await world.stop();
  });

  test('takes no step and states the certificate true where a valid one is stored', async () => {
    const wanted = world.wishes();
    const { planned, facts } = await settle({
      ...wanted,
      trust: { file: join(wanted.certificates, 'roots/trust.pem') },
    });

    expect(planned).toEqual([]);
    expect(facts).toMatchObject({
      [`certificate:${zoneName}`]: true,
      'ca.api': { because: 'unreachable', text: expect.stringContaining('ECONNREFUSED') as unknown },
    });
  });

  test('is waited for once where its roots could not be read, and then let be', async () => {
    const wanted = world.wishes();

    const { planned, facts } = await settle(wanted);

    expect(planned).toEqual(['wait for the certificate authority']);
    expect(facts).toMatchObject({ [`certificate:${zoneName}`]: true, 'ca.api': { because: 'unreachable' } });
  });

  test('is an error that says what to do where no certificate is stored', async () => {
    const wanted = world.wishes(names, 'empty');

    await expect(settle(wanted)).rejects.toMatchObject({
      code: 'CA_UNREACHABLE',
      message: expect.stringContaining('ECONNREFUSED') as unknown,
      hint: expect.stringContaining('certificates.directory') as unknown,
    });
  });
});

describe.skipIf('missing' in program)('an authority whose own https is not trusted', () => {
  test('is named as such, with the setting that mends it', async () => {
    const world = await startWorld();
    try {
      const roots = join(world.folder, 'roots.pem');
      await writeFile(roots, await world.pebble.rootPem());
      const wanted: AcmeDesired = { ...world.wishes(), directoryCa: 'system', trust: { file: roots } };

      const { error } = await refusedOrder(wanted);

      expect(error).toMatchObject({
        code: 'CA_UNREACHABLE',
        hint: expect.stringContaining('certificates.directory_ca') as unknown,
      });
    } finally {
      await world.stop();
    }
  });
});
