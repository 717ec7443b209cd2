import { setTimeout as pause } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { createPocketId } from '../../../src/oidc/pocket-id.ts';
import { StackError } from '../../../src/shared/errors.ts';
import { httpTo, type Fetch } from './support/http.ts';
import { never } from './support/stage.ts';

const me = { id: '00000000-0000-0000-0000-000000000000', username: 'static-api-user-G7arWe' };
const json = (body: unknown, status = 200, headers: Record<string, string> = {}): Response =>
  Response.json(body, { status, headers });
const refusal = (code: string, error: string) => ({ error, code, request_id: 'request-1' });

const user = (id: string) => ({
  id,
  username: `user-${id}`,
  email: null,
  emailVerified: false,
  firstName: 'A',
  lastName: null,
  displayName: 'A',
  isAdmin: false,
  userGroups: null,
});

/** An adapter in front of a server that answers the warm-up, and all else with `answer`. */
const adapter = (answer: Fetch, patienceMs = 0) => {
  const seen: Request[] = [];
  const server: Fetch = async (request) => {
    seen.push(request.clone());
    return new URL(request.url).pathname === '/api/users/me' ? json(me) : answer(request);
  };
  const pocketId = createPocketId({
    http: httpTo(server),
    baseUrl: 'http://127.0.0.1:1411',
    apiKey: async () => 'the-static-key',
    patienceMs,
  });
  const paths = () => seen.map((request) => new URL(request.url).pathname);
  return { pocketId, seen, paths };
};

const errorOf = async (call: Promise<unknown>): Promise<StackError> => {
  const error = await call.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (error instanceof StackError) return error;
  throw new Error(`wanted a StackError, got ${String(error)}`);
};

describe('the adapter of Pocket ID', () => {
  test('makes one call alone before several go out at once', async () => {
    const { pocketId, paths } = adapter(async () => {
      await pause(5);
      return json({ data: [], pagination: { totalPages: 1 } });
    });

    await Promise.all([pocketId.users(never), pocketId.groups(never), pocketId.users(never)]);

    expect(paths()).toEqual(['/api/users/me', '/api/users', '/api/user-groups', '/api/users']);
  });

  test('sends the key as X-API-Key, and only where a key belongs', async () => {
    const { pocketId, seen } = adapter((request) =>
      request.url.includes('one-time-access-token')
        ? new Response('{}', { headers: { 'set-cookie': '__Host-access_token=jwt.of.session; Path=/' } })
        : json([]),
    );

    await pocketId.secretsOf('app', never);
    const session = await pocketId.exchange('ABCDEF', never);

    expect(session).toBe('jwt.of.session');
    expect(seen.map((request) => request.headers.get('x-api-key'))).toEqual([
      'the-static-key',
      'the-static-key',
      null,
    ]);
  });

  test('reads every page, and each row once though pages shift', async () => {
    const { pocketId, seen } = adapter((request) => {
      const page = Number(new URL(request.url).searchParams.get('pagination[page]'));
      const rows = [['a', 'b'], ['b', 'c'], ['d']][page - 1] ?? ['d'];
      return json({ data: rows.map(user), pagination: { totalPages: 3 } });
    });

    const users = await pocketId.users(never);

    expect(users.map((one) => one.id)).toEqual(['a', 'b', 'c', 'd']);
    expect(seen.length).toBe(4);
  });

  test('takes null for an empty list', async () => {
    const { pocketId } = adapter(() => json({ data: [user('a')], pagination: { totalPages: 1 } }));

    expect((await pocketId.users(never))[0]?.userGroups).toEqual([]);
  });

  test('keeps fields it does not know, so that they survive being written back', async () => {
    const { pocketId } = adapter(() =>
      json({ data: [{ ...user('a'), locale: 'de', ofTomorrow: 1 }], pagination: { totalPages: 1 } }),
    );

    expect((await pocketId.users(never))[0]).toMatchObject({ locale: 'de', ofTomorrow: 1 });
  });

  test('says a client is not there for a 404 with a code, and refuses a server without that endpoint', async () => {
    const absent = adapter(() => json(refusal('not_found', 'Not found'), 404));
    const other = adapter(() => json({ error: 'API endpoint not found' }, 404));

    expect(await absent.pocketId.client('netbird', never)).toBeUndefined();
    expect(await errorOf(other.pocketId.client('netbird', never))).toMatchObject({
      code: 'IDENTITY_REFUSED',
      data: { status: 404 },
    });
  });

  test('does not mind deleting a user who is gone', async () => {
    const { pocketId } = adapter(() => json(refusal('user_not_found', 'User not found'), 404));

    await expect(pocketId.deleteUser('x', never)).resolves.toBeUndefined();
  });

  test('says with status, code and request id what was refused', async () => {
    const { pocketId } = adapter(() => json(refusal('already_in_use', 'Username is already in use'), 409));

    const error = await errorOf(pocketId.createUser({ username: 'bob' }, never));

    expect(error.code).toBe('IDENTITY_REFUSED');
    expect(error.message).toBe(
      'Pocket ID refuses a call (POST /api/users: 409 already_in_use Username is already in use)',
    );
    expect(error.data).toEqual({ status: 409, code: 'already_in_use', requestId: 'request-1' });
  });

  test('says how long to wait when the server asks for it', async () => {
    const limited = adapter(() =>
      json(refusal('rate_limited', 'Too many requests'), 429, { 'retry-after': '7' }),
    );
    const silent = adapter(() => json(refusal('rate_limited', 'Too many requests'), 429));

    expect(await errorOf(limited.pocketId.exchange('ABCDEF', never))).toMatchObject({
      code: 'IDENTITY_LIMITED',
      retryAfterMs: 7000,
    });
    expect((await errorOf(silent.pocketId.exchange('ABCDEF', never))).retryAfterMs).toBe(10_000);
  });

  test('counts an error of the server itself as one that may pass', async () => {
    const { pocketId } = adapter(() => json(refusal('internal_error', 'Something went wrong'), 500));

    expect((await errorOf(pocketId.groups(never))).code).toBe('IDENTITY_UNREACHABLE');
  });

  test('asks again when its key gets a 401, since PostgreSQL may be away for a moment', async () => {
    let refusals = 2;
    const { pocketId } = adapter(() => {
      refusals -= 1;
      return refusals >= 0 ? json(refusal('not_signed_in', 'You are not signed in'), 401) : json([]);
    }, 5_000);

    await expect(pocketId.secretsOf('app', never)).resolves.toEqual([]);
    expect(refusals).toBe(-1);
  });

  test('gives up on a 401 that stays, and names both reasons', async () => {
    const { pocketId } = adapter(() => json(refusal('not_signed_in', 'You are not signed in'), 401));

    const error = await errorOf(pocketId.secretsOf('app', never));

    expect(error).toMatchObject({ code: 'IDENTITY_UNREACHABLE', data: { status: 401 } });
    expect(error.hint).toContain('PostgreSQL');
    expect(error.hint).toContain('another key');
  });

  test('tells a server that does not answer from one that is not Pocket ID', async () => {
    const refused = Object.assign(new Error('connect ECONNREFUSED 127.0.0.1:1411'), { code: 'ECONNREFUSED' });
    const away = adapter(() => {
      throw refused;
    });
    const web = adapter(() => new Response('<html>', { headers: { 'content-type': 'text/html' } }));

    expect(await errorOf(away.pocketId.groups(never))).toMatchObject({
      code: 'IDENTITY_UNREACHABLE',
      message: 'Pocket ID does not answer at http://127.0.0.1:1411 (ECONNREFUSED)',
    });
    expect(await errorOf(web.pocketId.groups(never))).toMatchObject({
      code: 'IDENTITY_REFUSED',
      hint: 'is it Pocket ID that listens at http://127.0.0.1:1411?',
    });
  });

  test('ends with the reason of its signal, not with an error of Pocket ID', async () => {
    const ending = new AbortController();
    const { pocketId } = adapter(() => {
      ending.abort(new Error('interrupted'));
      throw new Error('socket closed');
    });

    await expect(pocketId.groups(ending.signal)).rejects.toThrow('interrupted');
  });

  test('lets a second caller go on when the first one ended during the warm-up', async () => {
    const ending = new AbortController();
    let warmUps = 0;
    const pocketId = createPocketId({
      http: httpTo(async (request) => {
        if (!request.url.endsWith('/api/users/me')) return json([]);
        warmUps += 1;
        if (warmUps > 1) return json(me);
        await pause(5);
        ending.abort(new Error('interrupted'));
        throw new Error('socket closed');
      }),
      baseUrl: 'http://127.0.0.1:1411',
      apiKey: async () => 'the-static-key',
      patienceMs: 0,
    });

    const [first, second] = await Promise.allSettled([
      pocketId.secretsOf('app', ending.signal),
      pocketId.secretsOf('app', never),
    ]);

    expect(first).toMatchObject({ status: 'rejected', reason: { message: 'interrupted' } });
    expect(second).toEqual({ status: 'fulfilled', value: [] });
  });

  test('never shows a one-time token, a device code or a key in an error', async () => {
    const { pocketId } = adapter(() => json(refusal('token_invalid_or_expired', 'Token is invalid'), 401));
    const calls = [
      pocketId.exchange('SECRET-1', never),
      pocketId.approveDevice('SECRET-2', 'SECRET-3', never),
      pocketId.deviceToken('netbird', 'SECRET-4', never),
      pocketId.addSecret('app', 'SECRET-5', never),
    ];

    for (const call of calls) {
      const error = await errorOf(call);
      expect(JSON.stringify([error.message, error.hint, error.data])).not.toMatch(/SECRET|the-static-key/);
    }
  });

  test('sees that a user has a passkey', async () => {
    const { pocketId, paths } = adapter(() => json([{ id: 'passkey-1', name: 'New Passkey' }]));

    expect(await pocketId.hasPasskey('user-1', never)).toBe(true);
    expect(paths().at(-1)).toBe('/api/users/user-1/webauthn-credentials');
  });

  test('cannot be led elsewhere by an id with slashes in it', async () => {
    const { pocketId, paths } = adapter(() => json(refusal('not_found', 'Not found'), 404));

    await pocketId.client('../users/1?x', never);

    expect(paths().at(-1)).toBe('/api/oidc/clients/..%2Fusers%2F1%3Fx');
  });
});
