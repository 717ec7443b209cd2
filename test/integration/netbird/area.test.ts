import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createNetBirdArea } from '../../../src/netbird/apply.ts';
import { createNetBird } from '../../../src/netbird/netbird.ts';
import { kept, observeMesh } from '../../../src/netbird/observe.ts';
import { bind, type BoundArea } from '../../../src/orchestrator/area.ts';
import { converge } from '../../../src/orchestrator/converge.ts';
import type { KillPoint } from '../../../src/orchestrator/effects.ts';
import { createSecretStore, type SecretStore } from '../../../src/settings/secret-store.ts';
import { createHttp, type Http } from '../../../src/shared/http.ts';
import { createRedactor } from '../../../src/shared/redact.ts';
import { openIssuer, type TestIssuer } from '../../contract/netbird/issuer.ts';
import { openWorkplace, startManagement, type Workplace } from '../../contract/netbird/stand-in.ts';
import { testSettings } from '../../support/settings.ts';
import { effectsFor } from '../../support/steps.ts';

/*
 * The area against the stand-in of management, which answers as the real one was recorded to (test/contract/netbird).
 */

const alice = { sub: 'user-alice', name: 'Alice', email: 'alice@lab.localhost', groups: ['netbird-users'] };

let folder = '';
let issuer: TestIssuer;
let workplace: Workplace;
let management: Awaited<ReturnType<typeof startManagement>>;
let http: Http;
let secrets: SecretStore;
let now = new Date();

/** What other areas state when they are done. */
const given: BoundArea = {
  name: 'ingress',
  look: async () => ({
    facts: {
      'healthy:netbird-management': true,
      'ingress.ready': true,
      'identity.client': true,
      [`certificate:${testSettings(folder).domain}` as const]: true as const,
    },
    steps: [],
  }),
  run: async () => undefined,
};

const netbird = () => createNetBird(http, management.url);

const run = async (killPoint?: KillPoint, url = management.url) => {
  const effects = effectsFor(killPoint);
  const area = createNetBirdArea({
    netbird: createNetBird(http, url),
    secrets,
    settings: testSettings(folder),
    idTokenOf: async () => issuer.sign(alice),
    now: () => now,
  });
  const outcome = await converge({
    areas: [given, bind(area, testSettings(folder))],
    effects,
    emit: () => undefined,
    signal: new AbortController().signal,
  });
  return { outcome, effects: effects.count() };
};

test('management that does not run yet is no outside system that fails: nobody listens, or nginx says so', async () => {
  const signal = new AbortController().signal;
  const seenAt = async (url: string) =>
    observeMesh({ netbird: createNetBird(http, url), secrets, now: () => now }, signal);
  const gateway = createServer((_, answer) => answer.writeHead(502).end());
  await once(gateway.listen(0, '127.0.0.1'), 'listening');
  const { port } = gateway.address() as AddressInfo;
  const behindNginx = await seenAt(`http://127.0.0.1:${port}`);
  gateway.close();
  await once(gateway, 'close');

  expect(behindNginx).toMatchObject({ seen: 'not-up' });
  expect(await seenAt(`http://127.0.0.1:${port}`)).toMatchObject({ seen: 'not-up' });
  // A name that does not exist, or a certificate that nobody trusts, is another matter.
  expect(await seenAt('https://mesh.invalid')).toMatchObject({ seen: 'unreachable' });
});

/** The mesh without ids, times and keys. */
const world = async () => {
  const signal = new AbortController().signal;
  const auth = { serviceToken: (await secrets.read(kept.token)) ?? '' };
  const users = await netbird().users(auth, signal);
  const account = await netbird().account(auth, signal);
  const policies = await netbird().policies(auth, signal);
  const ids = [kept.serviceUser, kept.homeGroup, kept.policy];
  const tokens = await netbird().tokens(auth, (await secrets.read(kept.serviceUser)) ?? '', signal);
  const values = await Promise.all(ids.map(async (name) => secrets.read(name)));
  return {
    ownIds: values.map((id) => (id === undefined || id === 'pending' ? id : 'kept')),
    tokens: tokens.map((token) => token.name),
    users: users.map((user) => `${user.name} ${user.role ?? ''}`).sort(),
    groups: (await netbird().groups(auth, signal)).map((group) => group.name).sort(),
    policies: policies.map((one) => [
      one.name,
      one.rules[0]?.sources.map((group) => group.name),
      one.rules[0]?.destinations.map((group) => group.name),
    ]),
    approval: account?.settings.extra?.['user_approval_required'],
    jwtGroups: account?.settings['jwt_groups_enabled'],
  };
};

const wanted = {
  ownIds: ['kept', 'kept', 'kept'],
  tokens: ['skylab-stack'],
  users: ['Alice owner', 'skylab-lab admin'],
  groups: ['All', 'netbird-users', 'skylab-home'],
  policies: [['skylab: people to home', ['netbird-users'], ['skylab-home']]],
  approval: false,
  jwtGroups: true,
};

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'skylab-netbird-'));
  issuer = await openIssuer(0);
  workplace = openWorkplace(issuer);
  workplace.configure({ DisableDefaultPolicy: true });
  now = new Date();
  management = await startManagement(workplace, () => now);
  http = createHttp();
  secrets = createSecretStore(join(folder, 'secrets'), createRedactor());
});
afterEach(async () => {
  http.close();
  await management.close();
  await issuer.close();
  workplace.remove();
  await rm(folder, { recursive: true, force: true });
});

describe('the netbird area', () => {
  test('makes the administrator owner, and the settings, group and policy, and then has nothing to do', async () => {
    const first = await run();
    expect(first.outcome).toMatchObject({ failures: [], waiting: [] });
    expect(await world()).toEqual(wanted);

    const second = await run();
    expect(second.outcome.ran).toEqual([]);
  });

  test('waits until the mesh is seen whole: that management answers something is not enough', async () => {
    await run();
    let failing = 4;
    const gateway = createServer((question, answer) => {
      if (question.url === '/api/users' && failing > 0) {
        failing -= 1;
        answer.writeHead(500).end('{}');
        return;
      }
      const { host: _, ...headers } = question.headers;
      const onward = request(`${management.url}${question.url}`, { method: question.method, headers });
      onward.on('response', (reply) => {
        answer.writeHead(reply.statusCode ?? 0, reply.headers);
        reply.pipe(answer);
      });
      question.pipe(onward);
    });
    await once(gateway.listen(0, '127.0.0.1'), 'listening');
    const { port } = gateway.address() as AddressInfo;

    const { outcome } = await run(undefined, `http://127.0.0.1:${port}`);

    gateway.close();
    expect(outcome).toMatchObject({ failures: [], waiting: [] });
    expect(outcome.ran.map(({ step }) => step.id)).toEqual(['await the mesh API']);
  });

  test('ends in the same world when it is killed before or after any effect and run again', async () => {
    const { effects } = await run();
    expect(effects).toBeGreaterThan(8);
    for (const when of ['before', 'after'] as const) {
      for (let at = 1; at <= effects; at += 1) {
        await management.close();
        workplace.remove();
        workplace = openWorkplace(issuer);
        workplace.configure({ DisableDefaultPolicy: true });
        management = await startManagement(workplace, () => now);
        await rm(join(folder, 'secrets'), { recursive: true, force: true });
        await run({ when, at });

        const again = await run();

        expect(again.outcome, `killed ${when} effect ${at}`).toMatchObject({ failures: [], waiting: [] });
        expect(await world(), `killed ${when} effect ${at}`).toEqual(wanted);
      }
    }
  });

  test('puts back a setting that somebody changed and leaves the rest alone', async () => {
    await run();
    const signal = new AbortController().signal;
    const auth = { serviceToken: (await secrets.read(kept.token)) ?? '' };
    const account = await netbird().account(auth, signal);
    if (account === undefined) throw new Error('no account');
    const settings = { ...account.settings, peer_login_expiration: 3600, regular_users_view_blocked: false };
    await netbird().putAccount(auth, { ...account, settings }, signal);

    const { outcome } = await run();

    expect(outcome.ran.map((one) => [one.step.id, one.step.why])).toEqual([
      ['set the account settings of the mesh', 'peer_login_expiration is 3600, wanted 7776000'],
    ]);
    expect((await netbird().account(auth, signal))?.settings).toMatchObject({
      peer_login_expiration: 7_776_000,
      regular_users_view_blocked: false,
    });
  });

  test('does not touch a group of the same name that somebody else made', async () => {
    await run();
    const signal = new AbortController().signal;
    const auth = { serviceToken: (await secrets.read(kept.token)) ?? '' };
    await secrets.save(kept.homeGroup, 'another-id');

    const { outcome } = await run();

    expect(outcome.ran).toEqual([]);
    expect(outcome.unknown.map((one) => one.why.because)).toEqual(['conflict']);
    expect(
      (await netbird().groups(auth, signal)).filter((group) => group.name === 'skylab-home'),
    ).toHaveLength(1);
  });

  test('does not touch policies, users and groups that somebody else made, not even a policy of the same name', async () => {
    await run();
    const token = (await secrets.read(kept.token)) ?? '';
    const call = async (path: string, body?: object): Promise<unknown> => {
      const response = await fetch(`${management.url}/api/${path}`, {
        method: body === undefined ? 'GET' : 'POST',
        headers: { authorization: `Token ${token}`, 'content-type': 'application/json' },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
      expect(response.status).toBe(200);
      return response.json();
    };
    const group = (await call('groups', { name: 'cameras' })) as { readonly id: string };
    const rule = { name: 'all', enabled: true, action: 'accept', bidirectional: true, protocol: 'all' };
    await call('policies', {
      name: 'skylab: people to home',
      description: 'made by hand',
      enabled: false,
      rules: [{ ...rule, sources: [group.id], destinations: [group.id] }],
    });
    await call('users', { name: 'robot', role: 'user', is_service_user: true, auto_groups: [] });
    const whatIsThere = async () =>
      Promise.all(['policies', 'users', 'groups'].map(async (path) => call(path)));
    const before = await whatIsThere();
    await secrets.save(kept.policy, 'another-id');

    const { outcome } = await run();

    expect(outcome.ran.map((one) => one.step.id)).toEqual(['set mesh policy "skylab: people to home"']);
    const [policies, users, groups] = await whatIsThere();
    expect(users).toEqual(before[1]);
    expect(groups).toEqual(before[2]);
    // Ours was gone from the list of what we made, so it is made anew; the ones that are there stay as they are.
    expect(policies).toEqual(expect.arrayContaining(before[0] as unknown[]));
  });

  test('renews its token in time and removes the old one', async () => {
    await run();
    const before = await secrets.read(kept.token);
    now = new Date(now.getTime() + 130 * 86_400_000);

    const { outcome } = await run();

    expect(outcome.ran.map((one) => one.step.id)).toEqual(['renew the service token of the mesh']);
    expect(await secrets.read(kept.token)).not.toBe(before);
    expect(await world()).toEqual(wanted);
  });

  test('begins anew when its data is gone, though token and ids of the old mesh are kept', async () => {
    await run();
    await management.close();
    workplace.remove();
    workplace = openWorkplace(issuer);
    workplace.configure({ DisableDefaultPolicy: true });
    management = await startManagement(workplace, () => now);

    const { outcome } = await run();

    expect(outcome).toMatchObject({ failures: [], waiting: [] });
    expect(await world()).toEqual(wanted);
  });

  test('finds its way when the token was lost', async () => {
    await run();
    await secrets.save(kept.token, 'nbp_000000000000000000000000000000000000');

    const { outcome } = await run();

    expect(outcome).toMatchObject({ failures: [], waiting: [] });
    expect(await world()).toEqual(wanted);
  });
});
