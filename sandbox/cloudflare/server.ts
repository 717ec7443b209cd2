import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { createAdaptorServer, type HttpBindings } from '@hono/node-server';
import { Hono } from 'hono';
import type { ContentfulStatusCode } from 'hono/utils/http-status';
import * as z from 'zod';
import { exists } from '../../src/shared/files.ts';
import { createApi } from './api.ts';
import { ensureCertificates } from './certificates.ts';
import type { DuplicateCode } from './changes.ts';
import type { ServedZone } from './dns-answers.ts';
import { startDnsServer, type DnsServer } from './dns-server.ts';
import { createFaults, type Faults, type FaultSet } from './faults.ts';
import type { DnsRecord, RecordFields } from './record.ts';
import type { Token } from './tokens.ts';
import { openZones } from './zones.ts';

export interface CloudflareOptions {
  /** Names of the zones; at least one. */
  readonly zones: readonly [string, ...string[]];
  readonly tokens: readonly Token[];
  /** Address the API listens on, and the name servers where they name none. Default 127.0.0.1. */
  readonly host?: string;
  /** Default 0: any free port. */
  readonly apiPort?: number;
  /** Name servers over the same zones; default one on any free port. */
  readonly nameServers?: readonly {
    readonly host?: string;
    readonly port?: number;
    /** Default `ns<number>.<zone>`. */
    readonly name?: string;
  }[];
  /** What `ns1.<zone>` resolves to. Default: the address the server listens on. */
  readonly nameServerAddress?: string;
  /** Folder in which the records outlive the process. */
  readonly dataDir?: string;
  /** Folder for the HTTPS identity of the private CA; left out: none is made. */
  readonly caDir?: string;
  /** Which code a duplicate gets: both are in use. Default 81058. */
  readonly duplicateCode?: DuplicateCode;
  /** The address that `/cdn-cgi/trace` tells a caller it comes from. Default: the truth. */
  readonly publicAddress?: string;
  readonly faults?: FaultSet;
}

/** One call that reached the API. */
interface SeenCall {
  readonly method: string;
  /** Path below `/client/v4`, with its query. */
  readonly path: string;
  /** Names of all its headers, in lower case. */
  readonly headers: readonly string[];
}

export interface Cloudflare {
  /** Base URL of the API, for the SDK's `baseURL`. */
  readonly apiUrl: string;
  readonly apiPort: number;
  /** Port of the first name server. */
  readonly dnsPort: number;
  readonly nameServers: readonly { readonly host: string; readonly port: number }[];
  readonly zone: { readonly id: string; readonly name: string };
  /** The records of a zone; default the first. */
  readonly records: (zoneName?: string) => readonly DnsRecord[];
  /** Puts a record of another maker there, past the API. */
  readonly add: (
    fields: Partial<RecordFields> & Pick<RecordFields, 'name' | 'type' | 'content'>,
  ) => Promise<DnsRecord>;
  readonly calls: () => readonly SeenCall[];
  readonly faults: Faults;
  readonly close: () => Promise<void>;
}

const base = '/client/v4';
const caFiles = ['ca.pem', 'pebble.pem', 'pebble-key.pem'];

const isLoopback = (address: string | undefined): boolean =>
  address !== undefined && /^(127\.|::1$|::ffff:127\.)/.test(address);

/** Address under which a server that listens on `host` is reached from here. */
const reachable = (host: string): string => (host === '0.0.0.0' || host === '::' ? '127.0.0.1' : host);

/** Starts the DNS provider: its API and its authoritative name servers over the same records. */
export const startCloudflare = async (options: CloudflareOptions): Promise<Cloudflare> => {
  const host = options.host ?? '127.0.0.1';
  const stop = new AbortController();
  const faults = createFaults();
  faults.set(options.faults ?? {});
  const ca = options.caDir === undefined ? undefined : await ensureCertificates(options.caDir, Date.now());
  const zones = await openZones({
    names: options.zones.map((name) => name.toLowerCase()),
    duplicateCode: options.duplicateCode ?? 81058,
    ...(options.dataDir === undefined ? {} : { dataDir: options.dataDir }),
  });
  const [zone] = zones;
  if (zone === undefined) throw new Error('a DNS provider needs at least one zone');

  const wanted = options.nameServers ?? [{}];
  const nameServersOf = (zoneName: string) =>
    wanted.map((server, index) => ({
      name: server.name ?? `ns${index + 1}.${zoneName}`,
      address: options.nameServerAddress ?? reachable(server.host ?? host),
    }));
  const servedAt = (atMs: number | undefined): readonly ServedZone[] =>
    zones.map((one) => ({
      name: one.name,
      nameServers: nameServersOf(one.name),
      ...(atMs === undefined ? one.state() : one.stateAt(atMs)),
    }));
  const dnsServers: DnsServer[] = [];
  for (const [index, server] of wanted.entries()) {
    const place = { host: server.host ?? host, port: server.port ?? 0, index };
    dnsServers.push(await startDnsServer({ ...place, zones: servedAt, faults }));
  }

  const calls: SeenCall[] = [];
  const app = new Hono<{ Bindings: HttpBindings }>();
  app.use(`${base}/*`, async (context, next) => {
    const url = new URL(context.req.url);
    calls.push({
      method: context.req.method,
      path: `${url.pathname.slice(base.length)}${url.search}`,
      headers: [...context.req.raw.headers.keys()],
    });
    await next();
  });
  app.route(
    base,
    createApi({
      zones,
      tokens: options.tokens,
      nameServers: (name) => nameServersOf(name).map((server) => server.name),
      faults,
      closed: stop.signal,
    }),
  );
  app.get('/cdn-cgi/trace', (context) => {
    const { address = options.publicAddress, status, retryAfter } = faults.trace();
    const headers: Record<string, string> = retryAfter === undefined ? {} : { 'retry-after': retryAfter };
    return status === undefined
      ? context.text(`ip=${address ?? context.env.incoming.socket.remoteAddress ?? ''}\nvisit_scheme=http\n`)
      : context.body('<html></html>', status as ContentfulStatusCode, headers);
  });
  app.get('/healthz', async (context) => {
    const directory = options.caDir;
    const there =
      directory === undefined
        ? []
        : await Promise.all(caFiles.map(async (name) => exists(join(directory, name))));
    return there.every(Boolean) ? context.text('ok\n') : context.text('the files of the CA are gone\n', 503);
  });
  app.get('/sandbox/pebble-ca.pem', (context) =>
    ca === undefined
      ? context.notFound()
      : context.body(ca, 200, { 'content-type': 'application/x-pem-file' }),
  );
  app.use('/sandbox/faults', async (context, next) => {
    if (!isLoopback(context.env.incoming.socket.remoteAddress))
      return context.text('only from this machine itself\n', 403);
    await next();
    return undefined;
  });
  app.get('/sandbox/faults', (context) => context.json(faults.shown()));
  app.put('/sandbox/faults', async (context) => {
    try {
      faults.set(await context.req.json<FaultSet>());
    } catch (error) {
      return context.text(
        error instanceof z.ZodError ? z.prettifyError(error) : 'the body is not JSON\n',
        400,
      );
    }
    return context.json(faults.shown());
  });
  app.delete('/sandbox/faults', (context) => {
    faults.clear();
    return context.json(faults.shown());
  });

  const server = createAdaptorServer({ fetch: app.fetch, overrideGlobalObjects: false });
  server.listen(options.apiPort ?? 0, host);
  await once(server, 'listening');
  const { port: apiPort } = server.address() as AddressInfo;

  return {
    apiUrl: `http://${reachable(host)}:${apiPort}${base}`,
    apiPort,
    dnsPort: dnsServers[0]?.port ?? 0,
    nameServers: dnsServers.map((one) => ({ host: one.host, port: one.port })),
    zone: { id: zone.id, name: zone.name },
    records: (zoneName = zone.name) => zones.find((one) => one.name === zoneName)?.state().records ?? [],
    async add(fields) {
      const [record] = await zone.change([{ kind: 'post', fields }]);
      if (record === undefined) throw new Error('a change without a result');
      return record;
    },
    calls: () => calls,
    faults,
    async close() {
      stop.abort();
      const closed = once(server, 'close');
      server.close();
      if ('closeAllConnections' in server) server.closeAllConnections();
      await Promise.all([closed, ...dnsServers.map(async (one) => one.close())]);
    },
  };
};
