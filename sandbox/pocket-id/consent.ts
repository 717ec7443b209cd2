import type { Client } from './documents.ts';
import type { Service } from './service.ts';
import type { Documents } from './store.ts';

const idOf = (userId: string, clientId: string): string => `${userId} ${clientId}`;

const identityScopes = ['openid', 'profile', 'email', 'groups', 'offline_access'];

/** The scopes of a space-separated list that this server knows; the others are dropped without a word. */
export const knownScopes = (list: string): readonly string[] => [
  ...new Set(list.split(' ').filter((scope) => identityScopes.includes(scope))),
];

/** True when the user agreed to all of these scopes before. */
export const hasConsented = async (
  service: Service,
  userId: string,
  clientId: string,
  scopes: readonly string[],
): Promise<boolean> => {
  const consent = await service.store.get('consent', idOf(userId, clientId));
  return consent !== undefined && scopes.every((scope) => consent.scopes.includes(scope));
};

/** The consent screen is due unless it was answered before or the client skips it; `prompt=consent` always shows it. */
export const needsConsent = (consented: boolean, client: Client, prompt: readonly string[]): boolean =>
  prompt.includes('consent') || (!consented && !client.skipConsent);

/** Remembers what a user agreed to, on top of what was agreed to before. */
export const recordConsent = async (
  documents: Documents,
  userId: string,
  clientId: string,
  scopes: readonly string[],
): Promise<void> => {
  await documents.lockAll();
  const id = idOf(userId, clientId);
  const known = await documents.get('consent', id);
  const body = { userId, clientId, scopes: [...new Set([...(known?.scopes ?? []), ...scopes])] };
  await (known === undefined
    ? documents.insert('consent', id, body)
    : documents.replace('consent', id, body));
};

/** End-session wants to see that the user once authorized the client. */
export const everConsented = async (service: Service, userId: string, clientId: string): Promise<boolean> =>
  (await service.store.get('consent', idOf(userId, clientId))) !== undefined;
