import { json, noContent } from './answer.ts';
import { requireCaller } from './caller.ts';
import type { App, Service } from './service.ts';

/** The release that the recordings were made with and that this stands in for. */
export const version = '2.14.0';

/** The public settings, in the order and form of the real server: all values are text, most types empty. */
const publicConfig = (service: Service) => {
  const { appConfig } = service.options;
  const row = (key: string, value: string | boolean, type = '') => ({ key, type, value: String(value) });
  return [
    row('appName', appConfig.appName),
    row('homePageUrl', appConfig.homePageUrl),
    row('accentColor', appConfig.accentColor),
    row('disableAnimations', appConfig.disableAnimations),
    row('allowOwnAccountEdit', appConfig.allowOwnAccountEdit),
    row('allowUserSignups', appConfig.allowUserSignups),
    row('requireUserEmail', appConfig.requireUserEmail),
    row('emailOneTimeAccessAsUnauthenticatedEnabled', false),
    row('emailOneTimeAccessAsAdminEnabled', false),
    row('emailVerificationEnabled', false),
    row('ldapEnabled', false),
    row('uiConfigDisabled', appConfig.uiConfigDisabled, 'boolean'),
    row('tracingEnabled', false),
  ];
};

/** Health (which never asks the database), version and public settings. */
export const addInstanceRoutes = (app: App, service: Service): void => {
  app.get('/healthz', (call) => noContent(call));

  app.get('/api/version/current', async (call) => {
    await requireCaller(service, call);
    return json(call, { currentVersion: version });
  });

  app.get('/api/application-configuration', (call) => json(call, publicConfig(service)));
};
