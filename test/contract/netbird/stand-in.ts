import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createManagement } from '../../../sandbox/netbird/management/server.ts';
import type { Running } from '../../../sandbox/netbird/running.ts';

/** A management configuration as the stack renders it, in a folder of its own. */
export interface Workplace {
  readonly configPath: string;
  readonly dataDirectory: string;
  /** Writes management.json, with `change` on top of a whole configuration. */
  configure(change?: Readonly<Record<string, unknown>>): void;
  remove(): void;
}

/** An encryption key in the form management.json wants. */
export const newEncryptionKey = (): string => randomBytes(32).toString('base64');

/** Makes a folder under the system's temporary one, with a management.json for this issuer. */
export const openWorkplace = (issuer: {
  readonly issuer: string;
  readonly keysLocation: string;
}): Workplace => {
  const folder = mkdtempSync(join(tmpdir(), 'netbird-contract-'));
  const configPath = join(folder, 'management.json');
  const whole = {
    Stuns: [{ Proto: 'udp', URI: 'stun:turn.lab.test:3478' }],
    TURNConfig: {
      TimeBasedCredentials: true,
      CredentialsTTL: '12h',
      Secret: '{{ .TURN_SECRET }}',
      Turns: [{ Proto: 'udp', URI: 'turn:turn.lab.test:3478?transport=udp' }],
    },
    Relay: {
      Addresses: ['rels://netbird.lab.test:443'],
      CredentialsTTL: '12h',
      Secret: '{{ .RELAY_SECRET }}',
    },
    Signal: { Proto: 'https', URI: 'netbird.lab.test:443' },
    DataStoreEncryptionKey: newEncryptionKey(),
    HttpConfig: {
      AuthIssuer: issuer.issuer,
      AuthAudience: 'netbird',
      AuthKeysLocation: issuer.keysLocation,
      IdpSignKeyRefreshEnabled: true,
    },
    StoreConfig: { Engine: 'sqlite' },
  };
  const workplace: Workplace = {
    configPath,
    dataDirectory: join(folder, 'data'),
    configure: (change = {}) => writeFileSync(configPath, JSON.stringify({ ...whole, ...change })),
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
  workplace.configure();
  return workplace;
};

/** Starts the stand-in in this process on a free port of 127.0.0.1. */
export const startManagement = async (
  workplace: Workplace,
  now?: () => Date,
): Promise<Running & { readonly url: string }> => {
  const running = await createManagement({
    configPath: workplace.configPath,
    dataDirectory: workplace.dataDirectory,
    port: 0,
    host: '127.0.0.1',
    accountDomain: 'netbird.lab.test',
    dnsDomain: 'netbird.selfhosted',
    variables: { TURN_SECRET: 'turn', RELAY_SECRET: 'relay' },
    log: () => {},
    ...(now === undefined ? {} : { now }),
  });
  return { ...running, url: `http://127.0.0.1:${running.ports['main']}` };
};
