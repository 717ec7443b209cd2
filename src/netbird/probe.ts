import type { SecretStore } from '../settings/secret-store.ts';
import { StackError } from '../shared/errors.ts';
import type { MeshAuth, NetBird } from './netbird.ts';
import { kept } from './observe.ts';

/**
 * What the proof of the login asks of the mesh, with the service token. Every call may throw MESH_UNREACHABLE or
 * MESH_REFUSED.
 */
export const createMeshProbe = (netbird: NetBird, secrets: SecretStore) => {
  const auth = async (): Promise<MeshAuth> => {
    const serviceToken = await secrets.read(kept.token);
    if (serviceToken !== undefined) return { serviceToken };
    throw new StackError('MESH_REFUSED', 'we hold no service token for the mesh', {
      hint: 'npm run up makes one',
    });
  };
  return {
    /** Id of the user who owns the mesh; undefined while nobody does. */
    async owner(signal: AbortSignal): Promise<string | undefined> {
      if ((await secrets.read(kept.token)) === undefined) return undefined;
      const users = await netbird.users(await auth(), signal);
      return users.find((user) => user.role === 'owner')?.id;
    },
    currentUser: async (idToken: string, signal: AbortSignal) => netbird.whoIs(idToken, signal),
    /** Users whose name or e-mail address begins with this. */
    async usersByPrefix(prefix: string, signal: AbortSignal): Promise<readonly { readonly id: string }[]> {
      const users = await netbird.users(await auth(), signal);
      return users.filter((user) => user.name.startsWith(prefix) || user.email?.startsWith(prefix) === true);
    },
    /** One that is gone already is fine. */
    removeUser: async (id: string, signal: AbortSignal): Promise<void> =>
      netbird.deleteUser(await auth(), id, signal),
  };
};
