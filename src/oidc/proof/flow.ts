import type { Configuration } from 'openid-client';
import type { Http } from '../../shared/http.ts';
import { peopleGroup } from '../desired.ts';
import { broken, type Checks, type Result, type Rule } from './checks.ts';

/** One sign-in as a program of NetBird would begin it. */
export interface Attempt {
  readonly redirectUri: string;
  readonly state: string;
  readonly nonce: string;
  readonly verifier: string;
  /** The authorization request, whole. */
  readonly url: URL;
}

/** Where `/authorize` led: never followed. */
export interface Landing {
  readonly status: number;
  /** Absolute; undefined where the answer is not a redirect. */
  readonly location: URL | undefined;
}

/** The client as openid-client knows it, and how to use it. */
export interface Login {
  readonly config: Configuration;
  readonly begin: () => Promise<Attempt>;
  /** Asks for a code, signed in as the canary. */
  readonly authorize: (url: URL) => Promise<Landing>;
  /** Asks the token endpoint by hand, for what a well-behaved client would never send. */
  readonly redeem: (
    attempt: Attempt,
    code: string,
    verifier: string,
  ) => Promise<{ readonly status: number; readonly error: string | undefined }>;
}

interface Place {
  readonly http: Http;
  readonly issuer: string;
  readonly clientId: string;
  readonly redirectUri: string;
  readonly scope: string;
  /** The canary's session. */
  readonly session: string;
}

const rules = {
  client: {
    id: 'oidc.client',
    title: 'openid-client finds everything it needs at the issuer',
    fix: 'see the checks of discovery above',
  },
  outsider: {
    id: 'oidc.outsider',
    title: `a user outside ${peopleGroup} is refused`,
    fix: 'the client is not restricted to the group: npm run up repairs it',
  },
  member: {
    id: 'oidc.authorize',
    title: `a user in ${peopleGroup} gets a code at the registered address`,
    fix: 'npm run up repairs the client; where the session was not taken, look at what Pocket ID logged',
  },
} as const satisfies Record<string, Rule>;

export const isRedirect = (landing: Landing): boolean => landing.status === 302 || landing.status === 303;

/** True where the landing is this address, its query aside. */
export const isAt = (landing: Landing, address: string): boolean =>
  landing.location !== undefined && `${landing.location.origin}${landing.location.pathname}` === address;

/** A landing in words: addresses and names of parameters, no values, since a code is a secret. */
export const describe = ({ status, location }: Landing): string => {
  if (location === undefined) return `${status} without a redirect`;
  const names = [...location.searchParams.keys()].join(', ');
  const error = location.searchParams.get('error');
  return `${status} to ${location.origin}${location.pathname}${names === '' ? '' : ` with ${names}`}${error === null ? '' : ` (${error})`}`;
};

/** Loads openid-client and lets it read the issuer. */
export const openLogin = async (
  { check }: Checks,
  place: Place,
  discovered: Result<unknown>,
  signal: AbortSignal,
): Promise<Result<Login>> => {
  const { http, issuer, clientId, redirectUri, scope, session } = place;
  const oidc = await import('openid-client');
  return check(rules.client, discovered, async () => {
    const config = await oidc.discovery(new URL(issuer), clientId, undefined, oidc.None(), {
      [oidc.customFetch]: async (url, options) => http.fetch(url, { ...options, signal } as RequestInit),
    });
    // Without it openid-client trusts TLS and does not look at the signature.
    oidc.enableNonRepudiationChecks(config);
    const login: Login = {
      config,
      async begin() {
        const [state, nonce, verifier] = [
          oidc.randomState(),
          oidc.randomNonce(),
          oidc.randomPKCECodeVerifier(),
        ];
        const url = oidc.buildAuthorizationUrl(config, {
          redirect_uri: redirectUri,
          scope,
          state,
          nonce,
          code_challenge: await oidc.calculatePKCECodeChallenge(verifier),
          code_challenge_method: 'S256',
        });
        return { redirectUri, state, nonce, verifier, url };
      },
      async authorize(url) {
        const headers = { authorization: `Bearer ${session}` };
        const answer = await http.call('GET', url.href, { headers, signal });
        const to = answer.headers.location;
        return { status: answer.status, location: to === undefined ? undefined : new URL(to, issuer) };
      },
      async redeem(attempt, code, verifier) {
        const form = {
          grant_type: 'authorization_code',
          code,
          redirect_uri: attempt.redirectUri,
          client_id: clientId,
          code_verifier: verifier,
        };
        const tokenEndpoint = config.serverMetadata().token_endpoint ?? broken('there is no token endpoint');
        const answer = await http.call('POST', tokenEndpoint, {
          headers: { 'content-type': 'application/x-www-form-urlencoded' },
          body: new URLSearchParams(form).toString(),
          signal,
        });
        const body = answer.json() as { readonly error?: unknown } | undefined;
        return { status: answer.status, error: typeof body?.error === 'string' ? body.error : undefined };
      },
    };
    return { seen: `client ${clientId}`, value: login };
  });
};

/** The canary is not in the group yet: Pocket ID must send it to its own error page. */
export const checkOutsider = async (
  { check }: Checks,
  login: Result<Login>,
  issuer: string,
): Promise<Result<unknown>> =>
  check(rules.outsider, login, async ({ begin, authorize }) => {
    const landing = await authorize((await begin()).url);
    return isRedirect(landing) && isAt(landing, `${issuer}/interaction/error`)
      ? { seen: describe(landing), value: undefined }
      : broken(`${describe(landing)}; wanted a redirect to ${issuer}/interaction/error`);
  });

/** A code for an attempt, where the redirect is as it should be. */
export const codeFor = async (
  login: Login,
  attempt: Attempt,
  issuer: string,
): Promise<{ readonly landing: Landing; readonly callback: URL; readonly code: string }> => {
  const landing = await login.authorize(attempt.url);
  const query = landing.location?.searchParams;
  const code = query?.get('code');
  if (!isRedirect(landing) || !isAt(landing, attempt.redirectUri) || !code || !landing.location)
    return broken(`${describe(landing)}; wanted a redirect to ${attempt.redirectUri} with a code`);
  if (query?.get('state') !== attempt.state) return broken('the state that came back is not the one sent');
  if (query.get('iss') !== issuer)
    return broken(`iss is ${JSON.stringify(query.get('iss'))}, wanted "${issuer}"`);
  return { landing, callback: landing.location, code };
};

/** The canary is in the group now. Leaves the whole callback, for openid-client. */
export const checkMember = async (
  { check }: Checks,
  login: Result<readonly [Login, unknown]>,
  issuer: string,
) =>
  check(rules.member, login, async ([one]) => {
    const attempt = await one.begin();
    const { landing, callback, code } = await codeFor(one, attempt, issuer);
    return { seen: describe(landing), value: { attempt, callback, code } };
  });
