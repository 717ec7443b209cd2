import { randomUUID } from 'node:crypto';

import { json, noContent } from './answer.ts';
import { invalidBody, invalidRequest, notFound } from './api-error.ts';
import { requireAdministrator } from './caller.ts';
import { existingClient } from './clients.ts';
import type { Client, ClientSecret } from './documents.ts';
import { digest } from './opaque-token.ts';
import { alphanumeric, randomText } from './random-text.ts';
import { readOptionalFields } from './request-body.ts';
import { type App, type Service, nowText } from './service.ts';
import { secretView } from './views.ts';

const maxSecrets = 20;
const generatedLength = 32;
const prefixLength = 4;

const printableAscii = { name: 'printascii', accepts: (text: string) => /^[\x20-\x7e]+$/.test(text) };

const readExpiry = (value: unknown, nowMs: number): string | null => {
  if (value === undefined || value === null) return null;
  if (typeof value !== 'string' || Number.isNaN(Date.parse(value))) throw invalidBody();
  if (Date.parse(value) <= nowMs)
    throw invalidRequest('The expiration date of a client secret must be in the future');
  return value;
};

const withSecret = (client: Client, secret: ClientSecret): Client => {
  if (client.isPublic) throw invalidRequest('Cannot create a secret for a public client');
  if (client.secrets.length >= maxSecrets)
    throw invalidRequest(`A client can have at most ${maxSecrets} secrets, expired ones included`);
  return { ...client, secrets: [...client.secrets, secret] };
};

/** `/api/oidc/clients/{id}/secrets`: secrets add up; each is shown once and valid until it is deleted or expires. */
export const addClientSecretRoutes = (app: App, service: Service): void => {
  app.get('/api/oidc/clients/:id/secrets', async (call) => {
    await requireAdministrator(service, call);
    const client = await existingClient(service, call.req.param('id'));
    return json(
      call,
      client.secrets.map((secret) => secretView(secret, service.now())),
    );
  });

  app.post('/api/oidc/clients/:id/secrets', async (call) => {
    await requireAdministrator(service, call);
    const fields = await readOptionalFields(call);
    const given = fields.optionalText('secret', { min: 16, form: printableAscii });
    fields.done();
    const value = given ?? randomText(generatedLength, alphanumeric);
    const secret: ClientSecret = {
      id: randomUUID(),
      prefix: value.slice(0, prefixLength),
      digest: digest(value),
      createdAt: nowText(service),
      expiresAt: readExpiry(fields.raw('expiresAt'), service.now()),
    };
    const client = await service.store.update('client', call.req.param('id'), (known) =>
      withSecret(known, secret),
    );
    if (client === undefined) throw notFound();
    return json(call, { ...secretView(secret, service.now()), secret: value }, 201);
  });

  app.delete('/api/oidc/clients/:id/secrets/:secretId', async (call) => {
    await requireAdministrator(service, call);
    const { id, secretId } = call.req.param();
    const client = await existingClient(service, id);
    if (!client.secrets.some((secret) => secret.id === secretId)) throw notFound();
    await service.store.update('client', id, (known) => ({
      ...known,
      secrets: known.secrets.filter((secret) => secret.id !== secretId),
    }));
    return noContent(call);
  });
};
