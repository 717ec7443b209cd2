import type { SecretStore } from '../../settings/secret-store.ts';
import type { Http } from '../../shared/http.ts';
import type { PocketId } from '../pocket-id.ts';
import type { Sessions } from '../session.ts';

/** What the proof needs of NetBird (given by netbird). Every call may throw MESH_UNREACHABLE or MESH_REFUSED. */
export interface MeshProbe {
  /** Id of the user who owns the mesh, asked with the service token; undefined while there is none. */
  readonly owner: (signal: AbortSignal) => Promise<string | undefined>;
  /**
   * `GET <meshUrl>/api/users/current` with this ID token, through nginx. Makes the user in NetBird where it is new. A
   * refusal is an answer here, not an exception; `id` is that of the user, where the status is 200.
   */
  readonly currentUser: (
    idToken: string,
    signal: AbortSignal,
  ) => Promise<{ readonly status: number; readonly id: string | undefined }>;
  /** Users whose name or e-mail address begins with this. */
  readonly usersByPrefix: (
    prefix: string,
    signal: AbortSignal,
  ) => Promise<readonly { readonly id: string }[]>;
  /** One that is gone already is fine. */
  readonly removeUser: (id: string, signal: AbortSignal) => Promise<void>;
}

export interface ProofPorts {
  /** Reaches the public names, and so goes through nginx. */
  readonly http: Http;
  readonly pocketId: PocketId;
  readonly sessions: Sessions;
  readonly secrets: SecretStore;
  readonly mesh: MeshProbe;
}
