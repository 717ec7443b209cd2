import { randomUUID } from 'node:crypto';

import { json, noContent } from './answer.ts';
import { notFound } from './api-error.ts';
import { requireAdministrator, requireCaller } from './caller.ts';
import type { User } from './documents.ts';
import { pageOf } from './page.ts';
import { readFields } from './request-body.ts';
import { type App, type Service, nowText } from './service.ts';
import { asUserConflict, readUserDetails } from './user-fields.ts';
import { groupRow, userView } from './views.ts';

const uuid = {
  name: 'uuid',
  accepts: (text: string) => /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(text),
};

const existing = async <T>(found: Promise<T | undefined>): Promise<T> => {
  const value = await found;
  if (value === undefined) throw notFound();
  return value;
};

const knownGroupIds = async (service: Service, wanted: readonly string[]): Promise<readonly string[]> => {
  const groups = await service.store.list('group');
  return groups.map((group) => group.id).filter((id) => wanted.includes(id));
};

const addReading = (app: App, service: Service): void => {
  app.get('/api/users', async (call) => {
    await requireAdministrator(service, call);
    const [users, groups] = await Promise.all([service.store.list('user'), service.store.list('group')]);
    const page = pageOf(call, users, {
      searched: (user) => [user.email, user.firstName, user.lastName, user.username],
      sorted: [
        'username',
        'email',
        'firstName',
        'lastName',
        'displayName',
        'isAdmin',
        'disabled',
        'createdAt',
      ],
      filtered: ['isAdmin', 'disabled', 'emailVerified'],
    });
    return json(call, { ...page, data: page.data.map((user) => userView(user, groups)) });
  });

  app.get('/api/users/me', async (call) => {
    const { user } = await requireCaller(service, call);
    return json(call, userView(user, await service.store.list('group')));
  });

  app.get('/api/users/:id', async (call) => {
    await requireAdministrator(service, call);
    const user = await existing(service.store.get('user', call.req.param('id')));
    return json(call, userView(user, await service.store.list('group')));
  });

  app.get('/api/users/:id/groups', async (call) => {
    await requireAdministrator(service, call);
    const user = await existing(service.store.get('user', call.req.param('id')));
    const groups = await service.store.list('group');
    return json(
      call,
      groups.filter((group) => user.groupIds.includes(group.id)).map((group) => groupRow(group, 0)),
    );
  });

  // No passkey can be registered here, so there is never one.
  app.get('/api/users/:id/webauthn-credentials', async (call) => {
    await requireAdministrator(service, call);
    await existing(service.store.get('user', call.req.param('id')));
    return json(call, []);
  });
};

const addWriting = (app: App, service: Service): void => {
  const { requireUserEmail } = service.options.appConfig;

  app.post('/api/users', async (call) => {
    await requireAdministrator(service, call);
    const fields = await readFields(call);
    const id = fields.optionalText('id', { form: uuid }) ?? randomUUID();
    const details = readUserDetails(fields, requireUserEmail);
    const groupIds = fields.texts('userGroupIds');
    fields.done();
    const user: User = {
      ...details,
      id,
      groupIds: await knownGroupIds(service, groupIds),
      createdAt: nowText(service),
    };
    await service.store.insert('user', id, user).catch((error: unknown) => {
      throw asUserConflict(error) ?? error;
    });
    return json(call, userView(user, await service.store.list('group')), 201);
  });

  app.put('/api/users/:id', async (call) => {
    await requireAdministrator(service, call);
    const fields = await readFields(call);
    const details = readUserDetails(fields, requireUserEmail);
    fields.done();
    const updated = service.store.update('user', call.req.param('id'), (user) => ({ ...user, ...details }));
    const user = await existing(updated).catch((error: unknown) => {
      throw asUserConflict(error) ?? error;
    });
    return json(call, userView(user, []));
  });

  app.put('/api/users/:id/user-groups', async (call) => {
    await requireAdministrator(service, call);
    const fields = await readFields(call);
    const wanted = fields.texts('userGroupIds', { required: true });
    fields.done();
    const groupIds = await knownGroupIds(service, wanted);
    const user = await existing(
      service.store.update('user', call.req.param('id'), (each) => ({ ...each, groupIds })),
    );
    return json(call, userView(user, await service.store.list('group')));
  });

  app.delete('/api/users/:id', async (call) => {
    await requireAdministrator(service, call);
    const id = call.req.param('id');
    const removed = await service.store.transaction(async (documents) => {
      await documents.removeOwnedBy('userId', id);
      return documents.remove('user', id);
    });
    if (!removed) throw notFound();
    return noContent(call);
  });
};

/** `/api/users`: people, by administrators; `me` by anyone signed in. */
export const addUserRoutes = (app: App, service: Service): void => {
  addReading(app, service);
  addWriting(app, service);
};
