import { json } from './answer.ts';
import { invalidBody, tokenInvalid, tooManyRequests, userDisabled, userNotFound } from './api-error.ts';
import { requireAdministrator } from './caller.ts';
import { parseDurationMs } from './duration.ts';
import { digest } from './opaque-token.ts';
import { randomText, unambiguous } from './random-text.ts';
import { callerAddress } from './request-address.ts';
import { type Fields, readFields } from './request-body.ts';
import type { App, Service } from './service.ts';
import { startSession } from './session.ts';
import { userView } from './views.ts';

const defaultTtlMs = 15 * 60_000;
const maxTtlMs = 31 * 24 * 3_600_000;
const shortLength = 6;
const longLength = 12;

/** A Go duration text or a number of seconds; absent or 0 is 15 minutes. */
const readTtlMs = (fields: Fields): number => {
  const value = fields.raw('ttl') ?? 0;
  const ttlMs =
    typeof value === 'number' ? value * 1000 : parseDurationMs(typeof value === 'string' ? value : '');
  if (ttlMs === undefined) throw invalidBody();
  if (ttlMs === 0) return defaultTtlMs;
  if (ttlMs <= 1000 || ttlMs > maxTtlMs)
    fields.refuse({ field: 'ttl', code: 'ttl', message: 'must be longer than 1 second and at most 31 days' });
  return ttlMs;
};

/** One-time access: an administrator makes a token for a person, whoever has it signs in once. */
export const addOneTimeAccessRoutes = (app: App, service: Service): void => {
  app.post('/api/users/:id/one-time-access-token', async (call) => {
    await requireAdministrator(service, call);
    const fields = await readFields(call);
    const ttlMs = readTtlMs(fields);
    fields.done();
    const user = await service.store.get('user', call.req.param('id'));
    if (user === undefined) throw userNotFound();
    const token = randomText(ttlMs <= defaultTtlMs ? shortLength : longLength, unambiguous);
    await service.store.insert('one-time-token', digest(token), {
      userId: user.id,
      expiresAtMs: service.now() + ttlMs,
    });
    return json(call, { token }, 201);
  });

  app.post('/api/one-time-access-token/:token', async (call) => {
    if (service.options.rateLimiting) {
      const waitSeconds = service.takeCall('oneTimeAccess', callerAddress(service, call));
      if (waitSeconds > 0) throw tooManyRequests(waitSeconds);
    }
    const token = call.req.param('token').replaceAll(/[Ii]/g, '1').replaceAll(/[Oo]/g, '0');
    // One transaction: a refusal after the removal leaves the token where it was.
    const user = await service.store.transaction(async (documents) => {
      const stored = await documents.lock('one-time-token', digest(token));
      if (stored === undefined || stored.expiresAtMs <= service.now()) throw tokenInvalid();
      await documents.remove('one-time-token', digest(token));
      const owner = await documents.get('user', stored.userId);
      if (owner === undefined) throw tokenInvalid();
      if (owner.disabled) throw userDisabled();
      return owner;
    });
    await startSession(service, call, user, ['otp']);
    return json(call, userView(user, []));
  });
};
