import type { HttpBindings } from '@hono/node-server';
import { Hono, type Context } from 'hono';
import * as z from 'zod';
import type { Change } from './changes.ts';
import { ApiRefusal, failed, succeeded } from './envelope.ts';
import type { Faults } from './faults.ts';
import { withFaults } from './http-faults.ts';
import { pageOf, selectRecords } from './list.ts';
import { shownRecord, type DnsRecord } from './record.ts';
import { bearerOf, identifierOf, mustEdit, seesZone, zoneListForbidden, type Token } from './tokens.ts';
import type { Zone } from './zones.ts';

interface Parts {
  readonly zones: readonly Zone[];
  readonly tokens: readonly Token[];
  readonly nameServers: (zoneName: string) => readonly string[];
  readonly faults: Faults;
  readonly closed: AbortSignal;
}

const batchBody = z.object({
  deletes: z.array(z.object({ id: z.string() })).default([]),
  patches: z.array(z.looseObject({ id: z.string() })).default([]),
  puts: z.array(z.looseObject({ id: z.string() })).default([]),
  posts: z.array(z.unknown()).default([]),
});
const maxBatch = 200;

const shownZone = (zone: Zone, parts: Parts) => ({
  id: zone.id,
  name: zone.name,
  status: 'active',
  paused: false,
  type: 'full',
  development_mode: 0,
  name_servers: parts.nameServers(zone.name),
  original_name_servers: null,
  account: { id: identifierOf('account'), name: 'sandbox' },
  owner: { id: null, type: 'user', email: null },
  meta: {},
  permissions: ['#dns_records:edit', '#dns_records:read', '#zone:read'],
});

const bodyOf = async (context: Context): Promise<unknown> => {
  try {
    return await context.req.json<unknown>();
  } catch {
    throw new ApiRefusal(400, { code: 9207, message: 'Request body is invalid.' });
  }
};

/** The records half and the zones half of the Cloudflare v4 API, as far as this stack uses them. */
export const createApi = (parts: Parts): Hono<{ Bindings: HttpBindings }> => {
  const api = new Hono<{ Bindings: HttpBindings }>();

  const tokenOf = (context: Context): Token => {
    const value = bearerOf(context.req.header('authorization'));
    const token = parts.tokens.find((one) => one.value === value);
    if (token === undefined) throw new ApiRefusal(403, { code: 9109, message: 'Invalid access token' });
    return token;
  };
  const zoneOf = (context: Context, token: Token): Zone => {
    const zone = parts.zones.find(({ id }) => id === context.req.param('zone'));
    if (zone === undefined) {
      const message = `Could not route to ${context.req.path}, perhaps your object identifier is invalid?`;
      throw new ApiRefusal(404, { code: 7003, message });
    }
    if (!seesZone(token, zone.name)) {
      throw new ApiRefusal(403, { code: 9109, message: 'Unauthorized to access requested resource' });
    }
    return zone;
  };
  const change = async (context: Context, changes: readonly Change[]): Promise<readonly DnsRecord[]> => {
    const token = tokenOf(context);
    const zone = zoneOf(context, token);
    mustEdit(token);
    return zone.change(changes);
  };
  const changeOne = async (context: Context, wanted: Change): Promise<DnsRecord> => {
    const [record] = await change(context, [wanted]);
    if (record === undefined) throw new Error('a change without a result');
    return record;
  };

  api.use(withFaults(parts.faults, parts.closed));
  api.onError((error, context) => {
    if (error instanceof ApiRefusal) return context.json(failed(error.entry), error.status);
    return context.json(failed({ code: 1000, message: `internal error: ${error.message}` }), 500);
  });
  api.notFound((context) => context.json(failed({ code: 7000, message: 'No route for that URI' }), 404));

  api.get('/user/tokens/verify', (context) => {
    const value = bearerOf(context.req.header('authorization'));
    const token = parts.tokens.find((one) => one.value === value);
    if (token === undefined || token.owner === 'account') {
      throw new ApiRefusal(401, { code: 1000, message: 'Invalid API Token' });
    }
    const messages = [{ code: 10000, message: 'This API Token is valid and active', type: null }];
    const end = token.endsOn === undefined ? {} : { expires_on: token.endsOn };
    return context.json(succeeded({ id: identifierOf(value), status: 'active', ...end }, { messages }));
  });

  api.get('/zones', (context) => {
    const token = tokenOf(context);
    const name = context.req.query('name');
    const seen = parts.zones.filter((zone) => seesZone(token, zone.name));
    const matching = name === undefined ? seen : seen.filter((zone) => zone.name === name.toLowerCase());
    if (name !== undefined && matching.length === 0 && token.outside === 'forbidden')
      throw zoneListForbidden(token);
    const { items, info } = pageOf(matching, context.req.query(), { default: 20, max: 50 });
    return context.json(
      succeeded(
        items.map((zone) => shownZone(zone, parts)),
        { result_info: info },
      ),
    );
  });

  api.get('/zones/:zone', (context) =>
    context.json(succeeded(shownZone(zoneOf(context, tokenOf(context)), parts))),
  );

  api.get('/zones/:zone/dns_records', (context) => {
    const zone = zoneOf(context, tokenOf(context));
    const query = context.req.query();
    const { items, info } = pageOf(selectRecords(zone.state().records, query), query, {
      default: 100,
      max: 5000,
    });
    return context.json(
      succeeded(
        items.map((record) => shownRecord(record)),
        { result_info: info },
      ),
    );
  });

  api.post('/zones/:zone/dns_records', async (context) => {
    const record = await changeOne(context, { kind: 'post', fields: await bodyOf(context) });
    return context.json(succeeded(shownRecord(record)));
  });

  api.post('/zones/:zone/dns_records/batch', async (context) => {
    const parsed = batchBody.safeParse(await bodyOf(context));
    if (!parsed.success) throw new ApiRefusal(400, { code: 9207, message: 'Request body is invalid.' });
    const { deletes, patches, puts, posts } = parsed.data;
    const changes: Change[] = [
      ...deletes.map(({ id }) => ({ kind: 'delete' as const, id })),
      ...patches.map((fields) => ({ kind: 'patch' as const, id: fields.id, fields })),
      ...puts.map((fields) => ({ kind: 'put' as const, id: fields.id, fields })),
      ...posts.map((fields) => ({ kind: 'post' as const, fields })),
    ];
    if (changes.length > maxBatch) {
      throw new ApiRefusal(400, { code: 9300, message: `A batch may hold at most ${maxBatch} operations.` });
    }
    const results = await change(context, changes);
    const shown = (kind: Change['kind']) =>
      results.filter((_, index) => changes[index]?.kind === kind).map((record) => shownRecord(record));
    return context.json(
      succeeded({
        deletes: shown('delete'),
        patches: shown('patch'),
        puts: shown('put'),
        posts: shown('post'),
      }),
    );
  });

  api.get('/zones/:zone/dns_records/:record', (context) => {
    const zone = zoneOf(context, tokenOf(context));
    const record = zone.state().records.find(({ id }) => id === context.req.param('record'));
    if (record === undefined) throw new ApiRefusal(404, { code: 81044, message: 'Record does not exist.' });
    return context.json(succeeded(shownRecord(record)));
  });

  api.put('/zones/:zone/dns_records/:record', async (context) => {
    const fields = await bodyOf(context);
    const record = await changeOne(context, { kind: 'put', id: context.req.param('record'), fields });
    return context.json(succeeded(shownRecord(record)));
  });

  api.patch('/zones/:zone/dns_records/:record', async (context) => {
    const fields = z.record(z.string(), z.unknown()).parse(await bodyOf(context));
    const record = await changeOne(context, { kind: 'patch', id: context.req.param('record'), fields });
    return context.json(succeeded(shownRecord(record)));
  });

  api.delete('/zones/:zone/dns_records/:record', async (context) => {
    const record = await changeOne(context, { kind: 'delete', id: context.req.param('record') });
    return context.json(succeeded({ id: record.id }));
  });

  return api;
};
