import { compactVerify } from 'jose';

import { found } from './answer.ts';
import { firstValues, type Parameters } from './authorization-request.ts';
import { isRegisteredCallback } from './callback-url.ts';
import { sessionCaller } from './caller.ts';
import { everConsented } from './consent.ts';
import { revokeGrant } from './grants.ts';
import { readForm } from './request-body.ts';
import type { App, Call, Service } from './service.ts';
import { clearSessionCookie } from './session.ts';

interface Hint {
  readonly userId: string;
  readonly clientId: string;
  readonly tokenId: string;
}

/** What an ID token of ours says, expired or not (OpenID Connect RP-Initiated Logout 1.0 §2). */
const readHint = async (service: Service, token: string): Promise<Hint | undefined> => {
  const verified = await compactVerify(token, service.signingKey.publicKey).catch(() => undefined);
  if (verified === undefined) return undefined;
  const claims = JSON.parse(new TextDecoder().decode(verified.payload)) as Readonly<Record<string, unknown>>;
  const { type, iss, aud, sub, jti } = claims;
  const [clientId]: readonly unknown[] = Array.isArray(aud) ? aud : [];
  if (type !== 'id-token' || iss !== service.options.appUrl) return undefined;
  if (typeof clientId !== 'string' || typeof sub !== 'string' || typeof jti !== 'string') return undefined;
  return { userId: sub, clientId, tokenId: jti };
};

/** Where the person goes after logout: `''` is Pocket ID's own page, `undefined` that page without having logged out. */
const logoutAddress = async (
  service: Service,
  call: Call,
  parameters: Parameters,
): Promise<string | undefined> => {
  const hint = await readHint(service, parameters['id_token_hint'] ?? '');
  const caller = await sessionCaller(service, call);
  if (hint === undefined || (caller !== undefined && caller.user.id !== hint.userId)) return undefined;
  if ((parameters['client_id'] ?? hint.clientId) !== hint.clientId) return undefined;
  const client = await service.store.get('client', hint.clientId);
  if (client === undefined || !(await everConsented(service, hint.userId, client.id))) return undefined;
  const [first = ''] = client.logoutCallbackURLs;
  const asked = parameters['post_logout_redirect_uri'] ?? '';
  if (first !== '' && asked !== '' && !isRegisteredCallback(client.logoutCallbackURLs, asked))
    return undefined;
  const grant = await service.store.find('grant', 'idTokenId', hint.tokenId);
  if (grant !== undefined) await revokeGrant(service, grant.id);
  return first === '' || asked === '' ? first : asked;
};

const withState = (address: string, state: string): string => {
  if (state === '') return address;
  const [base = '', query = ''] = address.split('?', 2);
  const parameters = new URLSearchParams(query);
  parameters.set('state', state);
  parameters.sort();
  return `${base}?${parameters.toString()}`;
};

/** Logout started by a client: ends what was issued with the ID token of the hint, never other sessions. */
export const addEndSessionRoutes = (app: App, service: Service): void => {
  app.on(['GET', 'POST'], '/api/oidc/end-session', async (call) => {
    const parameters = firstValues(
      call.req.method === 'POST' ? await readForm(call) : new URL(call.req.url).searchParams,
    );
    const address = await logoutAddress(service, call, parameters);
    if (address !== undefined) clearSessionCookie(service, call);
    return address === undefined || address === ''
      ? found(call, `${service.options.appUrl}/logout`)
      : found(call, withState(address, parameters['state'] ?? ''));
  });
};
