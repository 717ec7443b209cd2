import { bearerOf, readAccessToken } from './access-token.ts';
import { oauthJson } from './answer.ts';
import { basicCredentials, hasSecret } from './client-authentication.ts';
import { OAuthError } from './oauth-error.ts';
import { readForm } from './request-body.ts';
import type { App, Call, Service } from './service.ts';

/** Who asks: the client of a Basic header, or of a Bearer token other than the one asked about. */
const askingClientId = async (service: Service, call: Call, asked: string): Promise<string> => {
  const header = call.req.header('authorization');
  if (header === undefined)
    throw new OAuthError('request_unauthorized', 'HTTP Authorization header missing.');
  const basic = basicCredentials(call);
  if (basic === undefined) {
    const bearer = bearerOf(header);
    const token = bearer === asked ? undefined : await readAccessToken(service, bearer);
    if (token === undefined)
      throw new OAuthError('request_unauthorized', 'The bearer token cannot ask about this token.');
    return token.grant.clientId;
  }
  const client = await service.store.get('client', basic.id);
  if (client === undefined || client.isPublic || !hasSecret(client, basic.secret, service.now()))
    throw new OAuthError('request_unauthorized', 'OAuth 2.0 Client credentials are invalid.');
  return client.id;
};

interface Described {
  readonly clientId: string;
  readonly userId: string;
  readonly scopes: readonly string[];
  readonly audience: readonly string[];
  readonly issuedAtS: number;
  readonly expiresAtS: number;
}

const describe = async (service: Service, token: string): Promise<Described | undefined> => {
  const access = await readAccessToken(service, token);
  if (access !== undefined) {
    const { clientId, userId, scopes } = access.grant;
    return { ...access, clientId, userId, scopes };
  }
  const id = service.opaqueTokens.idOf('refresh-token', token);
  const refresh = id === undefined ? undefined : await service.store.get('refresh-token', id);
  if (refresh === undefined || refresh.used || refresh.expiresAtMs <= service.now()) return undefined;
  const grant = await service.store.get('grant', refresh.grantId);
  if (grant === undefined || grant.revoked) return undefined;
  return {
    clientId: grant.clientId,
    userId: grant.userId,
    scopes: grant.scopes,
    audience: [grant.clientId, service.options.appUrl],
    issuedAtS: refresh.issuedAtS,
    expiresAtS: Math.floor(refresh.expiresAtMs / 1000),
  };
};

/** Token introspection (RFC 7662); a client learns nothing about another one's tokens. */
export const addIntrospectionRoutes = (app: App, service: Service): void => {
  app.post('/api/oidc/introspect', async (call) => {
    const token = (await readForm(call)).get('token') ?? '';
    const clientId = await askingClientId(service, call, token);
    const found = await describe(service, token);
    if (found?.clientId !== clientId) return oauthJson(call, { active: false });
    return oauthJson(call, {
      active: true,
      aud: found.audience,
      client_id: found.clientId,
      exp: found.expiresAtS,
      iat: found.issuedAtS,
      scope: found.scopes.join(' '),
      sub: found.userId,
      username: found.userId,
    });
  });
};
