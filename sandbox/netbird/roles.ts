import { createDashboard } from './dashboard.ts';
import { boolean, listenAddressFrom, parseFlags, portFrom, refused, value, type FlagTable } from './flags.ts';
import { createManagement } from './management/server.ts';
import { createRelay } from './relay.ts';
import type { Log, Running } from './running.ts';
import { createSignal } from './signal.ts';
import { StartError } from './start-error.ts';

type Variables = Readonly<Record<string, string | undefined>>;
type StartRole = (args: readonly string[], variables: Variables, log: Log) => Promise<Running>;

const noTls = 'the stand-in has no TLS of its own';
const tlsFlags: FlagTable = {
  'letsencrypt-domain': refused('value', noTls),
  'cert-file': refused('value', noTls),
  'cert-key': refused('value', noTls),
};
const logFlags: FlagTable = { 'log-file': value, 'log-level': value, 'metrics-port': value };

const managementFlags: FlagTable = {
  ...logFlags,
  ...tlsFlags,
  port: value,
  config: value,
  datadir: value,
  'single-account-mode-domain': value,
  'dns-domain': value,
  'idp-sign-key-refresh-enabled': boolean,
  'disable-anonymous-metrics': boolean,
  'disable-geolite-update': boolean,
  'disable-legacy-port': boolean,
  'user-delete-from-idp': boolean,
  'disable-single-account-mode': refused('boolean', 'the stand-in keeps one account'),
};

const signalFlags: FlagTable = { ...logFlags, ...tlsFlags, port: value };

/** Starts one role from its command line and environment, which are those of the real program's image. */
export const roles: Readonly<Record<string, StartRole>> = {
  management: async (args, variables, log) => {
    const flags = parseFlags(args, managementFlags);
    return createManagement({
      configPath: flags['config'] ?? '/etc/netbird/management.json',
      dataDirectory: flags['datadir'] ?? '/var/lib/netbird/',
      port: portFrom(flags['port'] ?? '80', '--port'),
      accountDomain: flags['single-account-mode-domain'] ?? 'netbird.selfhosted',
      dnsDomain: flags['dns-domain'] ?? 'netbird.selfhosted',
      refreshKeys: flags['idp-sign-key-refresh-enabled'] === 'true',
      variables,
      log,
    });
  },
  signal: async (args, variables) => {
    const flags = parseFlags(args, signalFlags);
    return createSignal({ port: portFrom(flags['port'] ?? variables['NB_PORT'] ?? '80', '--port') });
  },
  relay: async (args, variables, log) => {
    parseFlags(args, {});
    if (variables['NB_ENABLE_STUN'] === 'true') {
      throw new StartError('NB_ENABLE_STUN is not possible here: the stand-in has no STUN server');
    }
    const trustFile = variables['SSL_CERT_FILE'];
    return createRelay({
      exposedAddress: variables['NB_EXPOSED_ADDRESS'] ?? '',
      authSecret: variables['NB_AUTH_SECRET'] ?? '',
      listenAddress: listenAddressFrom(variables['NB_LISTEN_ADDRESS'] ?? ':443', 'NB_LISTEN_ADDRESS'),
      healthListenAddress: listenAddressFrom(
        variables['NB_HEALTH_LISTEN_ADDRESS'] ?? ':9000',
        'NB_HEALTH_LISTEN_ADDRESS',
      ),
      ...(trustFile === undefined ? {} : { trustFile }),
      log,
    });
  },
  dashboard: async (args, variables, log) => {
    parseFlags(args, {});
    return createDashboard({
      variables,
      port: 80,
      trustedDomainsFile: '/usr/share/nginx/html/OidcTrustedDomains.js',
      log,
    });
  },
};
