import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { AcmeDesired } from '../../../src/acme/policy.ts';
import { renewLoop } from '../../../src/acme/renew.ts';
import { StackError } from '../../../src/shared/errors.ts';
import { zoneName } from '../../support/cloudflare.ts';
import { startLocalWorld, type LocalWorld } from './local-world.ts';
import { portsFor } from './ports.ts';
import { recordedEffects, until } from './world.ts';

/** A record that no run can remove, so that there is always something to do. */
const left = JSON.stringify([{ domain: zoneName, name: `_acme-challenge.${zoneName}`, value: 'v' }]);

describe('what the renewer tells while it fails', () => {
  let world: LocalWorld;
  let folder: string;
  beforeAll(async () => {
    world = await startLocalWorld();
    folder = await mkdtemp(join(tmpdir(), 'skylab-telling-'));
  });
  afterAll(async () => {
    await world.stop();
    await rm(folder, { recursive: true, force: true });
  });

  const journalOf = (wanted: AcmeDesired) => join(wanted.certificates, 'txt-records.json');

  /** Lets it run beside a good certificate, with a record to sweep; each try meets the failure that is set. */
  const failing = async (store: string) => {
    const wanted = world.wishes(store);
    expect(await world.order(wanted)).toMatchObject({ outcome: 'issued' });
    await world.work(wanted);
    await writeFile(journalOf(wanted), left);
    const said: string[] = [];
    const abort = new AbortController();
    const state = { tries: 0, failure: undefined as StackError | undefined };
    const heartbeat = join(folder, store);
    const loop = renewLoop({
      load: async () => Promise.resolve({ desired: wanted, ports: portsFor(wanted) }),
      async work() {
        state.tries += 1;
        if (state.failure !== undefined) throw state.failure;
        await rm(journalOf(wanted), { force: true });
        return Promise.resolve(undefined);
      },
      effects: recordedEffects(),
      heartbeat,
      say: (level, text) => said.push(`${level}: ${text}`),
      signal: abort.signal,
      roundMs: 20,
    });
    /** Sets the failure, and waits until it was met. */
    const meets = async (failure: StackError) => {
      state.failure = failure;
      const before = state.tries;
      await until('another try', () => state.tries > before + 1);
    };
    const beat = async () => (JSON.parse(await readFile(heartbeat, 'utf8')) as { at: string }).at;
    const stop = async () => {
      abort.abort();
      await loop;
    };
    return { wanted, said, meets, beat, stop };
  };
  const away = (message: string, hint: string) => new StackError('CA_UNREACHABLE', message, { hint });

  test('of one outage once, and again where a second cause has another way out', async () => {
    const renewer = await failing('causes');
    try {
      await renewer.meets(away('it is away (ECONNRESET)', 'check the network'));
      await renewer.meets(away('it is away (ECONNREFUSED)', 'check the network'));
      await renewer.meets(away('it is not trusted', 'set certificates.directory_ca'));
    } finally {
      await renewer.stop();
    }

    expect(renewer.said.filter((line) => line.startsWith('warning'))).toEqual([
      'warning: it is away (ECONNRESET)',
      'warning: it is not trusted',
    ]);
  });

  test('ends when what failed is no longer wanted: then it says again that all is good', async () => {
    const renewer = await failing('mended');
    const good = () => renewer.said.filter((line) => line.startsWith('note: good until')).length;
    try {
      await renewer.meets(new StackError('DNS_API_DENIED', 'it may not', { hint: 'another token' }));
      const before = good();
      // Another run, such as `up`, has removed the record.
      await rm(journalOf(renewer.wanted));

      await until('it is said', () => good() > before);
      expect(renewer.said.at(-1)).toMatch(/^note: good until/);
    } finally {
      await renewer.stop();
    }
  });
});
