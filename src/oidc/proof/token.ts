import { createHash } from 'node:crypto';
import type { JSONWebKeySet } from 'jose';
import type { Configuration } from 'openid-client';
import { nowMs } from '../../shared/clock.ts';
import { peopleGroup } from '../desired.ts';
import { both, broken, type Checks, type Result, type Rule } from './checks.ts';
import type { KeySet } from './discovery.ts';
import type { Attempt, Login } from './flow.ts';

/** Where the code goes, and what its token must say. */
export interface Expected {
  readonly issuer: string;
  readonly clientId: string;
  readonly subject: string;
}

export interface SignedIn {
  readonly attempt: Attempt;
  readonly callback: URL;
  readonly code: string;
}

/** What the token endpoint gave; none of it has been believed yet. */
export interface Tokens extends SignedIn {
  readonly idToken: string;
  readonly accessToken: string;
  readonly claims: Readonly<Record<string, unknown>>;
}

const clock = 'the clock of this host or of the container is wrong: timedatectl';
const repair = 'npm run up repairs the client; if it stays so, look at what Pocket ID logged';

const rules = {
  token: { id: 'oidc.token', title: 'the code becomes an ID token', fix: repair },
  accepted: { id: 'oidc.openid-client', title: 'openid-client takes the whole answer', fix: repair },
  signature: {
    id: 'oidc.signature',
    title: 'the ID token is signed with RS256 by a published key',
    fix: 'the key was changed: restart NetBird, then sign in again',
  },
  issuer: { id: 'oidc.token-issuer', title: 'the ID token names the issuer', fix: repair },
  audience: { id: 'oidc.audience', title: 'the ID token is for this client alone', fix: repair },
  subject: { id: 'oidc.subject', title: 'the ID token is about the user who signed in', fix: repair },
  nonce: { id: 'oidc.nonce', title: 'the ID token carries the nonce of this sign-in', fix: repair },
  times: { id: 'oidc.times', title: 'the ID token is of now, and ends within a day', fix: clock },
  groups: {
    id: 'oidc.groups',
    title: `the ID token says that the user is in ${peopleGroup}`,
    fix: 'the claim groups is what NetBird lets people in by: npm run up repairs group and client',
  },
  atHash: { id: 'oidc.at-hash', title: 'the ID token belongs to the access token beside it', fix: repair },
} as const satisfies Record<string, Rule>;

const skewSeconds = 60;
const daySeconds = 86_400;

/** What openid-client made of the callback, and what the server said, each on its own. */
interface Grant {
  readonly signedIn: SignedIn;
  readonly answer: Readonly<Record<string, unknown>> | undefined;
  readonly objection: string | undefined;
}

const reasonOf = (error: unknown): string => {
  if (!(error instanceof Error)) return String(error);
  const cause = error.cause instanceof Error ? `: ${error.cause.message}` : '';
  const code = 'error' in error && typeof error.error === 'string' ? `: ${error.error}` : '';
  return `${error.message}${code}${cause}`;
};

/** Lets openid-client trade the code, and keeps what came over the wire. */
const trade = async (config: Configuration, signedIn: SignedIn): Promise<Grant> => {
  const oidc = await import('openid-client');
  const { attempt, callback } = signedIn;
  const { token_endpoint: tokenEndpoint } = config.serverMetadata();
  let answer: Grant['answer'];
  const plain = config[oidc.customFetch];
  if (plain === undefined) throw new Error('openid-client has no transport of ours');
  config[oidc.customFetch] = async (url, options) => {
    const response = await plain(url, options);
    if (url === tokenEndpoint && response.ok) {
      answer = (await response.clone().json()) as Readonly<Record<string, unknown>>;
    }
    return response;
  };
  try {
    await oidc.authorizationCodeGrant(config, callback, {
      pkceCodeVerifier: attempt.verifier,
      expectedState: attempt.state,
      expectedNonce: attempt.nonce,
      idTokenExpected: true,
    });
    return { signedIn, answer, objection: undefined };
  } catch (error) {
    return { signedIn, answer, objection: reasonOf(error) };
  } finally {
    config[oidc.customFetch] = plain;
  }
};

const decoded = async ({ signedIn, answer, objection }: Grant): Promise<Tokens> => {
  const { decodeJwt } = await import('jose');
  const [idToken, accessToken] = [answer?.['id_token'], answer?.['access_token']];
  if (typeof idToken !== 'string' || typeof accessToken !== 'string')
    return broken(`the answer has no ID token beside an access token (${objection ?? 'both were wanted'})`);
  try {
    return { ...signedIn, idToken, accessToken, claims: decodeJwt(idToken) };
  } catch {
    return broken('what is given as ID token is not a JWT');
  }
};

const has = (value: unknown, wanted: unknown, name: string) =>
  value === wanted
    ? { seen: `${name} is as wanted`, value: undefined }
    : broken(`${name} is ${JSON.stringify(value)}, wanted ${JSON.stringify(wanted)}`);

const checkTimes = ({ claims }: Tokens) => {
  const now = nowMs() / 1000;
  const [iat, exp, authTime] = ['iat', 'exp', 'auth_time'].map((name) => Number(claims[name] ?? Number.NaN));
  if (iat === undefined || exp === undefined || authTime === undefined) return broken('there are no times');
  const near = (seconds: number) => Math.abs(seconds - now) <= skewSeconds;
  const inSeconds = `iat ${iat}, auth_time ${authTime}, exp ${exp}, now ${Math.floor(now)}`;
  return near(iat) && near(authTime) && exp > now && exp - now <= daySeconds
    ? { seen: `it ends in ${Math.round(exp - now)} s`, value: undefined }
    : broken(`${inSeconds}; wanted iat and auth_time within ${skewSeconds} s of now, exp within a day`);
};

/** Left half of the SHA-256 of the access token (OpenID Connect Core §3.1.3.6, for RS256). */
const atHashOf = (accessToken: string): string =>
  createHash('sha256').update(accessToken).digest().subarray(0, 16).toString('base64url');

/** Trades the code and looks at every claim by itself, whatever openid-client says of the whole. */
export const checkToken = async (
  { check }: Checks,
  login: Result<readonly [Login, SignedIn]>,
  keys: Result<KeySet>,
  expected: Expected,
): Promise<Result<Tokens>> => {
  let objection: string | undefined;
  const tokens = await check(rules.token, login, async ([{ config }, signedIn]) => {
    const grant = await trade(config, signedIn);
    objection = grant.objection;
    return { seen: 'an ID token and an access token', value: await decoded(grant) };
  });
  await check(rules.accepted, tokens, () =>
    objection === undefined ? { seen: 'accepted', value: undefined } : broken(objection),
  );
  await check(rules.signature, both(tokens, keys), async ([{ idToken }, keySet]) => {
    const { compactVerify, createLocalJWKSet } = await import('jose');
    try {
      const { protectedHeader } = await compactVerify(idToken, createLocalJWKSet(keySet as JSONWebKeySet), {
        algorithms: ['RS256'],
      });
      return { seen: `${protectedHeader.alg}, key ${protectedHeader.kid ?? '?'}`, value: undefined };
    } catch (error) {
      return broken(`it does not verify: ${reasonOf(error)}`);
    }
  });
  await check(rules.issuer, tokens, ({ claims }) => has(claims['iss'], expected.issuer, 'iss'));
  await check(rules.audience, tokens, ({ claims }) =>
    has(JSON.stringify([claims['aud']].flat()), JSON.stringify([expected.clientId]), 'aud'),
  );
  await check(rules.subject, tokens, ({ claims }) => has(claims['sub'], expected.subject, 'sub'));
  await check(rules.nonce, tokens, ({ claims, attempt }) => has(claims['nonce'], attempt.nonce, 'nonce'));
  await check(rules.times, tokens, checkTimes);
  await check(rules.groups, tokens, ({ claims }) => {
    const groups = claims['groups'];
    return Array.isArray(groups) && groups.includes(peopleGroup)
      ? { seen: groups.join(', '), value: undefined }
      : broken(`groups is ${JSON.stringify(groups)}, wanted ${peopleGroup} in it`);
  });
  await check(rules.atHash, tokens, ({ claims, accessToken }) =>
    has(claims['at_hash'], atHashOf(accessToken), 'at_hash'),
  );
  return tokens;
};
