import { openIssuer, type TestIssuer } from './issuer.ts';
import { openWorkplace, startManagement } from './stand-in.ts';

/*
 * How to run this suite on a real NetBird management server instead of the stand-in:
 *
 *   1. Choose a port for the issuer of the tests, say 39001, and write a management.json with
 *        "HttpConfig": { "AuthIssuer": "http://127.0.0.1:39001", "AuthAudience": "netbird",
 *                        "AuthKeysLocation": "http://127.0.0.1:39001/.well-known/jwks.json",
 *                        "IdpSignKeyRefreshEnabled": true }
 *      and "StoreConfig": { "Engine": "sqlite" }. DisableDefaultPolicy must be off.
 *   2. Start management 0.77.1 on an empty data directory, with NB_DISABLE_GEOLOCATION=true in its environment and
 *        --single-account-mode-domain netbird.lab.test --dns-domain netbird.selfhosted --disable-anonymous-metrics
 *      It warns that the keys cannot be fetched yet, and fetches them at the first token.
 *   3. SKYLAB_CONTRACT_NETBIRD_URL=http://127.0.0.1:<its port> SKYLAB_CONTRACT_NETBIRD_ISSUER_PORT=39001 \
 *        npx vitest run --project contract test/contract/netbird
 *
 * One run per data directory: the recordings begin with a server nobody has signed in to. Further variables:
 * SKYLAB_CONTRACT_NETBIRD_VERSION (what the server calls itself, 0.77.1 unless said otherwise),
 * SKYLAB_CONTRACT_NETBIRD_SIGNAL_URL, SKYLAB_CONTRACT_NETBIRD_RELAY_URL and SKYLAB_CONTRACT_NETBIRD_RELAY_HEALTH_URL
 * (http:// each) add those servers to the probes.
 */
const environment = process.env;

/** The management server under test and the issuer it trusts. */
export interface Target {
  readonly kind: 'stand-in' | 'real server';
  readonly url: string;
  readonly version: string;
  readonly issuer: TestIssuer;
  close(): Promise<void>;
}

/** Opens the issuer and, unless a real server is named, starts the stand-in in this process. */
export const openTarget = async (): Promise<Target> => {
  const realUrl = environment['SKYLAB_CONTRACT_NETBIRD_URL'];
  if (realUrl !== undefined) {
    const issuer = await openIssuer(Number(environment['SKYLAB_CONTRACT_NETBIRD_ISSUER_PORT']));
    const url = realUrl.replace(/\/+$/, '');
    const version = environment['SKYLAB_CONTRACT_NETBIRD_VERSION'] ?? '0.77.1';
    return { kind: 'real server', url, version, issuer, close: () => issuer.close() };
  }
  const issuer = await openIssuer(0);
  const workplace = openWorkplace(issuer);
  const management = await startManagement(workplace);
  return {
    kind: 'stand-in',
    url: management.url,
    version: '0.77.1',
    issuer,
    close: async () => {
      await management.close();
      await issuer.close();
      workplace.remove();
    },
  };
};

/** Where the other real servers are, if they are named. */
export const realProbes = {
  signalUrl: environment['SKYLAB_CONTRACT_NETBIRD_SIGNAL_URL'],
  relayUrl: environment['SKYLAB_CONTRACT_NETBIRD_RELAY_URL'],
  relayHealthUrl: environment['SKYLAB_CONTRACT_NETBIRD_RELAY_HEALTH_URL'],
};
