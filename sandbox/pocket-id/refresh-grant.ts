import { requireGrantedUser } from './access.ts';
import type { Client } from './documents.ts';
import { revokeGrant } from './grants.ts';
import { OAuthError } from './oauth-error.ts';
import type { Service } from './service.ts';
import { type TokenAnswer, issueTokens } from './tokens.ts';

const alreadyUsed = (): OAuthError => new OAuthError('invalid_grant', 'The refresh token was already used.');

/**
 * `grant_type=refresh_token` (RFC 6749 §6): each token works once; a second use ends the whole family
 * (RFC 9700 §4.14.2). A person who may no longer sign in is refused without using the token up.
 */
export const refreshTokens = async (
  service: Service,
  client: Client,
  form: URLSearchParams,
): Promise<TokenAnswer> => {
  const id = service.opaqueTokens.idOf('refresh-token', form.get('refresh_token') ?? '');
  const token = id === undefined ? undefined : await service.store.get('refresh-token', id);
  if (id === undefined || token === undefined) throw new OAuthError('invalid_grant');
  if (token.clientId !== client.id)
    throw new OAuthError('invalid_grant', 'The token was issued to another client.');
  const grant = await service.store.get('grant', token.grantId);
  if (grant === undefined || grant.revoked) throw alreadyUsed();
  if (token.used) {
    await revokeGrant(service, grant.id);
    throw alreadyUsed();
  }
  if (token.expiresAtMs <= service.now())
    throw new OAuthError('invalid_grant', 'The refresh token has expired.');
  const user = await requireGrantedUser(service, grant.userId, client);
  const groups = await service.store.list('group');
  return service.store.transaction(async (documents) => {
    const locked = await documents.lock('refresh-token', id);
    if (locked?.used !== false) throw alreadyUsed();
    await documents.replace('refresh-token', id, { ...locked, used: true });
    return issueTokens(service, documents, grant.id, { client, user, groups, grant, nonce: null });
  });
};
