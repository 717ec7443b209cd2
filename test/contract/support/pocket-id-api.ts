import { createHash, randomBytes } from 'node:crypto';

import { standInKey } from './pocket-id-stand-in.ts';

interface CallOptions {
  /** Sent as JSON. */
  readonly json?: unknown;
  /** Sent as a form. */
  readonly form?: Readonly<Record<string, string>>;
  /** Replaces the static key, which is sent unless `bearer` is given. */
  readonly key?: string;
  readonly bearer?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

interface ApiAnswer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  /** The body, where it is JSON; read loosely, since tests assert on it. */
  // oxlint-disable-next-line typescript/no-explicit-any
  readonly body: any;
}

export type Api = (method: string, path: string, options?: CallOptions) => Promise<ApiAnswer>;

const authHeaders = ({ key, bearer }: CallOptions): Readonly<Record<string, string>> => ({
  ...(bearer === undefined ? {} : { Authorization: `Bearer ${bearer}` }),
  ...(bearer !== undefined && key === undefined ? {} : { 'X-API-Key': key ?? standInKey }),
});

const payloadOf = ({ json, form }: CallOptions): { readonly type?: string; readonly body?: string } => {
  if (json !== undefined) return { type: 'application/json', body: JSON.stringify(json) };
  if (form === undefined) return {};
  return { type: 'application/x-www-form-urlencoded', body: new URLSearchParams(form).toString() };
};

/** Calls a stand-in as its administrator (static key) unless told otherwise; redirects are not followed. */
export const createApi =
  (base: string): Api =>
  async (method, path, options = {}) => {
    const { type, body } = payloadOf(options);
    const response = await fetch(`${base}${path}`, {
      method,
      redirect: 'manual',
      headers: {
        ...authHeaders(options),
        ...(type === undefined ? {} : { 'Content-Type': type }),
        ...options.headers,
      },
      ...(body === undefined ? {} : { body }),
    });
    const text = await response.text();
    const isJson = (response.headers.get('content-type') ?? '').startsWith('application/json');
    return {
      status: response.status,
      headers: response.headers,
      text,
      body: isJson ? JSON.parse(text) : undefined,
    };
  };

/** Makes a person and resolves to the id. */
export const createPerson = async (
  api: Api,
  username: string,
  details: Readonly<Record<string, unknown>> = {},
): Promise<string> => {
  const email = `${username}@lab.test`;
  const json = { username, email, firstName: username, displayName: username, isAdmin: false, ...details };
  const made = await api('POST', '/api/users', { json });
  if (made.status !== 201) throw new Error(`user ${username}: ${made.status} ${made.text}`);
  return String(made.body.id);
};

/** Signs a person in with a one-time token and resolves to the session token. */
export const signIn = async (api: Api, userId: string): Promise<string> => {
  const made = await api('POST', `/api/users/${userId}/one-time-access-token`, { json: { ttl: '1h' } });
  const exchanged = await api('POST', `/api/one-time-access-token/${String(made.body.token)}`, { key: '' });
  const [, token] = /access_token=([^;]+);/.exec(exchanged.headers.get('set-cookie') ?? '') ?? [];
  if (token === undefined) throw new Error(`sign-in: ${exchanged.status} ${exchanged.text}`);
  return token;
};

/** Makes a public client that everyone may use and that asks nothing, unless `details` say otherwise. */
export const createClient = async (
  api: Api,
  id: string,
  details: Readonly<Record<string, unknown>> = {},
): Promise<void> => {
  const json = {
    id,
    name: id,
    callbackURLs: ['https://app.lab.test/cb'],
    isPublic: true,
    skipConsent: true,
    ...details,
  };
  const made = await api('POST', '/api/oidc/clients', { json });
  if (made.status !== 201) throw new Error(`client ${id}: ${made.status} ${made.text}`);
};

interface Flow {
  readonly verifier: string;
  /** `/authorize` with its query. */
  readonly path: string;
}

/** A valid authorization request with PKCE; `changes` replace parameters. */
export const beginFlow = (clientId: string, changes: Readonly<Record<string, string>> = {}): Flow => {
  const verifier = randomBytes(32).toString('base64url');
  const query = new URLSearchParams({
    response_type: 'code',
    client_id: clientId,
    redirect_uri: 'https://app.lab.test/cb',
    scope: 'openid profile email groups',
    state: 'state-123456',
    nonce: 'nonce-123456',
    code_challenge: createHash('sha256').update(verifier).digest('base64url'),
    code_challenge_method: 'S256',
    ...changes,
  });
  return { verifier, path: `/authorize?${query.toString()}` };
};

/** The parameters with which an answer sends the browser on. */
export const sentBack = (answer: ApiAnswer): URLSearchParams =>
  new URL(answer.headers.get('location') ?? '', 'https://id.lab.test').searchParams;

/** Exchanges a code; a confidential client needs its secret. */
export const redeem = (
  api: Api,
  clientId: string,
  code: string,
  verifier: string,
  secret?: string,
): Promise<ApiAnswer> =>
  api('POST', '/api/oidc/token', {
    key: '',
    form: {
      grant_type: 'authorization_code',
      client_id: clientId,
      redirect_uri: 'https://app.lab.test/cb',
      code,
      code_verifier: verifier,
      ...(secret === undefined ? {} : { client_secret: secret }),
    },
  });

/** From `/authorize` to tokens, for a session that nothing stands in the way of. */
export const logIn = async (
  api: Api,
  clientId: string,
  bearer: string,
  changes: Readonly<Record<string, string>> = {},
  secret?: string,
): Promise<ApiAnswer> => {
  const { path, verifier } = beginFlow(clientId, changes);
  const authorized = await api('GET', path, { bearer });
  return redeem(api, clientId, sentBack(authorized).get('code') ?? '', verifier, secret);
};
