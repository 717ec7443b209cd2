import { createHash } from 'node:crypto';

import { requireGrantedUser } from './access.ts';
import type { AuthorizationCode, Client } from './documents.ts';
import { revokeGrant } from './grants.ts';
import { OAuthError } from './oauth-error.ts';
import type { Service } from './service.ts';
import { type TokenAnswer, issueTokens } from './tokens.ts';

/** A nonce shorter than this guards nothing; the authorization endpoint lets it pass, this one does not. */
const minNonceLength = 8;

const challengeOf = (verifier: string, method: AuthorizationCode['codeChallengeMethod']): string =>
  method === 'plain' ? verifier : createHash('sha256').update(verifier, 'ascii').digest('base64url');

/** RFC 7636 §4.6. */
const checkVerifier = (code: AuthorizationCode, verifier: string): void => {
  if (code.codeChallenge === null) {
    if (verifier !== '')
      throw new OAuthError('invalid_grant', 'The authorization request had no PKCE code challenge.');
    return;
  }
  if (!/^[A-Za-z0-9._~-]{43,128}$/.test(verifier))
    throw new OAuthError(
      'invalid_grant',
      'The PKCE code verifier must have 43 to 128 unreserved characters.',
    );
  if (challengeOf(verifier, code.codeChallengeMethod) !== code.codeChallenge)
    throw new OAuthError('invalid_grant', 'The PKCE code challenge did not match the code verifier.');
};

const checkBinding = (
  service: Service,
  code: AuthorizationCode,
  client: Client,
  form: URLSearchParams,
): void => {
  if (code.clientId !== client.id)
    throw new OAuthError('invalid_grant', 'The code was issued to another client.');
  if (code.expiresAtMs <= service.now())
    throw new OAuthError('invalid_grant', 'The authorization code has expired.');
  if (code.redirectUri !== (form.get('redirect_uri') ?? code.redirectUri))
    throw new OAuthError('invalid_grant', 'The redirect_uri is not the one of the authorization request.');
};

/**
 * `grant_type=authorization_code` (RFC 6749 §4.1.3). A second use ends everything issued from the code; a wrong
 * verifier uses it up, since its challenge may be tried only once.
 */
export const redeemCode = async (
  service: Service,
  client: Client,
  form: URLSearchParams,
): Promise<TokenAnswer> => {
  const id = service.opaqueTokens.idOf('authorization-code', form.get('code') ?? '');
  const code = id === undefined ? undefined : await service.store.get('authorization-code', id);
  if (id === undefined || code === undefined) throw new OAuthError('invalid_grant');
  if (code.state === 'used') {
    await revokeGrant(service, code.grantId);
    throw new OAuthError('invalid_grant', 'The authorization code has already been used.');
  }
  if (code.state === 'wrong-verifier')
    throw new OAuthError('invalid_grant', 'The PKCE code challenge of this code was already tried.');
  checkBinding(service, code, client, form);
  try {
    checkVerifier(code, form.get('code_verifier') ?? '');
  } catch (error) {
    await service.store.update('authorization-code', id, (each) => ({ ...each, state: 'wrong-verifier' }));
    throw error;
  }
  const grant = await service.store.get('grant', code.grantId);
  if (grant === undefined) throw new OAuthError('invalid_grant');
  if (grant.nonce !== null && grant.nonce.length < minNonceLength)
    throw new OAuthError(
      'insufficient_entropy',
      `The nonce must have at least ${minNonceLength} characters.`,
    );
  const user = await requireGrantedUser(service, grant.userId, client);
  const groups = await service.store.list('group');
  return service.store.transaction(async (documents) => {
    const locked = await documents.lock('authorization-code', id);
    if (locked?.state !== 'fresh')
      throw new OAuthError('invalid_grant', 'The authorization code has already been used.');
    await documents.replace('authorization-code', id, { ...locked, state: 'used' });
    return issueTokens(service, documents, grant.id, { client, user, groups, grant, nonce: grant.nonce });
  });
};
