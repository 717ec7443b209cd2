import { createLocalJWKSet, jwtVerify, type JSONWebKeySet } from 'jose';
import type { MeshProbe } from '../../../../src/oidc/proof/ports.ts';

export interface TestMesh {
  readonly probe: MeshProbe;
  /** Users by id, with their names. */
  readonly users: Map<string, string>;
}

/** NetBird as the proof sees it: makes a user of every ID token whose signature and audience are right. */
export const createTestMesh = (keys: () => Promise<JSONWebKeySet>, owner: string | undefined): TestMesh => {
  const users = new Map(owner === undefined ? [] : [[owner, 'Alice Lab']]);
  return {
    users,
    probe: {
      owner: async () => owner,
      async currentUser(idToken) {
        try {
          const { payload } = await jwtVerify(idToken, createLocalJWKSet(await keys()), {
            audience: 'netbird',
          });
          users.set(String(payload.sub), String(payload['name']));
          return { status: 200, id: payload.sub };
        } catch {
          return { status: 401, id: undefined };
        }
      },
      usersByPrefix: async (prefix) =>
        [...users].filter(([, name]) => name.startsWith(prefix)).map(([id]) => ({ id })),
      removeUser: async (id) => void users.delete(id),
    },
  };
};
