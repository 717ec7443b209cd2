import { isCallbackPattern } from './callback-url.ts';
import type { Client } from './documents.ts';
import type { Fields } from './request-body.ts';

type ClientDetails = Omit<Client, 'id' | 'allowedGroupIds' | 'secrets' | 'createdAt'>;

const defaultAccessTokenMinutes = 60;
const defaultRefreshTokenMinutes = 43_200;
const maxTokenMinutes = 525_600;

const callbackPattern = { name: 'callback_url_pattern', accepts: isCallbackPattern };

const launchAddress = { name: 'url', accepts: (text: string) => URL.canParse(text) };

/** What a client is made of, read from a body; everything absent is reset to its default, also on update. */
export const readClientDetails = (fields: Fields): ClientDetails => {
  const isPublic = fields.flag('isPublic');
  return {
    name: fields.text('name', { required: true, max: 50 }),
    description: fields.text('description', { max: 150 }),
    callbackURLs: fields.texts('callbackURLs', { form: callbackPattern }),
    logoutCallbackURLs: fields.texts('logoutCallbackURLs', { form: callbackPattern }),
    isPublic,
    // Without a secret only PKCE protects the code.
    pkceEnabled: fields.flag('pkceEnabled') || isPublic,
    requiresReauthentication: fields.flag('requiresReauthentication'),
    requiresPushedAuthorizationRequests: fields.flag('requiresPushedAuthorizationRequests'),
    skipConsent: fields.flag('skipConsent'),
    launchURL: fields.optionalText('launchURL', { form: launchAddress }),
    isGroupRestricted: fields.flag('isGroupRestricted'),
    accessTokenDurationMinutes: fields.whole('accessTokenDurationMinutes', {
      fallback: defaultAccessTokenMinutes,
      min: 1,
      max: maxTokenMinutes,
    }),
    refreshTokenDurationMinutes: fields.whole('refreshTokenDurationMinutes', {
      fallback: defaultRefreshTokenMinutes,
      min: 1,
      max: maxTokenMinutes,
    }),
  };
};
