import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { exitCodeOfReport } from '../../../src/orchestrator/report/check.ts';
import { createOidcArea } from '../../../src/oidc/area.ts';
import { verifyOidc } from '../../../src/oidc/proof/verify.ts';
import { skipWithoutPostgres } from '../../support/postgres.ts';
import { idsWith } from '../../unit/oidc/support/proof-stage.ts';
import { never } from '../../unit/oidc/support/stage.ts';
import { startStack, type TestStack } from './support/stack.ts';

const household = {
  groups: [{ name: 'family', title: 'Family' }],
  people: [
    {
      username: 'bob',
      email: 'bob@lab.test',
      first_name: 'Bob',
      last_name: '',
      groups: ['family', 'netbird-users'],
    },
  ],
  clients: [
    {
      id: 'photos',
      name: 'Photos',
      callbacks: ['https://photos.lab.test/cb'],
      logout_callbacks: [],
      public: false,
      groups: ['family'],
    },
  ],
};

describe.skipIf(skipWithoutPostgres())('identity and mesh over HTTPS, on a real PostgreSQL', () => {
  let stack: TestStack;
  const usernames = async () => (await stack.ports().pocketId.users(never)).map((user) => user.username);
  const meshUsers = async () => stack.ports().mesh.usersByPrefix('', never);

  beforeAll(async () => {
    stack = await startStack();
  });
  afterAll(async () => {
    await stack.close();
  });

  test('the proof does not begin before the mesh has an owner', async () => {
    await expect(verifyOidc(stack.ports(), stack.settings, stack.effects, never)).rejects.toMatchObject({
      code: 'PROOF_NOT_STARTED',
    });
    expect(await usernames()).toEqual([expect.stringMatching(/^static-api-user-/)]);
  });

  test('one run makes people, client, owner and policy, and the next one finds nothing to do', async () => {
    const first = await stack.up(household);
    expect(first).toMatchObject({ failures: [], waiting: [], unknown: [] });
    expect(first.ran.map((one) => one.step.id).slice(0, 6)).toEqual([
      'create group netbird-users',
      'create group family',
      'create user alice',
      'create user bob',
      'create client netbird',
      'create client photos',
    ]);

    const second = await stack.up(household);
    expect(second).toMatchObject({ ran: [], failures: [], waiting: [], unknown: [] });
  });

  test('the administrator owns the mesh', async () => {
    expect(await stack.ports().mesh.owner(never)).toBe(await stack.secrets.read('id-pocket-id-user-alice'));
  });

  test('the login is proven, and nothing stays behind', async () => {
    const before = [await usernames(), await meshUsers()];

    const report = await verifyOidc(stack.ports(), stack.settings, stack.effects, never);

    expect(report.checks.filter((check) => check.status !== 'passed')).toEqual([]);
    expect(exitCodeOfReport(report)).toBe(0);
    expect([await usernames(), await meshUsers()]).toEqual(before);
  });

  test('the proof fails where the certificate is not trusted, and skips what it then cannot see', async () => {
    const report = await verifyOidc(stack.ports({ trusted: false }), stack.settings, stack.effects, never);

    expect(idsWith(report, 'failed')).toEqual(['oidc.discovery']);
    expect(idsWith(report, 'passed')).toEqual(['oidc.joins', 'oidc.canary-removed']);
    expect(exitCodeOfReport(report)).toBe(2);
  });

  test('a confidential client signs in with the secret that was kept', async () => {
    const secret = (await stack.secrets.read('pocket-id-client-secret-photos')) ?? '';
    const { http } = stack.ports();
    const ask = async (password: string) =>
      http.call('POST', `${stack.settings.addresses.issuer}/api/oidc/introspect`, {
        headers: {
          authorization: `Basic ${Buffer.from(`photos:${password}`).toString('base64')}`,
          'content-type': 'application/x-www-form-urlencoded',
        },
        body: 'token=none',
      });

    expect((await ask(secret)).status).toBe(200);
    expect((await ask(`${secret}0`)).status).toBe(401);
  });

  test('a look while PostgreSQL is away says so, and one during its restart waits for it', async () => {
    await stack.postgres.halt();
    const { pocketId } = stack.ports();
    const area = createOidcArea({ pocketId, secrets: stack.secrets, adopt: false });
    const world = await area.observe(area.desired(stack.settings), never);
    expect(world).toMatchObject({ answers: false, why: { because: 'unreachable' } });

    const [outcome] = await Promise.all([stack.up(household), stack.postgres.resume()]);
    expect(outcome).toMatchObject({ failures: [], waiting: [], unknown: [] });
  });
});
