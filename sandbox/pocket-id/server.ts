import { Server } from 'node:http';

import { createAdaptorServer } from '@hono/node-server';

import { createApp } from './app.ts';
import { openDatabase } from './database.ts';
import { createOpaqueTokens } from './opaque-token.ts';
import type { PocketIdOptions } from './options.ts';
import { createRateLimiter } from './rate-limit.ts';
import { loadSigningKey } from './signing-key.ts';
import { createStore } from './store.ts';

/** A running stand-in. */
export interface PocketId {
  /** Answers a request without a network; its caller has no address. */
  fetch(request: Request): Promise<Response>;
  /** Serves HTTP; port 0 takes a free one. Resolves to the port. */
  listen(at: { readonly host: string; readonly port: number }): Promise<number>;
  /** Ends all connections, to callers and to the database. */
  close(): Promise<void>;
}

interface Surroundings {
  /** Milliseconds since 1970; the system's clock unless given. */
  readonly now?: () => number;
  /** Told of every answer with status 500; silent unless given. */
  readonly report?: (error: Error) => void;
}

const listenOn = (server: Server, at: { readonly host: string; readonly port: number }): Promise<number> =>
  new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(at.port, at.host, () => {
      const address = server.address();
      resolve(typeof address === 'object' && address !== null ? address.port : at.port);
    });
  });

/**
 * Starts a stand-in for Pocket ID v2.14.0 on its PostgreSQL database.
 * @throws StartError when the database is away, newer or foreign, or its key is sealed with another ENCRYPTION_KEY
 */
export const createPocketId = async (
  options: PocketIdOptions,
  { now = Date.now, report = () => undefined }: Surroundings = {},
): Promise<PocketId> => {
  const store = createStore(await openDatabase(options.databaseUrl));
  const signingKey = await loadSigningKey(store, options.encryptionKey).catch(async (error: unknown) => {
    await store.close();
    throw error;
  });
  const service = {
    options,
    store,
    signingKey,
    opaqueTokens: createOpaqueTokens(options.encryptionKey),
    takeCall: createRateLimiter(now),
    now,
  };
  const app = createApp(service, report);
  const server = createAdaptorServer({ fetch: app.fetch });
  if (!(server instanceof Server)) throw new TypeError('expected an HTTP/1.1 server');
  return {
    fetch: async (request) => app.fetch(request, {}),
    listen: (at) => listenOn(server, at),
    close: async () => {
      await new Promise((resolve) => {
        server.close(resolve);
        server.closeAllConnections();
      });
      await store.close();
    },
  };
};
