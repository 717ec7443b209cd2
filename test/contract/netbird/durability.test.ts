import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { freePort } from '../../support/ports.ts';
import { openIssuer, type TestIssuer } from './issuer.ts';
import { newEncryptionKey, openWorkplace, startManagement, type Workplace } from './stand-in.ts';

/*
 * What the management stand-in keeps, and what happens to it: restarts, another key, time, an issuer that is away.
 * Each was seen on the real server.
 */

/** The key of the first start; a restart keeps it unless told otherwise. */
const encryption = { DataStoreEncryptionKey: newEncryptionKey() };

let issuer: TestIssuer;
let workplace: Workplace;
let management: Awaited<ReturnType<typeof startManagement>>;
let nowMs: number;

beforeEach(async () => {
  issuer = await openIssuer(await freePort());
  workplace = openWorkplace(issuer);
  nowMs = Date.now();
  management = await startManagement(workplace, () => new Date(nowMs));
});

afterEach(async () => {
  await management.close();
  await issuer.close();
  workplace.remove();
});

const restart = async (change: Readonly<Record<string, unknown>> = {}): Promise<void> => {
  await management.close();
  workplace.configure({ ...encryption, ...change });
  management = await startManagement(workplace, () => new Date(nowMs));
};

const call = async (method: string, path: string, authorization: string, body?: object) => {
  const response = await fetch(management.url + path, {
    method,
    headers: { authorization },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const json: unknown = await response.json();
  return { status: response.status, json };
};

const bearer = async (claims: Readonly<Record<string, unknown>> = {}): Promise<string> =>
  `Bearer ${await issuer.sign({ sub: 'owner', email: 'owner@lab.test', name: 'Owner', ...claims })}`;

/** Signs the owner in, and makes a service user with a token for these days. */
const bootstrap = async (expiresInDays = 30): Promise<string> => {
  await restart();
  await call('GET', '/api/users/current', await bearer());
  const user = { name: 'orchestrator', role: 'admin', is_service_user: true, auto_groups: [] };
  const { id } = (await call('POST', '/api/users', await bearer(), user)).json as { readonly id: string };
  const token = { name: 'x', expires_in: expiresInDays };
  const made = await call('POST', `/api/users/${id}/tokens`, await bearer(), token);
  return `Token ${(made.json as { readonly plain_token: string }).plain_token}`;
};

const keeps = ['accounts', 'users', 'groups', 'policies'] as const;
const everything = (token: string) =>
  Promise.all(keeps.map(async (what) => call('GET', `/api/${what}`, token)));

test('all is there after a restart, the owner and the token too', async () => {
  const token = await bootstrap();
  const before = await everything(token);
  await restart();

  expect(await everything(token)).toEqual(before);
  expect((await call('GET', '/api/users/current', await bearer())).json).toMatchObject({ role: 'owner' });
});

test('the store holds no token, no name and no e-mail address', async () => {
  const token = await bootstrap();
  const store = readFileSync(join(workplace.dataDirectory, 'store.json'), 'utf8');

  expect(readdirSync(workplace.dataDirectory)).toEqual(['store.json']);
  for (const secret of [token.slice('Token '.length), 'owner@lab.test', 'Owner', 'orchestrator']) {
    expect(store).not.toContain(secret);
  }
});

test('with another encryption key it starts and answers, but for users', async () => {
  const token = await bootstrap();
  await restart({ DataStoreEncryptionKey: newEncryptionKey() });

  expect(await call('GET', '/api/peers', token)).toMatchObject({ status: 200, json: [] });
  expect(await call('GET', '/api/users', token)).toMatchObject({
    status: 500,
    json: { message: 'internal server error', code: 500 },
  });
  expect(await call('GET', '/api/users/current', await bearer())).toMatchObject({ status: 401 });
  expect(await call('GET', '/api/users/current', await bearer({ sub: 'other' }))).toMatchObject({
    status: 403,
  });

  await restart();
  expect(await call('GET', '/api/users/current', await bearer())).toMatchObject({ status: 200 });
});

test('a personal access token ends with its last day', async () => {
  const token = await bootstrap(1);
  nowMs += 86_399_000;
  expect(await call('GET', '/api/peers', token)).toMatchObject({ status: 200 });
  nowMs += 1000;
  expect(await call('GET', '/api/peers', token)).toMatchObject({
    status: 401,
    json: { message: 'token invalid' },
  });
});

test('a store that is not its own, or broken, is refused and left as it is', async () => {
  await bootstrap();
  const path = join(workplace.dataDirectory, 'store.json');
  for (const [text, why] of [
    ['{"format":"another"}', /is not a store of this stand-in/],
    ['{"format', /is not JSON/],
  ] as const) {
    writeFileSync(path, text);

    await expect(startManagement(workplace)).rejects.toThrow(why);
    expect(readFileSync(path, 'utf8')).toBe(text);
  }
});

test('while the issuer is away, tokens are checked with the keys at hand', async () => {
  await bootstrap();
  const known = await bearer();
  await issuer.close();

  expect(await call('GET', '/api/users/current', known)).toMatchObject({ status: 200 });
});

test('an issuer that is away at the start is asked again, if refreshing is on, and never otherwise', async () => {
  const port = Number(new URL(issuer.issuer).port);
  const http = (isRefreshing: boolean) => ({
    HttpConfig: {
      AuthIssuer: issuer.issuer,
      AuthAudience: 'netbird',
      AuthKeysLocation: issuer.keysLocation,
      IdpSignKeyRefreshEnabled: isRefreshing,
    },
  });

  for (const [isRefreshing, status] of [
    [false, 401],
    [true, 200],
  ] as const) {
    await issuer.close();
    await restart(http(isRefreshing));
    issuer = await openIssuer(port);

    expect(await call('GET', '/api/users/current', await bearer())).toMatchObject({ status });
  }
});

test('without refreshing, the keys of the start are the keys for good', async () => {
  await restart({
    HttpConfig: { AuthIssuer: issuer.issuer, AuthAudience: 'netbird', AuthKeysLocation: issuer.keysLocation },
  });
  const fetches = issuer.keyFetches();

  expect(await call('GET', '/api/users/current', await bearer())).toMatchObject({ status: 200 });
  expect(issuer.keyFetches()).toBe(fetches);
});

test('without the default policy a new account has a group of everyone, and no policy', async () => {
  await restart({ DisableDefaultPolicy: true });
  const owner = await bearer();

  expect((await call('GET', '/api/groups', owner)).json).toMatchObject([{ name: 'All' }]);
  expect((await call('GET', '/api/policies', owner)).json).toEqual([]);
});
