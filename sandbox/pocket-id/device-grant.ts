import { requireGrantedUser } from './access.ts';
import type { Client } from './documents.ts';
import { OAuthError } from './oauth-error.ts';
import type { Service } from './service.ts';
import { type TokenAnswer, issueTokens } from './tokens.ts';

/** `grant_type=…:device_code` (RFC 8628 §3.4); polling too fast is never punished, as on the real server. */
export const redeemDeviceCode = async (
  service: Service,
  client: Client,
  form: URLSearchParams,
): Promise<TokenAnswer> => {
  const id = service.opaqueTokens.idOf('device-code', form.get('device_code') ?? '');
  const code = id === undefined ? undefined : await service.store.get('device-code', id);
  if (id === undefined || code === undefined || code.clientId !== client.id || code.used)
    throw new OAuthError('invalid_grant');
  if (code.expiresAtMs <= service.now()) throw new OAuthError('expired_token');
  if (code.grantId === null) throw new OAuthError('authorization_pending');
  const grant = await service.store.get('grant', code.grantId);
  if (grant === undefined) throw new OAuthError('invalid_grant');
  const user = await requireGrantedUser(service, grant.userId, client);
  const groups = await service.store.list('group');
  return service.store.transaction(async (documents) => {
    const locked = await documents.lock('device-code', id);
    if (locked?.used !== false) throw new OAuthError('invalid_grant');
    await documents.replace('device-code', id, { ...locked, used: true });
    return issueTokens(service, documents, grant.id, { client, user, groups, grant, nonce: null });
  });
};
