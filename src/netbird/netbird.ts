import * as z from 'zod';
import { errnoOf, isAbort, StackError } from '../shared/errors.ts';
import type { Answer, Http } from '../shared/http.ts';

/*
 * NetBird's REST API (0.77), through nginx. Lists come as null where they are empty; what we do not read is not checked.
 */

const listOf = <T extends z.ZodType>(item: T) =>
  z
    .array(item)
    .nullish()
    .transform((all) => all ?? []);
const named = z.object({ id: z.string(), name: z.string() });

const user = z.object({
  id: z.string(),
  name: z.string(),
  email: z.string().nullish(),
  role: z.string().optional(),
  is_service_user: z.boolean(),
});
const account = z.object({
  id: z.string(),
  settings: z.looseObject({ extra: z.looseObject({}).nullish() }),
  onboarding: z.looseObject({}).nullish(),
});
const policy = z.object({
  id: z.string(),
  name: z.string(),
  description: z.string().nullish(),
  enabled: z.boolean(),
  rules: listOf(
    z.object({
      enabled: z.boolean(),
      action: z.string(),
      sources: listOf(named),
      destinations: listOf(named),
    }),
  ),
});
const token = z.object({ id: z.string(), name: z.string(), expiration_date: z.string() });

export type MeshUser = z.output<typeof user>;
export type MeshAccount = z.output<typeof account>;
export type MeshPolicy = z.output<typeof policy>;
export type MeshGroup = z.output<typeof named>;
export type MeshToken = z.output<typeof token>;

/** How a call says who it is: a service token, or a person's ID token. An access token would empty their groups. */
export type MeshAuth = { readonly serviceToken: string } | { readonly idToken: string };

export interface NewPolicy {
  readonly name: string;
  readonly description: string;
  readonly sourceGroupId: string;
  readonly destinationGroupId: string;
}

/** All of NetBird's API that this program uses. Every call may throw MESH_UNREACHABLE or MESH_REFUSED. */
export interface NetBird {
  /** True when management answers. */
  readonly answers: (signal: AbortSignal) => Promise<boolean>;
  /** The person of an ID token; the first one ever becomes the owner. */
  readonly currentUser: (auth: MeshAuth, signal: AbortSignal) => Promise<{ readonly id: string }>;
  /** The same call where a refusal is an answer: its status, and the id where it is 200. */
  readonly whoIs: (
    idToken: string,
    signal: AbortSignal,
  ) => Promise<{ readonly status: number; readonly id: string | undefined }>;
  readonly users: (auth: MeshAuth, signal: AbortSignal) => Promise<readonly MeshUser[]>;
  readonly createServiceUser: (auth: MeshAuth, name: string, signal: AbortSignal) => Promise<MeshUser>;
  readonly deleteUser: (auth: MeshAuth, id: string, signal: AbortSignal) => Promise<void>;
  readonly tokens: (auth: MeshAuth, userId: string, signal: AbortSignal) => Promise<readonly MeshToken[]>;
  /** The plain token is in this answer only. */
  readonly createToken: (
    auth: MeshAuth,
    userId: string,
    days: number,
    signal: AbortSignal,
  ) => Promise<string>;
  readonly deleteToken: (
    auth: MeshAuth,
    userId: string,
    tokenId: string,
    signal: AbortSignal,
  ) => Promise<void>;
  readonly account: (auth: MeshAuth, signal: AbortSignal) => Promise<MeshAccount | undefined>;
  /** Replaces all settings of the account: give it the whole. */
  readonly putAccount: (auth: MeshAuth, whole: MeshAccount, signal: AbortSignal) => Promise<void>;
  readonly groups: (auth: MeshAuth, signal: AbortSignal) => Promise<readonly MeshGroup[]>;
  readonly createGroup: (auth: MeshAuth, name: string, signal: AbortSignal) => Promise<MeshGroup>;
  readonly policies: (auth: MeshAuth, signal: AbortSignal) => Promise<readonly MeshPolicy[]>;
  /** Creates the policy, or replaces the one with this id. */
  readonly putPolicy: (
    auth: MeshAuth,
    wanted: NewPolicy,
    id: string | undefined,
    signal: AbortSignal,
  ) => Promise<MeshPolicy>;
}

/** `data.away`: nothing listens there yet, or nginx says that management does not; a stack that is not up looks so. */
const unreachableError = (url: string, seen: string, away: boolean, cause?: unknown): StackError =>
  new StackError('MESH_UNREACHABLE', `NetBird does not answer at ${url} (${seen})`, {
    hint: 'npm run logs -- --service netbird-management shows what it says; npm run status shows what is up',
    data: { url, away },
    cause,
  });

/** What a port answers behind which nothing runs, or that Docker has published for something not ready yet. */
const nobodyThere = new Set(['ECONNREFUSED', 'ECONNRESET']);

const refused = (method: string, path: string, answer: Answer): StackError => {
  const said = (answer.json() as { message?: string } | undefined)?.message ?? answer.text.slice(0, 200);
  return new StackError(
    'MESH_REFUSED',
    `NetBird refused ${method} ${path} with ${answer.status} ("${said}")`,
    {
      hint: 'run npm run up again; if it stays so, npm run logs -- --service netbird-management shows why',
      data: { method, path, status: answer.status },
    },
  );
};

/** The adapter over our HTTP client. `meshUrl` without a slash at the end. */
export const createNetBird = (http: Http, meshUrl: string): NetBird => {
  const call = async (
    method: string,
    path: string,
    signal: AbortSignal,
    auth?: MeshAuth,
    body?: unknown,
  ): Promise<Answer> => {
    const url = `${meshUrl}${path}`;
    const headers = {
      ...(auth === undefined
        ? {}
        : {
            authorization: 'serviceToken' in auth ? `Token ${auth.serviceToken}` : `Bearer ${auth.idToken}`,
          }),
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    };
    let answer: Answer;
    try {
      answer = await http.call(method, url, {
        headers,
        signal,
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
    } catch (error) {
      if (signal.aborted && isAbort(error)) throw error;
      const seen = error instanceof Error ? error.message : String(error);
      throw unreachableError(url, seen, nobodyThere.has(errnoOf(error) ?? ''), error);
    }
    // nginx answers these itself while management is away.
    if ([502, 503, 504].includes(answer.status)) throw unreachableError(url, `${answer.status}`, true);
    return answer;
  };
  const read = async <T extends z.ZodType>(
    schema: T,
    method: string,
    path: string,
    signal: AbortSignal,
    auth: MeshAuth,
    body?: unknown,
  ): Promise<z.output<T>> => {
    const answer = await call(method, path, signal, auth, body);
    if (answer.status >= 300) throw refused(method, path, answer);
    const parsed = schema.safeParse(answer.json());
    if (!parsed.success) {
      throw new StackError(
        'MESH_REFUSED',
        `NetBird answered ${method} ${path} in a form this program does not know`,
        {
          hint: 'this program is made for NetBird 0.77; see images/overrides in settings.yaml',
          cause: parsed.error,
        },
      );
    }
    return parsed.data;
  };
  const remove = async (path: string, signal: AbortSignal, auth: MeshAuth) => {
    const answer = await call('DELETE', path, signal, auth);
    if (answer.status >= 300 && answer.status !== 404) throw refused('DELETE', path, answer);
  };

  return {
    async answers(signal) {
      return (await call('GET', '/api/instance', signal)).status === 200;
    },
    currentUser: async (auth, signal) =>
      read(z.object({ id: z.string() }), 'GET', '/api/users/current', signal, auth),
    async whoIs(idToken, signal) {
      const { status, json } = await call('GET', '/api/users/current', signal, { idToken });
      return {
        status,
        id: status === 200 ? z.object({ id: z.string() }).safeParse(json()).data?.id : undefined,
      };
    },
    users: async (auth, signal) => read(listOf(user), 'GET', '/api/users', signal, auth),
    createServiceUser: async (auth, name, signal) =>
      read(user, 'POST', '/api/users', signal, auth, {
        name,
        role: 'admin',
        is_service_user: true,
        auto_groups: [],
      }),
    deleteUser: async (auth, id, signal) => remove(`/api/users/${id}`, signal, auth),
    tokens: async (auth, userId, signal) =>
      read(listOf(token), 'GET', `/api/users/${userId}/tokens`, signal, auth),
    async createToken(auth, userId, days, signal) {
      const made = z.object({ plain_token: z.string().min(1) });
      const body = { name: 'skylab-stack', expires_in: days };
      return (await read(made, 'POST', `/api/users/${userId}/tokens`, signal, auth, body)).plain_token;
    },
    deleteToken: async (auth, userId, tokenId, signal) =>
      remove(`/api/users/${userId}/tokens/${tokenId}`, signal, auth),
    account: async (auth, signal) => (await read(listOf(account), 'GET', '/api/accounts', signal, auth))[0],
    async putAccount(auth, whole, signal) {
      const { id, settings, onboarding } = whole;
      await read(account, 'PUT', `/api/accounts/${id}`, signal, auth, {
        settings,
        ...(onboarding ? { onboarding } : {}),
      });
    },
    groups: async (auth, signal) => read(listOf(named), 'GET', '/api/groups', signal, auth),
    createGroup: async (auth, name, signal) => read(named, 'POST', '/api/groups', signal, auth, { name }),
    policies: async (auth, signal) => read(listOf(policy), 'GET', '/api/policies', signal, auth),
    async putPolicy(auth, wanted, id, signal) {
      const rule = {
        name: wanted.name,
        enabled: true,
        action: 'accept',
        bidirectional: true,
        protocol: 'all',
        sources: [wanted.sourceGroupId],
        destinations: [wanted.destinationGroupId],
      };
      const body = { name: wanted.name, description: wanted.description, enabled: true, rules: [rule] };
      const path = id === undefined ? '/api/policies' : `/api/policies/${id}`;
      return read(policy, id === undefined ? 'POST' : 'PUT', path, signal, auth, body);
    },
  };
};
