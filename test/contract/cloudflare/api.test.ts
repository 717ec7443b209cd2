import { APIError } from 'cloudflare';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Cloudflare as Provider } from '../../../sandbox/cloudflare/server.ts';
import { sdkFor, startProvider, tokens, zoneName } from '../../support/cloudflare.ts';

let provider: Provider;
let zone_id: string;

beforeAll(async () => {
  provider = await startProvider();
  zone_id = provider.zone.id;
});
afterAll(async () => {
  await provider.close();
});

/** Status and first code of the error that the SDK throws. */
const refusal = async (call: PromiseLike<unknown>): Promise<string> => {
  try {
    await call;
    return 'no error';
  } catch (error) {
    if (!(error instanceof APIError)) throw error;
    return `${String(error.status)} ${error.errors.map(({ code }) => code).join()}`;
  }
};

const raw = async (path: string, authorization?: string) => {
  const headers: Record<string, string> = authorization === undefined ? {} : { authorization };
  const response = await fetch(`${provider.apiUrl}${path}`, { headers });
  return {
    status: response.status,
    body: (await response.json()) as { success: boolean; errors: unknown[] },
  };
};

describe('tokens', () => {
  test('a good token verifies as active', async () => {
    const answer = await sdkFor(provider).user.tokens.verify();

    expect(answer).toMatchObject({ status: 'active', id: expect.stringMatching(/^[0-9a-f]{32}$/) as string });
  });

  test('a token that nobody made fails to verify and may not list zones', async () => {
    const stranger = sdkFor(provider, 'not-a-token');

    expect(await refusal(stranger.user.tokens.verify())).toBe('401 1000');
    expect(await refusal(stranger.zones.list({ name: zoneName }))).toBe('403 9109');
  });

  test("an account's token fails to verify, and works", async () => {
    const account = sdkFor(provider, tokens.account.value);

    expect(await refusal(account.user.tokens.verify())).toBe('401 1000');
    expect((await account.zones.list({ name: zoneName })).result).toHaveLength(1);
  });

  test('a header that is no token is malformed, a missing one is missing', async () => {
    expect(await raw('/zones', 'Bearer no good')).toMatchObject({
      status: 400,
      body: { success: false, errors: [{ code: 6003, error_chain: [{ code: 6111 }] }] },
    });
    expect(await raw('/zones')).toMatchObject({ status: 400, body: { errors: [{ code: 9106 }] } });
  });

  test('a token that may only read is refused every write', async () => {
    const reader = sdkFor(provider, tokens.read.value);
    const record = await provider.add({ type: 'TXT', name: 'read-only', content: 'x' });

    expect((await reader.dns.records.list({ zone_id, name: { exact: record.name } })).result).toHaveLength(1);
    expect(
      await refusal(reader.dns.records.create({ zone_id, type: 'TXT', name: 'new', content: 'x', ttl: 60 })),
    ).toBe('403 10000');
    expect(await refusal(reader.dns.records.delete(record.id, { zone_id }))).toBe('403 10000');
  });
});

describe('zones', () => {
  test('a zone is found by its exact name alone', async () => {
    const client = sdkFor(provider);

    expect((await client.zones.list({ name: zoneName })).result).toMatchObject([
      { id: zone_id, status: 'active' },
    ]);
    expect((await client.zones.list({ name: `deep.${zoneName}` })).result).toEqual([]);
    expect(await client.zones.get({ zone_id })).toMatchObject({
      name: zoneName,
      name_servers: [`ns1.${zoneName}`],
    });
  });

  test('a token for another zone sees nothing of this one', async () => {
    const other = sdkFor(provider, tokens.other.value);

    expect((await other.zones.list()).result.map(({ name }) => name)).toEqual(['other.test']);
    expect((await other.zones.list({ name: zoneName })).result).toEqual([]);
    expect(await refusal(other.dns.records.list({ zone_id }))).toBe('403 9109');
  });

  test('a look-up of an unseen zone can be refused instead', async () => {
    expect(await refusal(sdkFor(provider, tokens.forbidden.value).zones.list({ name: zoneName }))).toBe(
      '403 0',
    );
  });

  test('an unknown zone cannot be routed to', async () => {
    expect(await refusal(sdkFor(provider).dns.records.list({ zone_id: 'f'.repeat(32) }))).toBe('404 7003');
  });
});

describe('records', () => {
  test('a record is made, read, changed in part and in whole, and removed', async () => {
    const { records } = sdkFor(provider).dns;
    const at = { zone_id };
    const made = await records.create({
      ...at,
      type: 'A',
      name: `life.${zoneName}`,
      content: '192.0.2.1',
      ttl: 60,
      proxied: false,
      comment: 'ours',
    });

    expect(made).toMatchObject({
      name: `life.${zoneName}`,
      content: '192.0.2.1',
      ttl: 60,
      proxied: false,
      comment: 'ours',
    });
    expect(await records.get(made.id, at)).toEqual(made);

    const edited = await records.edit(made.id, {
      ...at,
      type: 'A',
      name: made.name,
      ttl: 60,
      content: '192.0.2.2',
    });
    expect(edited).toMatchObject({ id: made.id, content: '192.0.2.2', comment: 'ours' });

    const put = await records.update(made.id, {
      ...at,
      type: 'A',
      name: made.name,
      ttl: 120,
      content: '192.0.2.3',
    });
    expect(put).toMatchObject({ id: made.id, content: '192.0.2.3', ttl: 120, comment: null });

    expect(await records.delete(made.id, at)).toEqual({ id: made.id });
    expect(await refusal(records.get(made.id, at))).toBe('404 81044');
    expect(await refusal(records.delete(made.id, at))).toBe('404 81044');
  });

  test('relative names and @ belong to the zone, and names are kept in lower case', async () => {
    const { records } = sdkFor(provider).dns;
    const named = async (name: string) =>
      (await records.create({ zone_id, type: 'TXT', name, content: `"${name}"`, ttl: 1 })).name;

    expect(await named('Relative')).toBe(`relative.${zoneName}`);
    expect(await named('@')).toBe(zoneName);
  });

  test('an identical record is a duplicate however its value is quoted; another value is not', async () => {
    const { records } = sdkFor(provider).dns;
    const txt = (content: string) =>
      records.create({ zone_id, type: 'TXT', name: 'twice', content, ttl: 60 });
    await txt('"one"');

    expect(await refusal(txt('one'))).toBe('400 81058');
    expect(await refusal(txt('two'))).toBe('no error');
  });

  test('an address and an alias cannot share a name', async () => {
    const { records } = sdkFor(provider).dns;
    await provider.add({ type: 'A', name: 'address', content: '192.0.2.1' });
    await provider.add({ type: 'CNAME', name: 'alias', content: zoneName });

    const alias = records.create({ zone_id, type: 'CNAME', name: 'address', content: zoneName, ttl: 60 });
    expect(await refusal(alias)).toBe('400 81053');
    const address = records.create({ zone_id, type: 'A', name: 'alias', content: '192.0.2.1', ttl: 60 });
    expect(await refusal(address)).toBe('400 81054');
  });

  test('values that a type cannot have are refused with the code for that type', async () => {
    const { records } = sdkFor(provider).dns;
    const make = async (fields: { type: 'A' | 'AAAA' | 'CNAME'; content: string; ttl?: number }) =>
      refusal(records.create({ zone_id, name: 'wrong', ttl: 60, ...fields }));

    expect(await make({ type: 'A', content: '192.0.2.256' })).toBe('400 9005');
    expect(await make({ type: 'AAAA', content: '192.0.2.1' })).toBe('400 9006');
    expect(await make({ type: 'CNAME', content: 'not a name' })).toBe('400 9007');
    expect(await make({ type: 'A', content: '192.0.2.1', ttl: 59 })).toBe('400 9021');
    const long = {
      zone_id,
      type: 'A',
      name: 'wrong',
      content: '192.0.2.1',
      ttl: 60,
      comment: 'x'.repeat(101),
    } as const;
    expect(await refusal(records.create(long))).toBe('400 1004');
  });
});

describe('lists', () => {
  test('filters select, and combine as all or any', async () => {
    const { records } = sdkFor(provider).dns;
    const at = `filter.${zoneName}`;
    await provider.add({ type: 'TXT', name: at, content: '"a"', comment: 'skylab-one acme' });
    await provider.add({ type: 'TXT', name: at, content: '"b"', comment: 'skylab-two' });
    await provider.add({ type: 'A', name: at, content: '192.0.2.9' });
    const contents = async (query: object) =>
      (await records.list({ zone_id, name: { exact: at }, ...query })).result.map((record) => record.content);

    expect(await contents({})).toEqual(['192.0.2.9', '"a"', '"b"']);
    expect(await contents({ type: 'TXT' })).toEqual(['"a"', '"b"']);
    expect(await contents({ content: { exact: '"b"' } })).toEqual(['"b"']);
    expect(await contents({ comment: { startswith: 'skylab-one' } })).toEqual(['"a"']);
    const any = {
      zone_id,
      match: 'any',
      content: { exact: '192.0.2.9' },
      comment: { exact: 'skylab-two' },
    } as const;
    expect((await records.list(any)).result.map((record) => record.content)).toEqual(['192.0.2.9', '"b"']);
  });

  test('a short name finds nothing: filters take whole names', async () => {
    await provider.add({ type: 'TXT', name: 'whole', content: 'x' });

    expect((await sdkFor(provider).dns.records.list({ zone_id, name: { exact: 'whole' } })).result).toEqual(
      [],
    );
  });

  test('a filter that the provider does not know is refused, not ignored', async () => {
    expect(await refusal(sdkFor(provider).dns.records.list({ zone_id, search: 'x' }))).toBe('400 1004');
  });

  test('pages are honest: each record once, the totals right, an empty page behind the last', async () => {
    const { records } = sdkFor(provider).dns;
    for (let n = 0; n < 7; n += 1) {
      await provider.add({ type: 'A', name: 'paged', content: `192.0.2.${n}`, comment: 'paged' });
    }
    const query = { zone_id, comment: { exact: 'paged' }, per_page: 3 };

    const last = await records.list({ ...query, page: 3 });
    expect(last.result_info).toEqual({ page: 3, per_page: 3, count: 1, total_count: 7, total_pages: 3 });
    expect((await records.list({ ...query, page: 4 })).result).toEqual([]);
    const seen = [];
    for await (const record of records.list(query)) seen.push(record.content);
    expect(seen).toEqual([0, 1, 2, 3, 4, 5, 6].map((n) => `192.0.2.${n}`));
  });
});

describe('batches', () => {
  test('a batch carries out deletes, then patches, puts and posts', async () => {
    const { records } = sdkFor(provider).dns;
    const gone = await provider.add({ type: 'TXT', name: 'batch', content: 'same' });
    const kept = await provider.add({ type: 'TXT', name: 'batch', content: 'kept' });

    const answer = await records.batch({
      zone_id,
      deletes: [{ id: gone.id }],
      patches: [{ id: kept.id, type: 'TXT', name: kept.name, ttl: 60, comment: 'patched' }],
      posts: [{ type: 'TXT', name: 'batch', content: 'same', ttl: 60 }],
    });

    expect(answer.deletes?.map(({ id }) => id)).toEqual([gone.id]);
    expect(answer.patches?.[0]).toMatchObject({ id: kept.id, content: 'kept', comment: 'patched' });
    expect(answer.posts?.[0]?.id).not.toBe(gone.id);
  });

  test('one operation that is refused undoes the whole batch', async () => {
    const before = provider.records();
    const [first] = before;

    const call = sdkFor(provider).dns.records.batch({
      zone_id,
      deletes: [{ id: first?.id ?? '' }],
      posts: [{ type: 'A', name: 'half', content: 'nonsense', ttl: 60 }],
    });

    expect(await refusal(call)).toBe('400 9005');
    expect(provider.records()).toEqual(before);
  });
});
