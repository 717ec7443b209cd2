import { readOptions } from '../../../sandbox/pocket-id/options.ts';
import { createPocketId, type PocketId } from '../../../sandbox/pocket-id/server.ts';

export const standInKey = 'contract-static-api-key';
const standInEncryptionKey = 'contract-encryption-key-0123456789';

export interface RunningStandIn {
  readonly base: string;
  readonly pocketId: PocketId;
}

/** Starts a stand-in in this process on a free port; `environment` adds to or replaces the usual variables. */
export const startStandIn = async (
  databaseUrl: string,
  environment: Readonly<Record<string, string>> = {},
  now?: () => number,
): Promise<RunningStandIn> => {
  const options = readOptions({
    APP_URL: 'https://id.lab.test',
    ENCRYPTION_KEY: standInEncryptionKey,
    DB_CONNECTION_STRING: databaseUrl,
    STATIC_API_KEY: standInKey,
    TRUST_PROXY: '127.0.0.1',
    ...environment,
  });
  const pocketId = await createPocketId(options, now === undefined ? {} : { now });
  const port = await pocketId.listen({ host: '127.0.0.1', port: 0 });
  return { base: `http://127.0.0.1:${port}`, pocketId };
};
