import { readFile } from 'node:fs/promises';
import * as z from 'zod';
import { startCloudflare } from './server.ts';

const port = (otherwise: number) => z.coerce.number().int().min(0).max(65_535).default(otherwise);

/** The environment of the process; the token comes as text or, better, in a file. */
const environment = z.object({
  API_PORT: port(18_787),
  DNS_PORT: port(15_353),
  HOST: z.string().default('0.0.0.0'),
  ZONE: z.string().min(1),
  TOKEN: z.string().optional(),
  TOKEN_FILE: z.string().optional(),
  /** What the zone's own name server, `ns1.<zone>`, resolves to. */
  ADDRESS_FOR_ZONE: z.string().optional(),
  /** What `/cdn-cgi/trace` tells everybody, until it is told another address. */
  PUBLIC_ADDRESS: z.string().optional(),
  DATA_DIR: z.string().optional(),
  CA_DIR: z.string().optional(),
});

const env = environment.parse(process.env);
const token = (
  env.TOKEN_FILE === undefined ? (env.TOKEN ?? '') : await readFile(env.TOKEN_FILE, 'utf8')
).trim();
if (token === '') throw new Error('set TOKEN_FILE or TOKEN to the token that clients of the API use');

const provider = await startCloudflare({
  zones: [env.ZONE],
  tokens: [{ value: token }],
  host: env.HOST,
  apiPort: env.API_PORT,
  nameServers: [{ port: env.DNS_PORT }],
  ...(env.ADDRESS_FOR_ZONE === undefined ? {} : { nameServerAddress: env.ADDRESS_FOR_ZONE }),
  ...(env.PUBLIC_ADDRESS === undefined ? {} : { publicAddress: env.PUBLIC_ADDRESS }),
  ...(env.DATA_DIR === undefined ? {} : { dataDir: env.DATA_DIR }),
  ...(env.CA_DIR === undefined ? {} : { caDir: env.CA_DIR }),
});
process.stdout.write(`zone ${provider.zone.name}: API ${provider.apiUrl}, DNS port ${provider.dnsPort}\n`);

for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  process.once(signal, () => {
    void provider.close().finally(() => process.exit(0));
  });
}
