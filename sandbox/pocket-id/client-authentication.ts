import type { Client } from './documents.ts';
import { OAuthError } from './oauth-error.ts';
import { digest } from './opaque-token.ts';
import type { Call, Service } from './service.ts';
import { isActiveSecret } from './views.ts';

/** User name and password of an `Authorization: Basic` header, URL-decoded (RFC 6749 §2.3.1). */
export const basicCredentials = (
  call: Call,
): { readonly id: string; readonly secret: string } | undefined => {
  const [, encoded] = /^Basic (.+)$/i.exec(call.req.header('authorization') ?? '') ?? [];
  if (encoded === undefined) return undefined;
  const [id = '', ...rest] = Buffer.from(encoded, 'base64').toString('utf8').split(':');
  const decode = (text: string): string =>
    new URLSearchParams(`value=${text.replaceAll('&', '%26')}`).get('value') ?? '';
  return { id: decode(id), secret: decode(rest.join(':')) };
};

/** True when one of the client's secrets that has not expired has this value. */
export const hasSecret = (client: Client, secret: string, nowMs: number): boolean =>
  client.secrets.some((each) => isActiveSecret(each, nowMs) && each.digest === digest(secret));

/**
 * The client behind a call of an OAuth endpoint: client_secret_basic, client_secret_post, or none for public clients.
 * @throws OAuthError invalid_client
 */
export const authenticateClient = async (
  service: Service,
  call: Call,
  form: URLSearchParams,
): Promise<Client> => {
  const { id, secret } = basicCredentials(call) ?? {
    id: form.get('client_id') ?? '',
    secret: form.get('client_secret') ?? '',
  };
  const client = await service.store.get('client', id);
  if (client === undefined) throw new OAuthError('invalid_client');
  if (!client.isPublic && !hasSecret(client, secret, service.now())) throw new OAuthError('invalid_client');
  return client;
};
