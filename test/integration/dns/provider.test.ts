import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { Cloudflare as Provider } from '../../../sandbox/cloudflare/server.ts';
import { createCloudflare } from '../../../src/dns/cloudflare.ts';
import type { RecordFields } from '../../../src/dns/observe.ts';
import { isStackError, type StackError } from '../../../src/shared/errors.ts';
import { createHttp, type Http } from '../../../src/shared/http.ts';
import { startProvider, tokens, zoneName } from '../../support/cloudflare.ts';

let server: Provider;
let http: Http;
const never = new AbortController().signal;

beforeEach(async () => {
  server = await startProvider();
  http = createHttp();
});
afterEach(async () => {
  http.close();
  await server.close();
});

const providerWith = (
  token: string | undefined = tokens.edit.value,
  limits: { callTimeoutMs?: number; longestPauseMs?: number } = {},
) => createCloudflare({ api: server.apiUrl, http, token: async () => Promise.resolve(token), ...limits });
/** As the provider shows it, with the servers that it wants. */
const zone = () => ({ ...server.zone, nameServers: [`ns1.${zoneName}`] });
const fields = (changes: Partial<RecordFields> = {}): RecordFields => ({
  type: 'A',
  name: `netbird.${zoneName}`,
  content: '192.0.2.10',
  ttlSeconds: 300,
  comment: 'skylab-home address',
  ...changes,
});
const errorOf = async (act: Promise<unknown>): Promise<StackError> => {
  const error: unknown = await act.then(
    () => new Error('it went well'),
    (thrown: unknown) => thrown,
  );
  if (!isStackError(error)) throw error;
  return error;
};
const paths = () => server.calls().map(({ method, path }) => `${method} ${path}`);

describe('the zone', () => {
  test('is found from the most specific name, and asked for once', async () => {
    const provider = providerWith();

    expect(await provider.zoneOf(`_acme-challenge.netbird.${zoneName}`, never)).toEqual(zone());
    expect(await provider.zoneOf(zoneName, never)).toEqual(zone());
    expect(paths()).toEqual([`GET /zones?name=netbird.${zoneName}`, `GET /zones?name=${zoneName}`]);
  });

  test.each(['other', 'forbidden'] as const)(
    'that the token does not see (%s) is not found, and the error says what was looked for and what it sees',
    async (kind) => {
      const error = await errorOf(providerWith(tokens[kind].value).zoneOf(`netbird.${zoneName}`, never));

      expect(error).toMatchObject({
        code: 'ZONE_NOT_FOUND',
        message: `no zone for netbird.${zoneName}: looked for netbird.${zoneName}, ${zoneName}; the token sees other.test`,
      });
      expect(paths()).not.toContain('GET /zones?name=test');
    },
  );

  test('that was missing is looked for again the next time', async () => {
    const provider = providerWith();
    server.faults.set({
      http: [
        {
          path: '/zones',
          requests: [1, 2, 3],
          answer: { kind: 'error', status: 403, code: 0, message: 'no' },
        },
      ],
    });

    expect((await errorOf(provider.zoneOf(zoneName, never))).message).toContain('no zone that it may list');
    server.faults.clear();
    expect(await provider.zoneOf(zoneName, never)).toEqual(zone());
  });
});

describe('a token', () => {
  test('that is missing is said so', async () => {
    expect(
      await errorOf(
        createCloudflare({ api: server.apiUrl, http, token: async () => Promise.resolve(undefined) }).zoneOf(
          zoneName,
          never,
        ),
      ),
    ).toMatchObject({
      code: 'SECRET_UNREADABLE',
    });
    expect(paths()).toEqual([]);
  });

  test.each([
    ['unknown-token', 'the token is unknown, has expired, or was made for something else'],
    ['bro ken', 'the token does not have the form of one'],
  ])('that is wrong (%s) is denied, and does not appear in the error', async (token, said) => {
    const error = await errorOf(providerWith(token).zoneOf(zoneName, never));

    expect(error.code).toBe('DNS_API_DENIED');
    expect(error.message).toContain(said);
    expect(`${error.message} ${error.hint} ${JSON.stringify(error.data)}`).not.toContain(token);
  });

  test('that may only read is told so when it writes', async () => {
    const provider = providerWith(tokens.read.value);

    expect(await provider.records(zone(), {}, never)).toEqual([]);
    const error = await errorOf(provider.create(zone(), fields(), never));
    expect(error.code).toBe('DNS_API_DENIED');
    expect(error.message).toContain('may read this zone and not edit it');
  });

  test('of the account kind works', async () => {
    expect(await providerWith(tokens.account.value).zoneOf(zoneName, never)).toEqual(zone());
  });

  test('goes alone: no key and no e-mail address from the environment', async () => {
    vi.stubEnv('CLOUDFLARE_EMAIL', 'ada@example.org');
    vi.stubEnv('CLOUDFLARE_API_KEY', 'f'.repeat(37));
    vi.stubEnv('CLOUDFLARE_BASE_URL', 'http://127.0.0.1:9/');
    try {
      await providerWith().zoneOf(zoneName, never);
    } finally {
      vi.unstubAllEnvs();
    }

    expect(server.calls()[0]?.headers).toContain('authorization');
    expect(server.calls()[0]?.headers.filter((name) => name.startsWith('x-auth'))).toEqual([]);
  });
});

describe('records', () => {
  test('are created unproxied with comment and time to live, updated and removed', async () => {
    const provider = providerWith();
    const id = (await provider.create(zone(), fields(), never)) ?? '';
    expect(await provider.records(zone(), {}, never)).toEqual([
      {
        id,
        name: `netbird.${zoneName}`,
        type: 'A',
        content: '192.0.2.10',
        ttlSeconds: 300,
        proxied: false,
        comment: 'skylab-home address',
      },
    ]);

    await provider.update(zone(), id, fields({ content: '192.0.2.11' }), never);
    expect(server.records()).toMatchObject([{ id, content: '192.0.2.11', comment: 'skylab-home address' }]);

    await provider.remove(zone().id, id, never);
    expect(server.records()).toEqual([]);
  });

  test('that are gone are not missed', async () => {
    const provider = providerWith();

    await expect(provider.remove(zone().id, 'f'.repeat(32), never)).resolves.toBeUndefined();
    await expect(provider.update(zone(), 'f'.repeat(32), fields(), never)).resolves.toBeUndefined();
    await expect(provider.remove('f'.repeat(32), 'f'.repeat(32), never)).resolves.toBeUndefined();
  });

  test('are listed whole over several pages, filtered by name, type and comment', async () => {
    for (let n = 0; n < 600; n += 1) {
      await server.add({
        type: 'TXT',
        name: `n${n}`,
        content: 'x',
        comment: n < 3 ? 'skylab-home acme' : null,
      });
    }
    const provider = providerWith();

    const all = await provider.records(zone(), {}, never);
    expect(new Set(all.map(({ name }) => name)).size).toBe(600);
    expect(paths().filter((path) => path.includes('dns_records'))).toHaveLength(2);
    expect(await provider.records(zone(), { name: `n7.${zoneName}` }, never)).toHaveLength(1);
    expect(await provider.records(zone(), { type: 'TXT', commentPrefix: 'skylab-home' }, never)).toHaveLength(
      3,
    );
  });

  test('that exist already are reported, not made twice', async () => {
    const provider = providerWith();
    await provider.create(zone(), fields(), never);

    expect(await provider.create(zone(), fields(), never)).toBeUndefined();
    expect(server.records()).toHaveLength(1);
  });

  test('cannot be made where an alias stands', async () => {
    await server.add({ type: 'CNAME', name: 'netbird', content: 'elsewhere.test' });

    expect(await errorOf(providerWith().create(zone(), fields(), never))).toMatchObject({
      code: 'RECORD_CONFLICT',
      message: `cannot create A netbird.${zoneName}: another record has that name`,
    });
  });
});

describe('a provider in trouble', () => {
  const meets = (
    answer: NonNullable<Parameters<typeof server.faults.set>[0]['http']>[number]['answer'],
    requests?: number[],
  ) => {
    server.faults.set({ http: [{ answer, ...(requests === undefined ? {} : { requests }) }] });
  };

  test('that asks for a short pause is obeyed within the call', async () => {
    meets({ kind: 'rate-limited', retryAfter: '1' }, [1]);
    const startMs = performance.now();

    expect(await providerWith().zoneOf(zoneName, never)).toEqual(zone());
    expect(performance.now() - startMs).toBeGreaterThanOrEqual(950);
  });

  test.each([
    ['in seconds', () => '300', 300_000, 300_000],
    ['as a date', () => new Date(Date.now() + 120_000).toUTCString(), 100_000, 121_000],
  ])(
    'that asks for a long pause %s is reported with it at once',
    async (_form, retryAfter, leastMs, mostMs) => {
      meets({ kind: 'rate-limited', retryAfter: retryAfter() });

      const error = await errorOf(providerWith().zoneOf(zoneName, never));

      expect(error.code).toBe('DNS_API_LIMITED');
      expect(error.retryAfterMs).toBeGreaterThanOrEqual(leastMs);
      expect(error.retryAfterMs).toBeLessThanOrEqual(mostMs);
      expect(server.calls()).toHaveLength(1);
    },
  );

  test.each([
    [{ kind: 'error', status: 500, code: 1, message: 'oops' } as const, 'answered 500: 1 oops'],
    [{ kind: 'html', status: 502 } as const, 'answered 502'],
    [{ kind: 'not-successful', code: 1, message: 'no' } as const, 'holds no result'],
  ])('that answers with %o has failed, and is asked once', async (answer, said) => {
    meets(answer);
    const provider = providerWith();

    for (const act of [
      provider.zoneOf(zoneName, never),
      provider.records(zone(), {}, never),
      provider.create(zone(), fields(), never),
    ]) {
      const error = await errorOf(act);
      expect(error.code).toBe('DNS_API_FAILED');
      expect(error.message).toContain(said);
    }
    expect(server.calls()).toHaveLength(3);
  });

  test.each([{ kind: 'hang-before-headers' } as const, { kind: 'hang-in-body' } as const])(
    'that falls silent (%o) is given up after the time limit',
    async (answer) => {
      meets(answer);

      const error = await errorOf(providerWith(undefined, { callTimeoutMs: 200 }).zoneOf(zoneName, never));

      expect(error.code).toBe('DNS_API_UNREACHABLE');
      expect(error.message).toMatch(/no answer from 127\.0\.0\.1:\d+ \(not in time\)/);
    },
  );

  test('that is slow is waited for', async () => {
    meets({ kind: 'slow', delayMs: 300 });

    expect(await providerWith().zoneOf(zoneName, never)).toEqual(zone());
  });

  test('that nobody started is unreachable, with the errno', async () => {
    const provider = createCloudflare({
      api: 'http://127.0.0.1:9/client/v4',
      http,
      token: async () => Promise.resolve('x'),
    });

    expect(await errorOf(provider.zoneOf(zoneName, never))).toMatchObject({
      code: 'DNS_API_UNREACHABLE',
      message: `cannot look for the zone ${zoneName}: no answer from 127.0.0.1:9 (ECONNREFUSED)`,
      data: { errno: 'ECONNREFUSED' },
    });
  });

  test.each([
    { kind: 'hang-before-headers' } as const,
    { kind: 'hang-in-body' } as const,
    { kind: 'rate-limited', retryAfter: '10' } as const,
  ])('does not keep an interrupted run waiting (%o)', async (answer) => {
    meets(answer);
    const abort = new AbortController();
    const reason = new Error('interrupted');
    const call = providerWith().zoneOf(zoneName, abort.signal);
    await expect.poll(() => server.calls().length, { interval: 5, timeout: 20_000 }).toBe(1);
    const startMs = performance.now();

    abort.abort(reason);

    await expect(call).rejects.toBe(reason);
    expect(performance.now() - startMs).toBeLessThan(10_000);
  });

  test('whose answer is lost has made the record all the same, and the next try finds it', async () => {
    server.faults.set({ http: [{ method: 'POST', requests: [1], answer: { kind: 'lost-answer' } }] });
    const provider = providerWith();

    expect((await errorOf(provider.create(zone(), fields(), never))).code).toBe('DNS_API_UNREACHABLE');
    expect(await provider.create(zone(), fields(), never)).toBeUndefined();
  });
});
