import { json, noContent } from './answer.ts';
import { mayUse } from './access.ts';
import { ApiError, invalidFields } from './api-error.ts';
import { requireSession, sessionCaller } from './caller.ts';
import { authenticateClient } from './client-authentication.ts';
import { hasConsented, knownScopes, needsConsent, recordConsent } from './consent.ts';
import type { Client, DeviceCode } from './documents.ts';
import { createGrant } from './grants.ts';
import { randomText, unambiguousCapitals } from './random-text.ts';
import { readForm } from './request-body.ts';
import { type App, type Call, type Service, nowS } from './service.ts';
import { clientSummary } from './views.ts';

const lifetimeS = 900;
const pollIntervalS = 5;

const unknownCode = (): ApiError => new ApiError(400, 'oidc_invalid_device_code', 'Invalid device code');

/** The pending authorization that a person typed the code of. */
const pendingCode = async (service: Service, call: Call): Promise<{ code: DeviceCode; client: Client }> => {
  const typed = (call.req.query('code') ?? '').trim().toUpperCase();
  if (typed === '') throw invalidFields([{ field: 'code', code: 'required', message: 'is required' }]);
  const userCode = typed.replaceAll('I', '1').replaceAll('O', '0');
  const code = await service.store.find('device-code', 'userCode', userCode);
  const client = code === undefined ? undefined : await service.store.get('client', code.clientId);
  if (code === undefined || client === undefined) throw unknownCode();
  if (code.expiresAtMs <= service.now())
    throw new ApiError(400, 'oidc_device_code_expired', 'Device code has expired');
  return { code, client };
};

/** The device flow (RFC 8628): a device asks, a person with a session approves its code in one call. */
export const addDeviceRoutes = (app: App, service: Service): void => {
  const { appUrl } = service.options;

  app.post('/api/oidc/device/authorize', async (call) => {
    const form = await readForm(call);
    const client = await authenticateClient(service, call, form);
    const { token, id } = service.opaqueTokens.mint('device-code');
    const userCode = `E${randomText(7, unambiguousCapitals)}`;
    await service.store.insert('device-code', id, {
      id,
      userCode,
      clientId: client.id,
      scopes: knownScopes(form.get('scope') ?? ''),
      grantId: null,
      used: false,
      requestedAtS: nowS(service),
      expiresAtMs: service.now() + lifetimeS * 1000,
    });
    call.header('Cache-Control', 'no-store');
    return json(call, {
      device_code: token,
      user_code: userCode,
      verification_uri: `${appUrl}/device`,
      verification_uri_complete: `${appUrl}/device?user_code=${userCode}`,
      expires_in: lifetimeS,
      interval: pollIntervalS,
    });
  });

  app.get('/api/oidc/device/info', async (call) => {
    const caller = await sessionCaller(service, call);
    const { code, client } = await pendingCode(service, call);
    const consented =
      caller !== undefined && (await hasConsented(service, caller.user.id, client.id, code.scopes));
    return json(call, {
      scope: code.scopes,
      scopeInfo: [],
      authorizationRequired: caller === undefined || needsConsent(consented, client, []),
      reauthenticationRequired: client.requiresReauthentication,
      client: clientSummary(client),
    });
  });

  app.post('/api/oidc/device/verify', async (call) => {
    const { user, session } = await requireSession(service, call);
    const { code, client } = await pendingCode(service, call);
    if (!mayUse(user, client))
      return json(call, { error: "You're not allowed to access this service." }, 403);
    if (client.requiresReauthentication)
      throw new ApiError(401, 'reauthentication_required', 'Reauthentication is required');
    await service.store.transaction(async (documents) => {
      const locked = await documents.lock('device-code', code.id);
      if (locked?.grantId !== null) throw unknownCode();
      await recordConsent(documents, user.id, client.id, code.scopes);
      const { scopes, requestedAtS } = code;
      const grant = await createGrant(documents, client, session, { scopes, nonce: null, requestedAtS });
      await documents.replace('device-code', code.id, { ...locked, grantId: grant.id });
    });
    return noContent(call);
  });
};
