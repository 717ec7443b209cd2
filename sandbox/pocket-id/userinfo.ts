import { bearerOf, readAccessToken } from './access-token.ts';
import { json } from './answer.ts';
import { userClaims } from './claims.ts';
import { OAuthError } from './oauth-error.ts';
import type { App, Call, Service } from './service.ts';

/** RFC 6750 §3: the reason is in the header and in the body. */
const refuse = (call: Call, error: OAuthError): Response => {
  if (error.status === 401)
    call.header('WWW-Authenticate', `Bearer error="${error.code}", error_description="${error.message}"`);
  return json(call, { error: error.code, error_description: error.message }, error.status);
};

const unauthorized = (): OAuthError =>
  new OAuthError('request_unauthorized', 'Check that you provided valid credentials in the right format.');

/** Userinfo (OpenID Connect Core 1.0 §5.3): the claims of the person behind a live access token. */
export const addUserinfoRoutes = (app: App, service: Service): void => {
  app.on(['GET', 'POST'], '/api/oidc/userinfo', async (call) => {
    const token = await readAccessToken(service, bearerOf(call.req.header('authorization')));
    if (token === undefined) return refuse(call, unauthorized());
    if (!token.grant.scopes.includes('openid'))
      return refuse(call, new OAuthError('access_denied', 'The access token lacks the openid scope.'));
    const user = await service.store.get('user', token.grant.userId);
    if (user === undefined) return refuse(call, unauthorized());
    return json(call, userClaims(service, user, await service.store.list('group'), token.grant.scopes));
  });
};
