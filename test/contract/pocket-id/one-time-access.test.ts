import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { skipWithoutPostgres, startPostgres, type TestPostgres } from '../../support/postgres.ts';
import { type Api, createApi, createPerson } from '../support/pocket-id-api.ts';
import { type RunningStandIn, startStandIn } from '../support/pocket-id-stand-in.ts';

describe.skipIf(skipWithoutPostgres())('one-time access to the stand-in', () => {
  let postgres: TestPostgres;
  let standIn: RunningStandIn;
  let api: Api;
  let person: string;
  // A clock that stands still: what a limit allows does not hang on how long a test takes.
  let nowMs = Date.now();

  beforeAll(async () => {
    postgres = await startPostgres();
    standIn = await startStandIn(postgres.url, {}, () => nowMs);
    api = createApi(standIn.base);
    person = await createPerson(api, 'alice');
  });

  afterAll(async () => {
    await standIn.pocketId.close();
    await postgres.stop();
  });

  const make = (json: unknown) => api('POST', `/api/users/${person}/one-time-access-token`, { json });

  const exchange = (token: string, from: string) =>
    api('POST', `/api/one-time-access-token/${token}`, { key: '', headers: { 'X-Forwarded-For': from } });

  test.each([
    [{}, 6],
    [{ ttl: 0 }, 6],
    [{ ttl: '15m' }, 6],
    [{ ttl: 900 }, 6],
    [{ ttl: '15m1s' }, 12],
    [{ ttl: 3600 }, 12],
    [{ ttl: '744h' }, 12],
  ])('%j makes a token of %i characters', async (json, length) => {
    const made = await make(json);
    expect([made.status, made.body.token.length]).toEqual([201, length]);
  });

  test.each([
    [{ ttl: '1s' }, 'validation_failed'],
    [{ ttl: '-1h' }, 'validation_failed'],
    [{ ttl: '745h' }, 'validation_failed'],
    [{ ttl: '1d' }, 'invalid_request_body'],
    [{ ttl: true }, 'invalid_request_body'],
  ])('%j is refused as %s', async (json, code) => {
    const made = await make(json);
    expect([made.status, made.body.code]).toEqual([400, code]);
  });

  test('a token needs a JSON body and a known person', async () => {
    expect((await make(undefined)).body.code).toBe('invalid_request_body');
    const unknown = await api('POST', '/api/users/nobody/one-time-access-token', { json: {} });
    expect([unknown.status, unknown.body.code]).toEqual([404, 'user_not_found']);
  });

  test('a token works once, in its own case, until it ends', async () => {
    const { token } = (await make({ ttl: '1h' })).body;
    expect((await exchange(token, '203.0.113.10')).status).toBe(200);
    expect((await exchange(token, '203.0.113.10')).status).toBe(401);
    const late = (await make({ ttl: '1h' })).body.token;
    nowMs += 3_600_001;
    expect((await exchange(late, '203.0.113.10')).body.code).toBe('token_invalid_or_expired');
  });

  test('a disabled person is refused and keeps the token', async () => {
    const { token } = (await make({ ttl: '1h' })).body;
    const json = { username: 'alice', email: 'alice@lab.test' };
    await api('PUT', `/api/users/${person}`, { json: { ...json, disabled: true } });
    expect((await exchange(token, '203.0.113.11')).body.code).toBe('user_disabled');
    await api('PUT', `/api/users/${person}`, { json });
    expect((await exchange(token, '203.0.113.11')).status).toBe(200);
  });

  test('five exchanges at once, then one in ten seconds, for each address', async () => {
    const statuses = async (count: number, from: string): Promise<number[]> => {
      const answers: number[] = [];
      while (answers.length < count) answers.push((await exchange('AAAAAAAAAAAA', from)).status);
      return answers;
    };
    expect(await statuses(6, '203.0.113.12')).toEqual([401, 401, 401, 401, 401, 429]);
    expect(await statuses(1, '203.0.113.13')).toEqual([401]);
    nowMs += 10_000;
    expect(await statuses(2, '203.0.113.12')).toEqual([401, 429]);
  });

  test('without a trusted proxy the claimed address counts for nothing', async () => {
    const direct = await startStandIn(await postgres.createDatabase(), { TRUST_PROXY: 'false' }, () => nowMs);
    const call = createApi(direct.base);
    const answers: number[] = [];
    for (let host = 1; host <= 6; host += 1) {
      const headers = { 'X-Forwarded-For': `203.0.113.${host}` };
      answers.push((await call('POST', '/api/one-time-access-token/AAAAAAAAAAAA', { headers })).status);
    }
    expect(answers).toEqual([401, 401, 401, 401, 401, 429]);
    await direct.pocketId.close();
  });
});
