import { randomUUID } from 'node:crypto';

import { Hono } from 'hono';

import { json, oauthJson } from './answer.ts';
import { ApiError, tooManyRequests } from './api-error.ts';
import { addAuthorizeRoutes } from './authorize.ts';
import { addClientSecretRoutes } from './client-secrets.ts';
import { addClientRoutes } from './clients.ts';
import { addDeviceRoutes } from './device.ts';
import { addDiscoveryRoutes } from './discovery.ts';
import { addEndSessionRoutes } from './end-session.ts';
import { addGroupRoutes } from './groups.ts';
import { addInstanceRoutes } from './instance.ts';
import { addInteractionRoutes } from './interactions.ts';
import { addIntrospectionRoutes } from './introspection.ts';
import { OAuthError } from './oauth-error.ts';
import { addOneTimeAccessRoutes } from './one-time-access.ts';
import { addPreviewRoutes } from './preview.ts';
import { addPushedAuthorizationRoutes } from './pushed-authorization.ts';
import { callerAddress } from './request-address.ts';
import type { App, Call, Env, Service } from './service.ts';
import { addSetupRoutes } from './setup.ts';
import { addTokenRoutes } from './token-endpoint.ts';
import { addUserRoutes } from './users.ts';
import { addUserinfoRoutes } from './userinfo.ts';
import { addWebPages } from './web-pages.ts';

const publicToBrowsers = [
  '/api/oidc/token',
  '/api/oidc/userinfo',
  '/api/oidc/end-session',
  '/api/oidc/introspect',
  '/.well-known/*',
];

const limited = ['/api/*', '/authorize', '/.well-known/*'];

const answerApiError = (call: Call, error: ApiError): Response => {
  if (error.retryAfterSeconds !== undefined) call.header('Retry-After', String(error.retryAfterSeconds));
  return json(
    call,
    {
      error: error.message,
      code: error.code,
      ...(error.details === undefined ? {} : { details: error.details }),
      request_id: call.get('requestId'),
    },
    error.status,
  );
};

const answerError = (error: Error, call: Call, report: (error: Error) => void): Response => {
  if (error instanceof OAuthError)
    return oauthJson(call, { error: error.code, error_description: error.message }, error.status);
  if (error instanceof ApiError) return answerApiError(call, error);
  report(error);
  return answerApiError(call, new ApiError(500, 'internal_error', 'Something went wrong'));
};

const addCommonHeaders = (app: App): void => {
  app.use(async (call, next) => {
    const requestId = randomUUID();
    call.set('requestId', requestId);
    call.header('X-Request-ID', requestId);
    call.header('Cache-Control', 'private, no-store');
    await next();
  });
  for (const path of publicToBrowsers) {
    app.use(path, async (call, next) => {
      call.header('Access-Control-Allow-Origin', '*');
      await next();
    });
    app.options(path, (call) => {
      call.header('Access-Control-Allow-Methods', 'GET, POST');
      call.header('Access-Control-Allow-Headers', 'Authorization, Content-Type');
      return call.body(null, 204);
    });
  }
};

const addRateLimit = (app: App, service: Service): void => {
  if (!service.options.rateLimiting) return;
  for (const path of limited)
    app.use(path, async (call, next) => {
      const waitSeconds = service.takeCall('api', callerAddress(service, call));
      if (waitSeconds > 0) throw tooManyRequests(waitSeconds);
      await next();
    });
};

/**
 * Every route of the stand-in.
 * @param report is told of errors that are not answers (status 500): a lost database, a bug
 */
export const createApp = (service: Service, report: (error: Error) => void): App => {
  const app = new Hono<Env>();
  app.onError((error, call) => answerError(error, call, report));
  addCommonHeaders(app);
  addRateLimit(app, service);
  const parts = [
    addInstanceRoutes,
    addSetupRoutes,
    addOneTimeAccessRoutes,
    addUserRoutes,
    addGroupRoutes,
    addClientSecretRoutes,
    addPreviewRoutes,
    addClientRoutes,
    addDiscoveryRoutes,
    addAuthorizeRoutes,
    addInteractionRoutes,
    addPushedAuthorizationRoutes,
    addDeviceRoutes,
    addTokenRoutes,
    addUserinfoRoutes,
    addIntrospectionRoutes,
    addEndSessionRoutes,
  ];
  for (const add of parts) add(app, service);
  addWebPages(app);
  return app;
};
