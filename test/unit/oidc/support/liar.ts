import { exportJWK, generateKeyPair, SignJWT, decodeJwt } from 'jose';
import type { Fetch } from './http.ts';

/** Changes an honest answer, or passes it on. */
export type Lie = (request: Request, answer: Response) => Response | Promise<Response>;

type Json = Record<string, unknown>;

/** The server, with some answers changed on their way. */
export const lying =
  (server: Fetch, ...lies: readonly Lie[]): Fetch =>
  async (request) => {
    let answer = await server(request.clone());
    for (const lie of lies) answer = await lie(request.clone(), answer);
    return answer;
  };

const pathOf = (request: Request): string => new URL(request.url).pathname;

/** Changes the JSON of every answer of this path that has this status. */
export const changeJson =
  (path: string, change: (json: Json) => Json | Promise<Json>, status = 200): Lie =>
  async (request, answer) =>
    pathOf(request) === path && answer.status === status
      ? Response.json(await change((await answer.json()) as Json), { status })
      : answer;

/** Changes where `/authorize` leads, where the request is one of these. */
export const changeLanding =
  (which: (query: URLSearchParams, landing: URL) => boolean, change: (landing: URL) => URL | string): Lie =>
  (request, answer) => {
    const to = answer.headers.get('location');
    if (pathOf(request) !== '/authorize' || to === null) return answer;
    const asked = new URL(request.url);
    const landing = new URL(to, asked);
    if (!which(asked.searchParams, landing)) return answer;
    return new Response(null, { status: 303, headers: { location: String(change(landing)) } });
  };

const ownKey = generateKeyPair('RS256', { extractable: true });
const ownJwk = ownKey.then(async ({ publicKey }) => ({
  ...(await exportJWK(publicKey)),
  alg: 'RS256',
  kid: 'liar',
  use: 'sig',
}));

/** Signs a token with the liar's own key. */
const sign = async (claims: Json): Promise<string> =>
  new SignJWT(claims)
    .setProtectedHeader({ alg: 'RS256', kid: 'liar', typ: 'JWT' })
    .sign((await ownKey).privateKey);

/** Publishes the liar's own key instead of the server's. */
const ownKeys: Lie = changeJson('/.well-known/jwks.json', async () => ({ keys: [await ownJwk] }));

/** ID tokens with other claims, signed so that their signature verifies. */
export const changeClaims = (change: (claims: Json) => Json): readonly Lie[] => [
  ownKeys,
  changeJson('/api/oidc/token', async (json) => ({
    ...json,
    id_token: await sign(change(decodeJwt(String(json['id_token'])))),
  })),
];

/** Answers the refusals of the token endpoint with tokens, where the request is one of these. */
export const neverRefuse =
  (which: (form: URLSearchParams) => boolean): Lie =>
  async (request, answer) => {
    if (pathOf(request) !== '/api/oidc/token' || answer.status !== 400) return answer;
    if (!which(new URLSearchParams(await request.text()))) return answer;
    return Response.json({ access_token: 'a', id_token: 'b', token_type: 'bearer' });
  };
