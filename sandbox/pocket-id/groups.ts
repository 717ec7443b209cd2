import { randomUUID } from 'node:crypto';

import { json, noContent } from './answer.ts';
import { alreadyInUse, notFound } from './api-error.ts';
import { requireAdministrator } from './caller.ts';
import type { Group } from './documents.ts';
import { pageOf } from './page.ts';
import { type Fields, readFields } from './request-body.ts';
import { type App, type Call, type Service, nowText } from './service.ts';
import { type Documents, violatedConstraint } from './store.ts';
import { groupRow, groupView } from './views.ts';

const readNames = (fields: Fields): Pick<Group, 'friendlyName' | 'name'> => {
  const friendlyName = fields.text('friendlyName', { required: true, min: 2, max: 50 });
  const name = fields.text('name', { required: true, min: 2, max: 255 });
  fields.done();
  return { friendlyName, name };
};

const asNameConflict = (error: unknown): unknown =>
  violatedConstraint(error) === 'standin_group_name' ? alreadyInUse('name') : error;

const answer = async (service: Service, call: Call, group: Group | undefined, status: 200 | 201 = 200) => {
  if (group === undefined) throw notFound();
  const [users, clients] = await Promise.all([service.store.list('user'), service.store.list('client')]);
  return json(call, groupView(group, users, clients), status);
};

const including = (ids: readonly string[], id: string, wanted: boolean): readonly string[] => [
  ...ids.filter((each) => each !== id),
  ...(wanted ? [id] : []),
];

/** Makes exactly these users the members of a group; unknown ids are dropped. */
const setMembers = async (
  documents: Documents,
  groupId: string,
  userIds: readonly string[],
): Promise<void> => {
  await documents.lockAll();
  for (const user of await documents.list('user')) {
    const groupIds = including(user.groupIds, groupId, userIds.includes(user.id));
    await documents.replace('user', user.id, { ...user, groupIds });
  }
};

/** Makes exactly these clients the ones that let a group in; unknown ids are dropped. */
const setClients = async (
  documents: Documents,
  groupId: string,
  clientIds: readonly string[],
): Promise<void> => {
  await documents.lockAll();
  for (const client of await documents.list('client')) {
    const allowedGroupIds = including(client.allowedGroupIds, groupId, clientIds.includes(client.id));
    await documents.replace('client', client.id, { ...client, allowedGroupIds });
  }
};

const addReading = (app: App, service: Service): void => {
  app.get('/api/user-groups', async (call) => {
    await requireAdministrator(service, call);
    const [groups, users] = await Promise.all([service.store.list('group'), service.store.list('user')]);
    const page = pageOf(call, groups, {
      searched: (group) => [group.name],
      sorted: ['name', 'friendlyName', 'createdAt'],
      filtered: [],
    });
    const membersOf = (group: Group) => users.filter((user) => user.groupIds.includes(group.id)).length;
    return json(call, { ...page, data: page.data.map((group) => groupRow(group, membersOf(group))) });
  });

  app.get('/api/user-groups/:id', async (call) => {
    await requireAdministrator(service, call);
    return answer(service, call, await service.store.get('group', call.req.param('id')));
  });
};

/** `/api/user-groups`: groups, their members and the clients that let them in. */
export const addGroupRoutes = (app: App, service: Service): void => {
  addReading(app, service);

  app.post('/api/user-groups', async (call) => {
    await requireAdministrator(service, call);
    const names = readNames(await readFields(call));
    const group: Group = { id: randomUUID(), ...names, createdAt: nowText(service) };
    await service.store.insert('group', group.id, group).catch((error: unknown) => {
      throw asNameConflict(error);
    });
    return answer(service, call, group, 201);
  });

  app.put('/api/user-groups/:id', async (call) => {
    await requireAdministrator(service, call);
    const names = readNames(await readFields(call));
    const updated = service.store.update('group', call.req.param('id'), (group) => ({ ...group, ...names }));
    const group = await updated.catch((error: unknown) => {
      throw asNameConflict(error);
    });
    return answer(service, call, group);
  });

  app.put('/api/user-groups/:id/users', async (call) => {
    await requireAdministrator(service, call);
    const fields = await readFields(call);
    const userIds = fields.texts('userIds', { required: true });
    fields.done();
    const group = await service.store.get('group', call.req.param('id'));
    if (group !== undefined)
      await service.store.transaction((documents) => setMembers(documents, group.id, userIds));
    return answer(service, call, group);
  });

  app.put('/api/user-groups/:id/allowed-oidc-clients', async (call) => {
    await requireAdministrator(service, call);
    const fields = await readFields(call);
    const clientIds = fields.texts('oidcClientIds', { required: true });
    fields.done();
    const group = await service.store.get('group', call.req.param('id'));
    if (group !== undefined)
      await service.store.transaction((documents) => setClients(documents, group.id, clientIds));
    return answer(service, call, group);
  });

  app.delete('/api/user-groups/:id', async (call) => {
    await requireAdministrator(service, call);
    const id = call.req.param('id');
    const removed = await service.store.transaction(async (documents) => {
      await setMembers(documents, id, []);
      await setClients(documents, id, []);
      return documents.remove('group', id);
    });
    if (!removed) throw notFound();
    return noContent(call);
  });
};
