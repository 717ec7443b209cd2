import { createApp } from '../../../../sandbox/pocket-id/app.ts';
import { createOpaqueTokens } from '../../../../sandbox/pocket-id/opaque-token.ts';
import { readOptions } from '../../../../sandbox/pocket-id/options.ts';
import { createRateLimiter } from '../../../../sandbox/pocket-id/rate-limit.ts';
import { loadSigningKey } from '../../../../sandbox/pocket-id/signing-key.ts';
import { createMemoryStore, type Contents } from './memory-store.ts';
import type { Fetch } from './http.ts';

export const apiKey = 'static-api-key-of-the-tests';
const encryptionKey = 'encryption-key-of-the-tests';

/** The stand-in for Pocket ID in this process, without a database. */
export interface TestPocketId {
  readonly fetch: Fetch;
  /** All that it keeps. */
  readonly contents: () => Contents;
  /** Calls it took, as `POST /api/users`. */
  readonly calls: string[];
}

// One key for all servers of a test file: making one takes longer than most tests.
const keyStore = createMemoryStore();
const signingKey = loadSigningKey(keyStore, Buffer.from(encryptionKey));

export const startPocketId = async (issuer: string, rateLimiting = false): Promise<TestPocketId> => {
  const options = readOptions({
    APP_URL: issuer,
    ENCRYPTION_KEY: encryptionKey,
    STATIC_API_KEY: apiKey,
    DB_CONNECTION_STRING: 'postgres://unused/unused',
    DISABLE_RATE_LIMITING: String(!rateLimiting),
  });
  const store = createMemoryStore();
  const now = Date.now;
  const service = {
    options,
    store,
    signingKey: await signingKey,
    opaqueTokens: createOpaqueTokens(options.encryptionKey),
    takeCall: createRateLimiter(now),
    now,
  };
  const app = createApp(service, (error) => {
    throw error;
  });
  const calls: string[] = [];
  return {
    fetch(request) {
      calls.push(`${request.method} ${new URL(request.url).pathname}`);
      return app.fetch(request, {});
    },
    contents: store.contents,
    calls,
  };
};
