import { oauthJson } from './answer.ts';
import { authenticateClient } from './client-authentication.ts';
import { redeemCode } from './code-grant.ts';
import { redeemDeviceCode } from './device-grant.ts';
import { OAuthError } from './oauth-error.ts';
import { refreshTokens } from './refresh-grant.ts';
import { readForm } from './request-body.ts';
import type { App, Service } from './service.ts';

const grantTypes = {
  authorization_code: redeemCode,
  refresh_token: refreshTokens,
  'urn:ietf:params:oauth:grant-type:device_code': redeemDeviceCode,
} as const;

const isGrantType = (name: string): name is keyof typeof grantTypes => Object.hasOwn(grantTypes, name);

/** The token endpoint (RFC 6749 §3.2). */
export const addTokenRoutes = (app: App, service: Service): void => {
  app.post('/api/oidc/token', async (call) => {
    const form = await readForm(call);
    const client = await authenticateClient(service, call, form);
    const grantType = form.get('grant_type') ?? '';
    if (!isGrantType(grantType)) throw new OAuthError('unsupported_grant_type');
    return oauthJson(call, await grantTypes[grantType](service, client, form));
  });
};
