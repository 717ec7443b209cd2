import { setImmediate } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { observeDns, type DnsProvider } from '../../../src/dns/observe.ts';
import type { Http } from '../../../src/shared/http.ts';
import { desired } from './fixtures.ts';

const unused = async () => Promise.reject(new Error('nobody calls this'));

test('an interruption that two questions meet one after the other is told once, and nothing is left unhandled', async () => {
  const abort = new AbortController();
  const interrupted = new Error('interrupted');
  // The provider gives up at once, and the look for our own address some time later.
  const provider: DnsProvider = {
    zoneOf: async (_name, signal) =>
      new Promise((_resolve, reject) => {
        signal.addEventListener('abort', () => {
          reject(signal.reason as Error);
        });
      }),
    records: unused,
    create: unused,
    update: unused,
    remove: unused,
  };
  const lookUps: Parameters<Http['lookup']>[2][] = [];
  const http: Http = {
    call: unused,
    fetch: unused,
    lookup: (_host, _options, callback) => {
      lookUps.push(callback);
    },
    close: () => undefined,
  };
  const unhandled: unknown[] = [];
  const note = (reason: unknown) => void unhandled.push(reason);
  process.on('unhandledRejection', note);
  try {
    const looking = observeDns(
      desired({ address: { from: 'internet' } }),
      { provider, http },
      false,
      abort.signal,
    );

    abort.abort(interrupted);

    await expect(looking).rejects.toBe(interrupted);
    expect(lookUps.length).toBe(1);
    lookUps[0]?.(new Error('no name server answers'), []);
    await setImmediate();
    expect(unhandled).toEqual([]);
  } finally {
    process.off('unhandledRejection', note);
  }
});
