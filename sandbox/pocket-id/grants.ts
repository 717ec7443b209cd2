import { randomUUID } from 'node:crypto';

import type { Client, Grant } from './documents.ts';
import type { SessionClaims } from './session.ts';
import type { Service } from './service.ts';
import type { Documents } from './store.ts';

/** Writes down that the user of a session authorized a client. */
export const createGrant = async (
  documents: Documents,
  client: Client,
  session: SessionClaims,
  request: Pick<Grant, 'scopes' | 'nonce' | 'requestedAtS'>,
): Promise<Grant> => {
  const grant: Grant = {
    ...request,
    id: randomUUID(),
    clientId: client.id,
    userId: session.userId,
    amr: session.amr,
    authenticatedAtS: session.authenticatedAtS,
    revoked: false,
    accessTokenId: null,
    idTokenId: null,
  };
  await documents.insert('grant', grant.id, grant);
  return grant;
};

/** Ends a grant: its refresh tokens and its access token are dead from now on. */
export const revokeGrant = async (service: Service, grantId: string): Promise<void> => {
  await service.store.update('grant', grantId, (grant) => ({ ...grant, revoked: true }));
};
