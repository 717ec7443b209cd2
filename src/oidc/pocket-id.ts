import * as z from 'zod';
import { monotonicMs, sleep } from '../shared/clock.ts';
import { errnoOf, isAbort, isStackError, StackError } from '../shared/errors.ts';
import type { Answer, Http } from '../shared/http.ts';

/** Pocket ID writes empty lists as null in some answers. */
const list = <T extends z.ZodType>(item: T) =>
  z
    .array(item)
    .nullish()
    .transform((items) => items ?? []);

const groupSchema = z.looseObject({ id: z.string(), name: z.string(), friendlyName: z.string() });
const userSchema = z.looseObject({
  id: z.string(),
  username: z.string(),
  email: z.string().nullish(),
  emailVerified: z.boolean(),
  firstName: z.string(),
  lastName: z.string().nullish(),
  displayName: z.string(),
  isAdmin: z.boolean(),
  userGroups: list(groupSchema),
});
const clientSchema = z.looseObject({
  id: z.string(),
  name: z.string(),
  callbackURLs: list(z.string()),
  logoutCallbackURLs: list(z.string()),
  isPublic: z.boolean(),
  pkceEnabled: z.boolean(),
  isGroupRestricted: z.boolean(),
  allowedUserGroups: list(groupSchema),
});
const secretSchema = z.object({ id: z.string(), prefix: z.string(), isActive: z.boolean() });
const deviceSchema = z.object({ device_code: z.string(), user_code: z.string() });
const errorSchema = z.object({
  error: z.string().optional(),
  error_description: z.string().optional(),
  code: z.string().optional(),
  request_id: z.string().optional(),
});
const pageOf = <T extends z.ZodType>(row: T) =>
  z.object({ data: list(row), pagination: z.object({ totalPages: z.int() }) });

/** As Pocket ID shows them; fields we do not know are kept, so that they survive read-modify-write. */
export type Group = z.output<typeof groupSchema>;
export type User = z.output<typeof userSchema>;
export type Client = z.output<typeof clientSchema>;
type Fields = Readonly<Record<string, unknown>>;

interface Ports {
  readonly http: Http;
  /** The loopback address, without a slash at the end. */
  readonly baseUrl: string;
  /** The static API key; undefined before it was made. */
  readonly apiKey: () => Promise<string | undefined>;
  /** How long a 401 to our key is asked again. Default 2 s. */
  readonly patienceMs?: number;
}

interface Request {
  readonly method: string;
  readonly path: string;
  /** What errors say instead of the path, where that holds a secret. */
  readonly shown?: string;
  readonly json?: Fields;
  readonly form?: Readonly<Record<string, string>>;
  readonly bearer?: string;
  readonly signal: AbortSignal;
}

const pageSize = 100;
const defaultPatienceMs = 2_000;
const betweenTriesMs = 200;
const defaultRetryAfterMs = 10_000;
const deviceGrant = 'urn:ietf:params:oauth:grant-type:device_code';

const keyNotTaken = (): StackError =>
  new StackError('IDENTITY_UNREACHABLE', 'Pocket ID does not take our key (401)', {
    hint: 'is PostgreSQL up (npm run status)? If so, Pocket ID runs with another key: npm run up restarts it',
    data: { status: 401 },
  });

const nameOf = (request: Request): string => `${request.method} ${request.shown ?? request.path}`;
const errorOf = (answer: Answer) => errorSchema.safeParse(answer.json()).data ?? {};
const at = (path: TemplateStringsArray, ...parts: readonly string[]): string =>
  String.raw({ raw: path }, ...parts.map(encodeURIComponent));

const failed = (request: Request, answer: Answer): StackError => {
  const { error, error_description: description, code = error, request_id: requestId } = errorOf(answer);
  const said = [answer.status, code, description ?? (code === error ? undefined : error)].filter(Boolean);
  const seen = `${nameOf(request)}: ${said.join(' ')}`;
  const data = { status: answer.status, code, requestId };
  if (answer.status === 429) {
    const retryAfterMs = Number(answer.headers['retry-after']) * 1000 || defaultRetryAfterMs;
    return new StackError('IDENTITY_LIMITED', `Pocket ID takes no more such calls for now (${seen})`, {
      hint: `run it again in ${retryAfterMs / 1000} s`,
      data,
      retryAfterMs,
    });
  }
  const [errorCode, what] =
    answer.status >= 500
      ? (['IDENTITY_UNREACHABLE', 'Pocket ID failed with an error of its own'] as const)
      : (['IDENTITY_REFUSED', 'Pocket ID refuses a call'] as const);
  const hint = 'look at what it logged: npm run -s logs -- --service pocket-id';
  return new StackError(errorCode, `${what} (${seen})`, { hint, data });
};

/**
 * Pocket ID's HTTP API (v2.14), as far as it is used; writes belong inside an effect. PUT replaces: what is left out is
 * lost. The first call with the key is made alone: parallel first calls would race in the server.
 * Every call: @throws {StackError} IDENTITY_UNREACHABLE (no answer, an error of its own, or our key not taken for a
 * while), IDENTITY_REFUSED (data: status, code, requestId), IDENTITY_LIMITED (retryAfterMs); the signal's reason
 */
export const createPocketId = (ports: Ports) => {
  const { http, baseUrl } = ports;
  const patienceMs = ports.patienceMs ?? defaultPatienceMs;

  const send = async (request: Request, key?: string): Promise<Answer> => {
    const { method, path, json, form, bearer, signal } = request;
    const body = form === undefined ? json && JSON.stringify(json) : new URLSearchParams(form).toString();
    const type = form === undefined ? 'application/json' : 'application/x-www-form-urlencoded';
    const headers = {
      ...(body === undefined ? {} : { 'content-type': type }),
      ...(key === undefined ? {} : { 'x-api-key': key }),
      ...(bearer === undefined ? {} : { authorization: `Bearer ${bearer}` }),
    };
    try {
      const call = { signal, headers, ...(body === undefined ? {} : { body }) };
      return await http.call(method, `${baseUrl}${path}`, call);
    } catch (error) {
      signal.throwIfAborted();
      const why = isAbort(error) ? 'no answer in time' : (errnoOf(error) ?? String(error));
      throw new StackError('IDENTITY_UNREACHABLE', `Pocket ID does not answer at ${baseUrl} (${why})`, {
        hint: 'npm run status shows whether it runs; npm run up starts it',
        data: { errno: errnoOf(error) },
        cause: error,
      });
    }
  };

  // Any error while the key is checked is answered 401, a database that is away for a second above all.
  const sendWithKey = async (request: Request): Promise<Answer> => {
    const key = await ports.apiKey();
    if (key === undefined) {
      throw new StackError('IDENTITY_UNREACHABLE', 'the API key for Pocket ID has not been made yet', {
        hint: 'npm run up makes it',
      });
    }
    const until = monotonicMs() + patienceMs;
    for (;;) {
      const answer = await send(request, key);
      if (answer.status !== 401) return answer;
      if (monotonicMs() >= until) throw keyNotTaken();
      await sleep(betweenTriesMs, request.signal);
    }
  };

  let warm: Promise<Answer> | undefined;
  const keyed = async (request: Request): Promise<Answer> => {
    warm ??= sendWithKey({ method: 'GET', path: '/api/users/me', signal: request.signal });
    try {
      await warm;
    } catch (error) {
      warm = undefined;
      request.signal.throwIfAborted();
      // Anything else is the end of the caller that happened to come first.
      if (!isStackError(error)) return keyed(request);
      throw error;
    }
    return sendWithKey(request);
  };

  const ok = (request: Request, answer: Answer): Answer => {
    if (answer.status < 200 || answer.status > 299) throw failed(request, answer);
    return answer;
  };
  const strange = (request: Request, answer: Answer, what: string): StackError =>
    new StackError('IDENTITY_REFUSED', `${nameOf(request)} answered what Pocket ID 2.14 does not: ${what}`, {
      hint: `is it Pocket ID that listens at ${baseUrl}?`,
      data: { status: answer.status },
    });
  const parsed = <T>(schema: z.ZodType<T>, request: Request, answer: Answer): T => {
    const result = schema.safeParse(ok(request, answer).json());
    if (result.success) return result.data;
    throw strange(request, answer, z.prettifyError(result.error));
  };
  const get = async <T>(schema: z.ZodType<T>, path: string, signal: AbortSignal): Promise<T> => {
    const request = { method: 'GET', path, signal };
    return parsed(schema, request, await keyed(request));
  };
  const create = async <T>(schema: z.ZodType<T>, path: string, json: Fields, signal: AbortSignal) => {
    const request = { method: 'POST', path, json, signal };
    return parsed(schema, request, await keyed(request));
  };
  const put = async (path: string, json: Fields, signal: AbortSignal): Promise<void> => {
    const request = { method: 'PUT', path, json, signal };
    ok(request, await keyed(request));
  };

  /** All pages. A page past the end repeats the last one, so the count of pages decides. */
  const all = async <T extends { id: string }>(row: z.ZodType<T>, path: string, signal: AbortSignal) => {
    const rows = new Map<string, T>();
    let pages = 1;
    for (let page = 1; page <= pages; page += 1) {
      const query = `pagination[page]=${page}&pagination[limit]=${pageSize}&sort[column]=createdAt&sort[direction]=asc`;
      const answer = await get(pageOf(row), `${path}?${query}`, signal);
      for (const one of answer.data) rows.set(one.id, one);
      pages = answer.pagination.totalPages;
    }
    return [...rows.values()];
  };

  return {
    users: async (signal: AbortSignal) => all(userSchema, '/api/users', signal),
    createUser: async (fields: Fields, signal: AbortSignal) =>
      create(userSchema, '/api/users', fields, signal),
    replaceUser: async (id: string, fields: Fields, signal: AbortSignal) =>
      put(at`/api/users/${id}`, fields, signal),
    /** Makes these the user's groups; ids that do not exist are dropped without a word. */
    setGroupsOfUser: async (id: string, userGroupIds: readonly string[], signal: AbortSignal) =>
      put(at`/api/users/${id}/user-groups`, { userGroupIds }, signal),
    /** One that is gone already is fine. */
    async deleteUser(id: string, signal: AbortSignal): Promise<void> {
      const request = { method: 'DELETE', path: at`/api/users/${id}`, signal };
      const answer = await keyed(request);
      if (answer.status !== 404) ok(request, answer);
    },
    async hasPasskey(userId: string, signal: AbortSignal): Promise<boolean> {
      const path = at`/api/users/${userId}/webauthn-credentials`;
      return (await get(list(z.unknown()), path, signal)).length > 0;
    },
    groups: async (signal: AbortSignal) => all(groupSchema, '/api/user-groups', signal),
    createGroup: async (fields: Fields, signal: AbortSignal) =>
      create(groupSchema, '/api/user-groups', fields, signal),
    replaceGroup: async (id: string, fields: Fields, signal: AbortSignal) =>
      put(at`/api/user-groups/${id}`, fields, signal),
    async client(id: string, signal: AbortSignal): Promise<Client | undefined> {
      const request = { method: 'GET', path: at`/api/oidc/clients/${id}`, signal };
      const answer = await keyed(request);
      // A 404 without a code says that the server has no such endpoint.
      if (answer.status === 404 && errorOf(answer).code !== undefined) return undefined;
      return parsed(clientSchema, request, answer);
    },
    createClient: async (fields: Fields, signal: AbortSignal) =>
      create(clientSchema, '/api/oidc/clients', fields, signal),
    /** `isGroupRestricted: false` also clears the allowed groups. */
    replaceClient: async (id: string, fields: Fields, signal: AbortSignal) =>
      put(at`/api/oidc/clients/${id}`, fields, signal),
    /** Ids that do not exist are dropped without a word. */
    setAllowedGroups: async (clientId: string, userGroupIds: readonly string[], signal: AbortSignal) =>
      put(at`/api/oidc/clients/${clientId}/allowed-user-groups`, { userGroupIds }, signal),
    secretsOf: async (clientId: string, signal: AbortSignal) =>
      get(list(secretSchema), at`/api/oidc/clients/${clientId}/secrets`, signal),
    /** Adds a secret of our choice; the ones before stay valid. */
    addSecret: async (clientId: string, secret: string, signal: AbortSignal) =>
      create(secretSchema, at`/api/oidc/clients/${clientId}/secrets`, { secret }, signal),
    /** A token that signs this user in once; valid for 2 seconds to 31 days. */
    async oneTimeToken(userId: string, ttlSeconds: number, signal: AbortSignal): Promise<string> {
      const path = at`/api/users/${userId}/one-time-access-token`;
      return (await create(z.object({ token: z.string() }), path, { ttl: ttlSeconds }, signal)).token;
    },
    /** Trades a one-time token for a session: a JWT that is sent as Bearer. Five at once, then one in ten seconds. */
    async exchange(token: string, signal: AbortSignal): Promise<string> {
      const path = at`/api/one-time-access-token/${token}`;
      const request = { method: 'POST', path, shown: '/api/one-time-access-token/{token}', signal };
      const answer = ok(request, await send(request));
      for (const cookie of answer.headers['set-cookie'] ?? []) {
        const session = /^(?:__Host-)?access_token=([^;]+)/.exec(cookie)?.[1];
        if (session !== undefined) return session;
      }
      throw strange(request, answer, 'no session cookie');
    },
    async startDevice(clientId: string, scope: string, signal: AbortSignal) {
      const form = { client_id: clientId, scope };
      const request = { method: 'POST', path: '/api/oidc/device/authorize', form, signal };
      const device = parsed(deviceSchema, request, await send(request));
      return { deviceCode: device.device_code, userCode: device.user_code };
    },
    async approveDevice(userCode: string, bearer: string, signal: AbortSignal): Promise<void> {
      const shown = '/api/oidc/device/verify';
      const request = { method: 'POST', path: `${shown}?code=${userCode}`, shown, bearer, signal };
      ok(request, await send(request));
    },
    /** The ID token, or undefined while nobody has approved yet. */
    async deviceToken(clientId: string, deviceCode: string, signal: AbortSignal) {
      const form = { grant_type: deviceGrant, device_code: deviceCode, client_id: clientId };
      const request = { method: 'POST', path: '/api/oidc/token', form, signal };
      const answer = await send(request);
      if (answer.status === 400 && errorOf(answer).error === 'authorization_pending') return undefined;
      return parsed(z.object({ id_token: z.string() }), request, answer).id_token;
    },
  };
};

export type PocketId = ReturnType<typeof createPocketId>;
