import { isRegisteredCallback } from './callback-url.ts';
import { knownScopes } from './consent.ts';
import type { Client } from './documents.ts';
import { OAuthError } from './oauth-error.ts';
import { digest } from './opaque-token.ts';
import type { Service } from './service.ts';

/** A refusal that the client never hears of: the person sees it on a page of Pocket ID. */
export class PageError extends Error {
  override readonly name = 'PageError';
}

export type Parameters = Readonly<Record<string, string>>;

/** Where the answer goes; known before anything else is looked at. */
export interface Target {
  readonly client: Client;
  readonly redirectUri: string;
  readonly state: string;
}

export interface AuthorizationRequest extends Target {
  readonly parameters: Parameters;
  readonly scopes: readonly string[];
  readonly prompt: readonly string[];
  readonly nonce: string | null;
  readonly codeChallenge: string | null;
  readonly codeChallengeMethod: 'plain' | 'S256';
  readonly maxAgeS: number | undefined;
}

export const requestUriPrefix = 'urn:ietf:params:oauth:request_uri:';

const minStateLength = 8;

/** The first value of each parameter. */
export const firstValues = (values: URLSearchParams): Parameters =>
  Object.fromEntries([...new Set(values.keys())].map((name) => [name, values.get(name) ?? '']));

/**
 * The pushed parameters behind a `request_uri`, which works once (RFC 9126 §4); any other request as it is.
 * @throws PageError
 */
export const resolvePushed = async (service: Service, parameters: Parameters): Promise<Parameters> => {
  const requestUri = parameters['request_uri'] ?? '';
  if (!requestUri.startsWith(requestUriPrefix)) return parameters;
  const id = digest(requestUri);
  const pushed = await service.store.transaction(async (documents) => {
    const found = await documents.lock('pushed-request', id);
    await documents.remove('pushed-request', id);
    return found;
  });
  if (
    pushed === undefined ||
    pushed.expiresAtMs <= service.now() ||
    pushed.clientId !== parameters['client_id']
  )
    throw new PageError('Invalid PAR session');
  return pushed.parameters;
};

/**
 * The client and its redirect address.
 * @throws PageError for an unknown client or an address that it did not register
 */
export const resolveTarget = async (service: Service, parameters: Parameters): Promise<Target> => {
  const client = await service.store.get('client', parameters['client_id'] ?? '');
  if (client === undefined) throw new PageError('The requested OAuth 2.0 Client does not exist.');
  const only = client.callbackURLs.length === 1 ? client.callbackURLs[0] : undefined;
  const redirectUri = parameters['redirect_uri'] ?? only ?? '';
  if (!URL.canParse(redirectUri) || !isRegisteredCallback(client.callbackURLs, redirectUri))
    throw new PageError(
      "The 'redirect_uri' parameter does not match any of the OAuth 2.0 Client's pre-registered redirect urls.",
    );
  return { client, redirectUri, state: parameters['state'] ?? '' };
};

const readMaxAge = (text: string | undefined): number | undefined => {
  if (text === undefined || text === '') return undefined;
  if (!/^\d{1,9}$/.test(text))
    throw new OAuthError('invalid_request', "The 'max_age' parameter is not a number of seconds.");
  return Number(text);
};

const readChallengeMethod = (text: string | undefined): 'plain' | 'S256' => {
  if (text === undefined || text === '' || text === 'plain') return 'plain';
  if (text === 'S256') return 'S256';
  throw new OAuthError('invalid_request', "The 'code_challenge_method' parameter is neither S256 nor plain.");
};

/** @throws OAuthError for the client, in the order in which the real server looks */
export const readRequest = (target: Target, parameters: Parameters): AuthorizationRequest => {
  const responseType = parameters['response_type'] ?? '';
  if (responseType !== 'code')
    throw new OAuthError(
      'unsupported_response_type',
      `The client is not allowed to request response_type '${responseType}'.`,
    );
  if (!['', 'query'].includes(parameters['response_mode'] ?? ''))
    throw new OAuthError('unsupported_response_mode');
  if (target.state.length < minStateLength)
    throw new OAuthError(
      'invalid_state',
      `Request parameter 'state' must be at least be ${minStateLength} characters long to ensure sufficient entropy.`,
    );
  const codeChallenge = parameters['code_challenge'] ?? '';
  if (target.client.pkceEnabled && codeChallenge === '')
    throw new OAuthError(
      'invalid_request',
      "This client requires PKCE, but the 'code_challenge' parameter is missing.",
    );
  return {
    ...target,
    parameters,
    scopes: knownScopes(parameters['scope'] ?? ''),
    prompt: (parameters['prompt'] ?? '').split(' ').filter((value) => value !== ''),
    nonce: parameters['nonce'] ?? null,
    codeChallenge: codeChallenge === '' ? null : codeChallenge,
    codeChallengeMethod: readChallengeMethod(parameters['code_challenge_method']),
    maxAgeS: readMaxAge(parameters['max_age']),
  };
};

/** The redirect address with the answer in its query, parameters in alphabetical order. */
export const answerLocation = (
  service: Service,
  target: Target,
  answer: Readonly<Record<string, string>>,
): string => {
  const [base = '', query = ''] = target.redirectUri.split('?', 2);
  const parameters = new URLSearchParams(query);
  for (const [name, value] of Object.entries(answer)) parameters.set(name, value);
  parameters.set('iss', service.options.appUrl);
  parameters.set('state', target.state);
  parameters.sort();
  return `${base}?${parameters.toString()}`;
};
