import { randomUUID } from 'node:crypto';

import { json, noContent } from './answer.ts';
import { ApiError, notFound } from './api-error.ts';
import { requireAdministrator } from './caller.ts';
import { readClientDetails } from './client-fields.ts';
import type { Client } from './documents.ts';
import { pageOf } from './page.ts';
import { readFields } from './request-body.ts';
import { type App, type Call, type Service, nowText } from './service.ts';
import { violatedConstraint } from './store.ts';
import { clientSummary, clientView, groupRow } from './views.ts';

const clientId = { name: 'client_id', accepts: (text: string) => /^[a-zA-Z0-9._-]+$/.test(text) };

/** @throws ApiError not_found */
export const existingClient = async (service: Service, id: string): Promise<Client> => {
  const client = await service.store.get('client', id);
  if (client === undefined) throw notFound();
  return client;
};

const answer = async (service: Service, call: Call, client: Client, status: 200 | 201 = 200) => {
  const groups = await service.store.list('group');
  const allowed = groups.filter((group) => client.allowedGroupIds.includes(group.id));
  const allowedUserGroups = allowed.map((group) => groupRow(group, 0));
  return json(call, { ...clientView(client, service.now()), allowedUserGroups }, status);
};

const addReading = (app: App, service: Service): void => {
  app.get('/api/oidc/clients', async (call) => {
    await requireAdministrator(service, call);
    const page = pageOf(call, await service.store.list('client'), {
      searched: (client) => [client.name],
      sorted: ['name', 'createdAt', 'pkceEnabled', 'isPublic', 'isGroupRestricted'],
      filtered: ['isPublic', 'pkceEnabled', 'isGroupRestricted', 'skipConsent'],
    });
    const row = (client: Client) => ({
      ...clientView(client, service.now()),
      allowedUserGroupsCount: client.allowedGroupIds.length,
    });
    return json(call, { ...page, data: page.data.map(row) });
  });

  app.get('/api/oidc/clients/:id', async (call) => {
    await requireAdministrator(service, call);
    return answer(service, call, await existingClient(service, call.req.param('id')));
  });

  app.get('/api/oidc/clients/:id/meta', async (call) =>
    json(call, clientSummary(await existingClient(service, call.req.param('id')))),
  );
};

/** `/api/oidc/clients`: the applications that people sign in to. */
export const addClientRoutes = (app: App, service: Service): void => {
  addReading(app, service);

  app.post('/api/oidc/clients', async (call) => {
    await requireAdministrator(service, call);
    const fields = await readFields(call);
    const details = readClientDetails(fields);
    const id = fields.optionalText('id', { min: 2, max: 128, form: clientId }) ?? randomUUID();
    fields.done();
    const client: Client = { ...details, id, allowedGroupIds: [], secrets: [], createdAt: nowText(service) };
    await service.store.insert('client', id, client).catch((error: unknown) => {
      throw violatedConstraint(error) === 'standin_documents_id'
        ? new ApiError(409, 'client_id_already_exists', 'Client ID is already in use')
        : error;
    });
    return answer(service, call, client, 201);
  });

  app.put('/api/oidc/clients/:id', async (call) => {
    await requireAdministrator(service, call);
    const fields = await readFields(call);
    const details = readClientDetails(fields);
    fields.done();
    const client = await service.store.update('client', call.req.param('id'), (known) => ({
      ...known,
      ...details,
      allowedGroupIds: details.isGroupRestricted ? known.allowedGroupIds : [],
    }));
    if (client === undefined) throw notFound();
    return answer(service, call, client);
  });

  app.put('/api/oidc/clients/:id/allowed-user-groups', async (call) => {
    await requireAdministrator(service, call);
    const fields = await readFields(call);
    const wanted = fields.texts('userGroupIds', { required: true });
    fields.done();
    const groups = await service.store.list('group');
    const allowedGroupIds = groups.map((group) => group.id).filter((id) => wanted.includes(id));
    const client = await service.store.update('client', call.req.param('id'), (known) => ({
      ...known,
      allowedGroupIds,
    }));
    if (client === undefined) throw notFound();
    return json(call, clientView(client, service.now()));
  });

  app.delete('/api/oidc/clients/:id', async (call) => {
    await requireAdministrator(service, call);
    const id = call.req.param('id');
    const removed = await service.store.transaction(async (documents) => {
      await documents.removeOwnedBy('clientId', id);
      return documents.remove('client', id);
    });
    if (!removed) throw notFound();
    return noContent(call);
  });
};
