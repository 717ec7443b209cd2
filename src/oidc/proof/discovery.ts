import * as z from 'zod';
import type { Http } from '../../shared/http.ts';
import { broken, nothing, type Checks, type Result, type Rule } from './checks.ts';
import { readDiscovery, type Patience } from './metadata.ts';

type Metadata = Readonly<Record<string, unknown>>;
/** The keys of an issuer as it publishes them (RFC 7517). */
export type KeySet = z.output<typeof keySetSchema>;

const keySetSchema = z.object({
  keys: z.array(z.looseObject({ kty: z.string(), kid: z.string().optional(), alg: z.string().optional() })),
});

/** Where Pocket ID 2.14 has each endpoint, under the issuer. */
const endpoints = {
  authorization_endpoint: '/authorize',
  device_authorization_endpoint: '/api/oidc/device/authorize',
  end_session_endpoint: '/api/oidc/end-session',
  introspection_endpoint: '/api/oidc/introspect',
  jwks_uri: '/.well-known/jwks.json',
  pushed_authorization_request_endpoint: '/api/oidc/par',
  token_endpoint: '/api/oidc/token',
  userinfo_endpoint: '/api/oidc/userinfo',
} as const;

/** What NetBird's programs rely on: each of these must be offered. */
const offers: Readonly<Record<string, readonly string[]>> = {
  grant_types_supported: [
    'authorization_code',
    'refresh_token',
    'urn:ietf:params:oauth:grant-type:device_code',
  ],
  id_token_signing_alg_values_supported: ['RS256'],
  response_types_supported: ['code'],
  scopes_supported: ['openid', 'profile', 'email', 'groups', 'offline_access'],
  subject_types_supported: ['public'],
  token_endpoint_auth_methods_supported: ['none'],
};

const otherKeys = [
  'issuer',
  'authorization_response_iss_parameter_supported',
  'claims_supported',
  'client_id_metadata_document_supported',
  'code_challenge_methods_supported',
  'introspection_endpoint_auth_methods_supported',
  'prompt_values_supported',
  'request_object_signing_alg_values_supported',
  'request_parameter_supported',
  'request_uri_parameter_supported',
  'require_pushed_authorization_requests',
  'response_modes_supported',
  'service_documentation',
];
const allKeys = [...Object.keys(endpoints), ...Object.keys(offers), ...otherKeys];

const madeFor = 'this program is made for Pocket ID 2.14; see images/overrides in settings.yaml';
const appUrl = 'APP_URL of Pocket ID is not the issuer of the settings: npm run up restarts it';

const rules = {
  answers: {
    id: 'oidc.discovery',
    title: 'discovery answers at the public name',
    fix: 'npm run verify-tls shows whether nginx serves the name; npm run status what is up',
  },
  issuer: { id: 'oidc.issuer', title: 'the issuer is exactly the configured one', fix: appUrl },
  endpoints: {
    id: 'oidc.endpoints',
    title: 'every endpoint is where it belongs, under the issuer',
    fix: appUrl,
  },
  keys: { id: 'oidc.discovery-keys', title: 'discovery has exactly the keys we know', fix: madeFor },
  offers: { id: 'oidc.offers', title: 'all that NetBird relies on is offered', fix: madeFor },
  pkce: { id: 'oidc.pkce', title: 'PKCE is offered with S256', fix: madeFor },
  iss: { id: 'oidc.iss', title: 'answers say who gives them (RFC 9207)', fix: madeFor },
  jwks: {
    id: 'oidc.jwks',
    title: 'there is a public key for RS256, and nothing private beside it',
    fix: 'Pocket ID signs with another algorithm: pocket-id key-rotate -a RS256, then everyone signs in again',
  },
} as const satisfies Record<string, Rule>;

const textsOf = (metadata: Metadata, key: string): readonly string[] => {
  const value = metadata[key];
  return Array.isArray(value) ? value.map(String) : [];
};

const lacking = (metadata: Metadata): readonly string[] =>
  Object.entries(offers).flatMap(([key, wanted]) => {
    const offered = textsOf(metadata, key);
    return wanted.filter((one) => !offered.includes(one)).map((one) => `${key} lacks ${one}`);
  });

const minModulusBits = 2048;

const isGoodKey = (key: KeySet['keys'][number]): boolean =>
  key.kty === 'RSA' &&
  key.alg === 'RS256' &&
  key.kid !== undefined &&
  typeof key['n'] === 'string' &&
  Buffer.from(key['n'], 'base64url').length * 8 >= minModulusBits;

/** Reads what the issuer says of itself. Writes nothing. Leaves that, and its keys. */
export const checkDiscovery = async (
  { check }: Checks,
  http: Http,
  issuer: string,
  patience: Patience,
  signal: AbortSignal,
): Promise<{ readonly metadata: Result<Metadata>; readonly keys: Result<KeySet> }> => {
  const found = await check(rules.answers, nothing, async () => {
    const answer = await readDiscovery(http, issuer, patience, signal);
    const parsed = z.record(z.string(), z.unknown()).safeParse(answer.json());
    return answer.status === 200 && parsed.success
      ? { seen: `${Object.keys(parsed.data).length} keys`, value: parsed.data }
      : broken(`answered ${answer.status}, ${parsed.success ? '' : 'without a JSON object, '}wanted 200`);
  });
  await check(rules.issuer, found, (metadata) => {
    const seen = metadata['issuer'];
    return seen === issuer
      ? { seen: issuer, value: undefined }
      : broken(`issuer is ${JSON.stringify(seen)}, wanted "${issuer}"`);
  });
  await check(rules.endpoints, found, (metadata) => {
    const wrong = Object.entries(endpoints).filter(([key, path]) => metadata[key] !== `${issuer}${path}`);
    return wrong.length === 0
      ? { seen: `${Object.keys(endpoints).length} endpoints`, value: undefined }
      : broken(
          wrong
            .map(([key, path]) => `${key} is ${JSON.stringify(metadata[key])}, wanted "${issuer}${path}"`)
            .join('; '),
        );
  });
  await check(rules.keys, found, (metadata) => {
    const missing = allKeys.filter((key) => !(key in metadata)).map((key) => `${key} is missing`);
    const unknown = Object.keys(metadata)
      .filter((key) => !allKeys.includes(key))
      .map((key) => `${key} is new`);
    const wrong = [...missing, ...unknown];
    return wrong.length === 0
      ? { seen: `${allKeys.length} keys`, value: undefined }
      : broken(wrong.join('; '));
  });
  await check(rules.offers, found, (metadata) => {
    const lacks = lacking(metadata);
    return lacks.length === 0
      ? { seen: Object.keys(offers).join(', '), value: undefined }
      : broken(lacks.join('; '));
  });
  await check(rules.pkce, found, (metadata) => {
    const methods = textsOf(metadata, 'code_challenge_methods_supported');
    return methods.includes('S256')
      ? { seen: methods.join(', '), value: undefined }
      : broken(`code_challenge_methods_supported is [${methods.join(', ')}], wanted S256 in it`);
  });
  await check(rules.iss, found, (metadata) => {
    const seen = metadata['authorization_response_iss_parameter_supported'];
    return seen === true
      ? { seen: 'iss is part of every answer', value: undefined }
      : broken(`authorization_response_iss_parameter_supported is ${JSON.stringify(seen)}, wanted true`);
  });
  const keys = await check(rules.jwks, found, async () => {
    const answer = await http.call('GET', `${issuer}${endpoints.jwks_uri}`, { signal });
    const parsed = keySetSchema.safeParse(answer.json());
    if (answer.status !== 200 || !parsed.success)
      return broken(`answered ${answer.status}, wanted 200 with keys`);
    const published = parsed.data.keys;
    if (published.some((key) => 'd' in key)) return broken('a private key is published');
    const good = published.find(isGoodKey);
    const all = published.map((key) => `${key.kty} ${key.alg ?? '?'}`).join(', ');
    return good === undefined
      ? broken(
          `the keys are [${all}], wanted one that is RSA, RS256, at least ${minModulusBits} bits, with an id`,
        )
      : { seen: all, value: parsed.data };
  });
  return { metadata: found, keys };
};
