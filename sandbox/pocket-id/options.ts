import { readFileSync } from 'node:fs';

import { type TrustedProxies, parseTrustedProxies } from './client-address.ts';
import { StartError } from './start-error.ts';

type Environment = Readonly<Record<string, string | undefined>>;

/** The application settings that `GET /api/application-configuration` shows and that something here acts on. */
interface AppConfig {
  readonly appName: string;
  readonly homePageUrl: string;
  readonly accentColor: string;
  readonly disableAnimations: boolean;
  readonly allowOwnAccountEdit: boolean;
  readonly allowUserSignups: string;
  readonly requireUserEmail: boolean;
  readonly uiConfigDisabled: boolean;
  readonly sessionDurationMinutes: number;
}

/** All that the environment decides, with the names and rules of Pocket ID v2.14.0. */
export interface PocketIdOptions {
  /** Issuer: lower case, no path, no trailing slash. */
  readonly appUrl: string;
  /** Base of the addresses that only servers call; `appUrl` unless set. */
  readonly internalAppUrl: string;
  readonly encryptionKey: Uint8Array;
  readonly databaseUrl: string;
  readonly staticApiKey: string | undefined;
  readonly trustedProxies: TrustedProxies;
  readonly rateLimiting: boolean;
  readonly appConfig: AppConfig;
}

const minSecretLength = 16;

const flag = (environment: Environment, name: string, fallback: boolean): boolean => {
  const value = environment[name];
  if (value === undefined || value === '') return fallback;
  if (['1', 't', 'T', 'true', 'TRUE', 'True'].includes(value)) return true;
  if (['0', 'f', 'F', 'false', 'FALSE', 'False'].includes(value)) return false;
  throw new StartError(`${name} is ${JSON.stringify(value)}, wanted true or false`);
};

const secretBytes = (environment: Environment, name: string): Buffer | undefined => {
  const path = environment[`${name}_FILE`];
  if (path !== undefined && path !== '') {
    try {
      return readFileSync(path);
    } catch (error) {
      throw new StartError(`${name}_FILE: cannot read ${path}`, { cause: error });
    }
  }
  const value = environment[name];
  return value === undefined || value === '' ? undefined : Buffer.from(value, 'utf8');
};

const secretText = (environment: Environment, name: string): string | undefined =>
  secretBytes(environment, name)?.toString('utf8').trim();

const readAppUrl = (name: string, value: string): string => {
  const text = value.toLowerCase().replace(/\/+$/, '');
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined)
    throw new StartError(
      `${name} is ${JSON.stringify(value)}, wanted an address such as https://id.example.org`,
    );
  if (url.pathname !== '/' || url.search !== '' || url.hash !== '')
    throw new StartError(`${name} is ${JSON.stringify(value)}, wanted an address without a path`);
  return text;
};

const readEncryptionKey = (environment: Environment): Buffer => {
  // Not trimmed: a newline at the end of the file is part of the key.
  const key = secretBytes(environment, 'ENCRYPTION_KEY');
  if (key === undefined || key.length < minSecretLength)
    throw new StartError(`ENCRYPTION_KEY has ${key?.length ?? 0} bytes, wanted at least ${minSecretLength}`);
  return key;
};

const readDatabaseUrl = (environment: Environment): string => {
  const url = secretText(environment, 'DB_CONNECTION_STRING') ?? '';
  if (!/^postgres(ql)?:\/\//.test(url))
    throw new StartError(
      'DB_CONNECTION_STRING does not begin with postgres:// or postgresql://: the real server would silently use SQLite, the stand-in has only PostgreSQL',
    );
  return url;
};

const readStaticApiKey = (environment: Environment): string | undefined => {
  const key = secretText(environment, 'STATIC_API_KEY');
  if (key !== undefined && key.length < minSecretLength)
    throw new StartError(`STATIC_API_KEY has ${key.length} characters, wanted at least ${minSecretLength}`);
  return key;
};

const readSessionDurationMinutes = (value: string | undefined): number => {
  if (value === undefined) return 60;
  if (!/^[1-9]\d{0,6}$/.test(value))
    throw new StartError(`SESSION_DURATION is ${JSON.stringify(value)}, wanted minutes`);
  return Number(value);
};

/** Settings come from the environment only with UI_CONFIG_DISABLED=true; else they are the built-in ones. */
const readAppConfig = (environment: Environment): AppConfig => {
  const uiConfigDisabled = flag(environment, 'UI_CONFIG_DISABLED', false);
  const given = uiConfigDisabled ? environment : {};
  const allowUserSignups = given['ALLOW_USER_SIGNUPS'] ?? 'disabled';
  if (!['disabled', 'withToken', 'open'].includes(allowUserSignups))
    throw new StartError(
      `ALLOW_USER_SIGNUPS is ${JSON.stringify(allowUserSignups)}, wanted disabled, withToken or open`,
    );
  return {
    appName: given['APP_NAME'] ?? 'Pocket ID',
    homePageUrl: given['HOME_PAGE_URL'] ?? '/settings/account',
    accentColor: given['ACCENT_COLOR'] ?? 'default',
    disableAnimations: flag(given, 'DISABLE_ANIMATIONS', false),
    allowOwnAccountEdit: flag(given, 'ALLOW_OWN_ACCOUNT_EDIT', true),
    allowUserSignups,
    requireUserEmail: flag(given, 'REQUIRE_USER_EMAIL', true),
    uiConfigDisabled,
    sessionDurationMinutes: readSessionDurationMinutes(given['SESSION_DURATION']),
  };
};

/**
 * Options from environment variables; unknown ones are ignored as the real server ignores them.
 * @throws StartError naming the first variable that is wrong; never its value where that is a secret
 */
export const readOptions = (environment: Environment): PocketIdOptions => {
  const appUrl = readAppUrl('APP_URL', environment['APP_URL'] ?? 'http://localhost:1411');
  return {
    appUrl,
    internalAppUrl: readAppUrl('INTERNAL_APP_URL', environment['INTERNAL_APP_URL'] ?? appUrl),
    encryptionKey: readEncryptionKey(environment),
    databaseUrl: readDatabaseUrl(environment),
    staticApiKey: readStaticApiKey(environment),
    trustedProxies: parseTrustedProxies(environment['TRUST_PROXY'] ?? ''),
    rateLimiting: !flag(environment, 'DISABLE_RATE_LIMITING', false),
    appConfig: readAppConfig(environment),
  };
};
