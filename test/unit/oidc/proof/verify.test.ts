import { describe, expect, test } from 'vitest';
import { exitCodeOfReport } from '../../../../src/orchestrator/report/check.ts';
import type { ProofPorts } from '../../../../src/oidc/proof/ports.ts';
import { inspectOidc } from '../../../../src/oidc/proof/verify.ts';
import { StackError } from '../../../../src/shared/errors.ts';
import { byHand, one } from '../support/household.ts';
import { idsWith, setProofStage, usernamesOf, type ProofStage } from '../support/proof-stage.ts';
import type { Lie } from '../support/liar.ts';
import { never } from '../support/stage.ts';

const canariesOf = (stage: ProofStage): readonly string[] => [
  ...usernamesOf(stage).filter((name) => name.startsWith('skylab-canary')),
  ...[...stage.mesh.users.values()].filter((name) => name.startsWith('skylab-canary')),
];

const meshAway = new StackError('MESH_UNREACHABLE', 'NetBird does not answer', { hint: 'npm run status' });

const withMesh = (change: Partial<ProofPorts['mesh']>) => (ports: ProofPorts) => ({
  ...ports,
  mesh: { ...ports.mesh, ...change },
});

describe('a stack in order', () => {
  test('passes every check, and none is left out', async () => {
    const report = await (await setProofStage()).prove();

    expect(exitCodeOfReport(report)).toBe(0);
    expect(report.subject).toBe('https://pocketid.lab.test:18443');
    expect(idsWith(report, 'passed')).toEqual([
      'oidc.discovery',
      'oidc.issuer',
      'oidc.endpoints',
      'oidc.discovery-keys',
      'oidc.offers',
      'oidc.pkce',
      'oidc.iss',
      'oidc.jwks',
      'oidc.client',
      'oidc.outsider',
      'oidc.joins',
      'oidc.authorize',
      'oidc.token',
      'oidc.openid-client',
      'oidc.signature',
      'oidc.token-issuer',
      'oidc.audience',
      'oidc.subject',
      'oidc.nonce',
      'oidc.times',
      'oidc.groups',
      'oidc.at-hash',
      'mesh.token',
      'mesh.altered-token',
      'oidc.wrong-verifier',
      'oidc.foreign-redirect',
      'oidc.pkce-required',
      'oidc.code-reuse',
      'oidc.canary-removed',
    ]);
  });

  test('says nothing secret: no code, token, verifier or session is in the report', async () => {
    const secrets: string[] = [];
    const stage = await setProofStage({
      lies: [
        async (request, answer) => {
          const location = answer.headers.get('location');
          const code = location === null ? null : new URL(location, request.url).searchParams.get('code');
          if (code !== null) secrets.push(code);
          const form = new URLSearchParams(await request.text());
          secrets.push(...['code_verifier', 'code'].flatMap((name) => form.get(name) ?? []));
          secrets.push(...(request.headers.get('authorization')?.split(' ').slice(1) ?? []));
          if (request.url.endsWith('/api/oidc/token') && answer.ok) {
            const json = (await answer.clone().json()) as Record<string, unknown>;
            secrets.push(...['id_token', 'access_token', 'refresh_token'].map((name) => String(json[name])));
          }
          return answer;
        },
      ],
    });

    const text = JSON.stringify([await stage.prove(), stage.writes]);

    expect(secrets.length).toBeGreaterThan(10);
    expect(secrets.filter((secret) => text.includes(secret))).toEqual([]);
  });

  test('shows NetBird ID tokens only, never an access token', async () => {
    const seen: unknown[] = [];
    const stage = await setProofStage({
      change: (ports) =>
        withMesh({
          async currentUser(token, signal) {
            const [, claims = ''] = token.split('.');
            seen.push((JSON.parse(Buffer.from(claims, 'base64url').toString()) as { type?: unknown }).type);
            return ports.mesh.currentUser(token, signal);
          },
        })(ports),
    });

    await stage.prove();

    expect(seen).toEqual(['id-token', 'id-token']);
  });

  test('is looked at without a canary where nothing may be written', async () => {
    const stage = await setProofStage();
    const before = stage.server.contents();

    const report = await inspectOidc(stage.ports.http, stage.settings, never);

    expect(exitCodeOfReport(report)).toBe(0);
    expect(report.checks.length).toBe(8);
    expect(stage.server.contents()).toEqual(before);
  });
});

/** nginx knows only the old address of Pocket ID for its first two answers. */
const movedJustNow = (): Lie => {
  let left = 2;
  return (_request, answer) => {
    left -= 1;
    return left < 0 ? answer : new Response('bad gateway', { status: 502 });
  };
};

describe('a Pocket ID that was replaced just now is waited for', () => {
  const patience = { totalMs: 60_000, pauseMs: 0 };

  test('by the proof', async () => {
    const stage = await setProofStage({ lies: [movedJustNow()], patience });

    expect(idsWith(await stage.prove(), 'failed')).toEqual([]);
  });

  test('by a look that writes nothing', async () => {
    const stage = await setProofStage({ lies: [movedJustNow()] });

    const report = await inspectOidc(stage.ports.http, stage.settings, never, patience);

    expect(idsWith(report, 'failed')).toEqual([]);
  });
});

describe('the proof does not begin', () => {
  test('before the mesh has an owner, since its canary would become it', async () => {
    const stage = await setProofStage({ hasOwner: false });
    const before = stage.server.contents();

    await expect(stage.prove()).rejects.toMatchObject({
      code: 'PROOF_NOT_STARTED',
      message: 'the mesh has no owner yet, and the first who signs in becomes it',
    });
    expect(stage.server.contents()).toEqual(before);
    expect(stage.mesh.users.size).toBe(0);
  });

  test('before there is a group of ours', async () => {
    const stage = await setProofStage();
    await byHand(
      stage,
      'DELETE',
      `/api/user-groups/${String(one(stage, 'group', 'name', 'netbird-users')['id'])}`,
    );

    await expect(stage.prove()).rejects.toMatchObject({ code: 'PROOF_NOT_STARTED' });
    expect(canariesOf(stage)).toEqual([]);
  });

  test('while NetBird is away, and says why', async () => {
    const stage = await setProofStage({
      change: withMesh({ owner: async () => Promise.reject(meshAway) }),
    });

    await expect(stage.prove()).rejects.toMatchObject({
      code: 'PROOF_NOT_STARTED',
      message: 'the proof could not begin: NetBird does not answer',
      hint: 'npm run status',
      cause: meshAway,
    });
  });

  test('where the canary cannot sign in, and takes it away again', async () => {
    const disabled = new StackError('IDENTITY_REFUSED', 'Pocket ID refuses a call', { hint: 'look' });
    const stage = await setProofStage({
      change: (ports) => ({
        ...ports,
        sessions: { ...ports.sessions, open: async () => Promise.reject(disabled) },
      }),
    });

    await expect(stage.prove()).rejects.toMatchObject({ code: 'PROOF_NOT_STARTED', cause: disabled });
    expect(stage.writes.filter((write) => write.startsWith('POST /api/users skylab-canary')).length).toBe(1);
    expect(canariesOf(stage)).toEqual([]);
  });
});
