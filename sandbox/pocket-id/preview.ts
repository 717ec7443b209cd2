import { mayUse } from './access.ts';
import { json } from './answer.ts';
import { ApiError, userNotFound } from './api-error.ts';
import { requireAdministrator } from './caller.ts';
import { userClaims } from './claims.ts';
import { existingClient } from './clients.ts';
import { knownScopes } from './consent.ts';
import { type App, type Service, nowS } from './service.ts';
import { type TokenSubject, accessTokenClaims, idTokenClaims } from './tokens.ts';

const asText = (seconds: number): string => new Date(seconds * 1000).toISOString().replace('.000Z', 'Z');

/** Times in a preview are text, not numbers. */
const readable = <T extends { readonly exp: number; readonly iat: number }>(claims: T) => ({
  ...claims,
  exp: asText(claims.exp),
  iat: asText(claims.iat),
});

/** What the tokens of a person for a client would say, without a login. */
export const addPreviewRoutes = (app: App, service: Service): void => {
  app.get('/api/oidc/clients/:id/preview/:userId', async (call) => {
    await requireAdministrator(service, call);
    const client = await existingClient(service, call.req.param('id'));
    const user = await service.store.get('user', call.req.param('userId'));
    if (user === undefined) throw userNotFound();
    if (!mayUse(user, client))
      throw new ApiError(403, 'oidc_access_denied', "You're not allowed to access this service");
    const scopes = knownScopes(call.req.query('scopes') ?? '');
    const groups = await service.store.list('group');
    const authenticatedAtS = nowS(service);
    const subject: TokenSubject = {
      client,
      user,
      groups,
      grant: { scopes, amr: [], authenticatedAtS, requestedAtS: authenticatedAtS },
      nonce: null,
    };
    return json(call, {
      idToken: readable(idTokenClaims(service, subject)),
      accessToken: readable(accessTokenClaims(service, subject)),
      userInfo: { ...userClaims(service, user, groups, scopes), type: 'id-token' },
    });
  });
};
