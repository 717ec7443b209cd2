import { randomBytes } from 'node:crypto';

import { oauthJson } from './answer.ts';
import {
  PageError,
  firstValues,
  readRequest,
  requestUriPrefix,
  resolveTarget,
} from './authorization-request.ts';
import { authenticateClient } from './client-authentication.ts';
import { OAuthError } from './oauth-error.ts';
import { digest } from './opaque-token.ts';
import { readForm } from './request-body.ts';
import type { App, Service } from './service.ts';

const lifetimeS = 90;

/** Pushed authorization requests (RFC 9126): a request is deposited by the client itself, checked at once. */
export const addPushedAuthorizationRoutes = (app: App, service: Service): void => {
  app.post('/api/oidc/par', async (call) => {
    const form = await readForm(call);
    const client = await authenticateClient(service, call, form);
    form.delete('client_secret');
    form.set('client_id', client.id);
    const parameters = firstValues(form);
    const target = await resolveTarget(service, parameters).catch((error: unknown) => {
      throw error instanceof PageError ? new OAuthError('invalid_request', error.message) : error;
    });
    readRequest(target, parameters);
    const requestUri = `${requestUriPrefix}${randomBytes(32).toString('base64url')}`;
    await service.store.insert('pushed-request', digest(requestUri), {
      clientId: client.id,
      parameters,
      expiresAtMs: service.now() + lifetimeS * 1000,
    });
    return oauthJson(call, { expires_in: lifetimeS, request_uri: requestUri }, 201);
  });
};
