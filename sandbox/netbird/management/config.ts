import { randomBytes } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import * as z from 'zod';
import { StartError } from '../start-error.ts';
import { goDurationMs } from './go-duration.ts';
import { renderGoTemplate } from './go-template.ts';

const text = z.string().nullish();
const switchedOn = z.boolean().nullish();

const proto = z.enum(['udp', 'tcp', 'dtls', 'http', 'https'], {
  error: 'must be one of udp, tcp, dtls, http, https: without it the real server panics when a peer logs in',
});
const host = z.object({ Proto: proto, URI: z.string(), Username: text, Password: text });

const duration = z.union([z.string(), z.number()]).transform((value, context) => {
  const durationMs = goDurationMs(value);
  if (durationMs === undefined) context.addIssue(`time: invalid duration "${value}"`);
  return durationMs ?? 0;
});
const positiveDuration = duration.refine((ms) => ms > 0, {
  error: 'must be more than 0: otherwise the real server panics when the first peer syncs',
});

const schema = z.object({
  Stuns: z.array(host).nullish(),
  TURNConfig: z
    .object({
      TimeBasedCredentials: switchedOn,
      CredentialsTTL: positiveDuration,
      Secret: text,
      Turns: z.array(host).nullish(),
    })
    .nullish(),
  Relay: z
    .object({ Addresses: z.array(z.string()).nullish(), CredentialsTTL: positiveDuration, Secret: text })
    .nullish(),
  Signal: host,
  DataStoreEncryptionKey: text,
  HttpConfig: z.object(
    {
      AuthIssuer: z.string().default(''),
      AuthAudience: z.string().default(''),
      ExtraAuthAudience: text,
      AuthUserIDClaim: text,
      AuthKeysLocation: z.string().default(''),
      IdpSignKeyRefreshEnabled: switchedOn,
      OIDCConfigEndpoint: z
        .literal('', { error: 'must be empty here: the stand-in does not fetch it at start' })
        .nullish(),
    },
    { error: 'is missing: the real server panics without it' },
  ),
  IdpManagerConfig: z
    .object({
      ManagerType: z
        .enum(['', 'none'], { error: 'must be none or empty here: the stand-in has no IdP manager' })
        .nullish(),
    })
    .nullish(),
  DeviceAuthorizationFlow: z
    .object({ Provider: text, ProviderConfig: z.object({ Audience: text }).nullish() })
    .nullish(),
  StoreConfig: z.object({ Engine: text }).nullish(),
  DisableDefaultPolicy: switchedOn,
  EmbeddedIdP: z.null({ error: 'must be absent here: the stand-in has no embedded IdP' }).optional(),
});

/** What the stand-in takes from management.json. */
export interface ManagementConfig {
  readonly encryptionKey: Buffer;
  readonly issuer: string;
  readonly audiences: readonly string[];
  readonly userIdClaim: string;
  readonly keysLocation: string;
  readonly refreshKeys: boolean;
  readonly disableDefaultPolicy: boolean;
}

/**
 * Reads management.json as the real server does: first as a Go template over `variables`, then as JSON whose
 * unknown fields are ignored (names must be spelled exactly). An empty DataStoreEncryptionKey is generated and the
 * rendered document written back, which needs a writable file.
 * @throws {StartError} one line with every problem; also for the settings that the real server only panics over
 * later. Upstream: management/internals/server/config/config.go, management/cmd/management.go.
 */
export function readManagementConfig(
  path: string,
  variables: Readonly<Record<string, string | undefined>>,
): ManagementConfig {
  const document = readDocument(path, variables);
  const parsed = schema.safeParse(document);
  if (!parsed.success) {
    const problems = parsed.error.issues.map((issue) => `${issue.path.join('/')}: ${issue.message}`);
    throw new StartError(`Error: failed reading provided config file: ${path}: ${problems.join('; ')}`);
  }
  const config = parsed.data;
  refuseOtherStores(config.StoreConfig?.Engine ?? '', variables['NETBIRD_STORE_ENGINE'] ?? '');
  const http = config.HttpConfig;
  const device = config.DeviceAuthorizationFlow?.ProviderConfig?.Audience;
  return {
    encryptionKey: encryptionKeyOf(config.DataStoreEncryptionKey ?? '', path, document),
    issuer: http.AuthIssuer,
    audiences: [http.AuthAudience, http.ExtraAuthAudience ?? '', device ?? ''].filter((one) => one !== ''),
    userIdClaim: http.AuthUserIDClaim || 'sub',
    keysLocation: http.AuthKeysLocation,
    refreshKeys: http.IdpSignKeyRefreshEnabled ?? false,
    disableDefaultPolicy: config.DisableDefaultPolicy ?? false,
  };
}

function readDocument(path: string, variables: Readonly<Record<string, string | undefined>>): object {
  try {
    const document: unknown = JSON.parse(renderGoTemplate(readFileSync(path, 'utf8'), variables));
    if (typeof document === 'object' && document !== null) return document;
    throw new StartError('wanted a JSON object');
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new StartError(`Error: failed reading provided config file: ${path}: ${why}`);
  }
}

function refuseOtherStores(configured: string, fromEnvironment: string): void {
  const engine = configured || fromEnvironment || 'sqlite';
  if (engine !== 'sqlite') {
    throw new StartError(`failed to create store: unsupported kind of store: ${engine} (here only sqlite)`);
  }
}

function encryptionKeyOf(configured: string, path: string, document: object): Buffer {
  if (configured === '') return writeNewKey(path, document);
  const key = Buffer.from(configured, 'base64');
  if (key.toString('base64') !== configured) {
    throw new StartError('failed to create field encryptor: decode encryption key: illegal base64 data');
  }
  if (key.length !== 32) {
    throw new StartError(
      `failed to create field encryptor: encryption key must be 32 bytes, got ${key.length}`,
    );
  }
  return key;
}

function writeNewKey(path: string, document: object): Buffer {
  const key = randomBytes(32);
  const withKey = { ...document, DataStoreEncryptionKey: key.toString('base64') };
  try {
    writeFileSync(path, `${JSON.stringify(withKey, undefined, 4)}\n`);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new StartError(
      `Error: failed reading provided config file: ${path}: failed to save config with new encryption key: ${why}`,
    );
  }
  return key;
}
