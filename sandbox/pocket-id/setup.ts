import { randomUUID } from 'node:crypto';

import { json, noContent } from './answer.ts';
import { ApiError, tooManyRequests } from './api-error.ts';
import { staticUserId } from './caller.ts';
import type { User } from './documents.ts';
import { callerAddress } from './request-address.ts';
import { readFields } from './request-body.ts';
import { type App, type Service, nowText } from './service.ts';
import { startSession } from './session.ts';
import type { Documents } from './store.ts';
import { readUserDetails } from './user-fields.ts';
import { userView } from './views.ts';

/** Open until there is any user besides the static one. */
const isSetupOpen = async (documents: Documents): Promise<boolean> => {
  const users = await documents.list('user');
  return users.every((user) => user.id === staticUserId);
};

/** The first administrator by whoever comes first, and sign-up by oneself, which is never open here. */
export const addSetupRoutes = (app: App, service: Service): void => {
  app.get('/api/signup/setup', async (call) => {
    if (!(await isSetupOpen(service.store))) throw new ApiError(404, 'setup_not_available', 'Not found');
    return noContent(call);
  });

  app.post('/api/signup/setup', async (call) => {
    const fields = await readFields(call);
    const details = readUserDetails(fields, service.options.appConfig.requireUserEmail);
    fields.done();
    const user: User = {
      ...details,
      id: randomUUID(),
      emailVerified: false,
      isAdmin: true,
      disabled: false,
      groupIds: [],
      createdAt: nowText(service),
    };
    await service.store.transaction(async (documents) => {
      await documents.lockAll();
      if (!(await isSetupOpen(documents)))
        throw new ApiError(409, 'setup_already_completed', 'Initial setup has already been completed');
      await documents.insert('user', user.id, user);
    });
    await startSession(service, call, user, []);
    return json(call, userView(user, []));
  });

  app.post('/api/signup', async (call) => {
    if (service.options.rateLimiting) {
      const waitSeconds = service.takeCall('signup', callerAddress(service, call));
      if (waitSeconds > 0) throw tooManyRequests(waitSeconds);
    }
    await readFields(call);
    throw new ApiError(403, 'open_signup_disabled', 'Open user signup is not enabled');
  });
};
