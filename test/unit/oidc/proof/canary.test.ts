import { describe, expect, test } from 'vitest';
import { exitCodeOfReport } from '../../../../src/orchestrator/report/check.ts';
import type { ProofPorts } from '../../../../src/oidc/proof/ports.ts';
import { StackError } from '../../../../src/shared/errors.ts';
import { byHand } from '../support/household.ts';
import { idsWith, setProofStage, usernamesOf, type ProofStage } from '../support/proof-stage.ts';

const canariesOf = (stage: ProofStage): readonly string[] => [
  ...usernamesOf(stage).filter((name) => name.startsWith('skylab-canary')),
  ...[...stage.mesh.users.values()].filter((name) => name.startsWith('skylab-canary')),
];

const canaryBody = (username: string) => ({
  username,
  email: `${username}@skylab-canary.invalid`,
  firstName: username,
  displayName: username,
});

const withMesh =
  (change: (mesh: ProofPorts['mesh']) => Partial<ProofPorts['mesh']>) => (ports: ProofPorts) => ({
    ...ports,
    mesh: { ...ports.mesh, ...change(ports.mesh) },
  });

describe('the canary', () => {
  test('is one user, in no group but netbird-users, signed in once', async () => {
    const stage = await setProofStage();
    const before = stage.server.calls.length;

    await stage.prove();

    const calls = stage.server.calls.slice(before);
    const count = (pattern: RegExp) => calls.filter((call) => pattern.test(call)).length;
    expect(count(/^POST \/api\/users$/)).toBe(1);
    expect(count(/^POST \/api\/user-groups/)).toBe(0);
    expect(count(/^PUT \/api\/users\/[^/]+\/user-groups$/)).toBe(1);
    expect(count(/^POST \/api\/one-time-access-token\//)).toBe(1);
  });

  test('leaves Pocket ID and NetBird as they were', async () => {
    const stage = await setProofStage();
    const people = usernamesOf(stage);

    await stage.prove();

    expect(usernamesOf(stage)).toEqual(people);
    expect([...stage.mesh.users.values()]).toEqual(['Alice Lab']);
  });

  test('is removed from both when the run is interrupted, and the interruption is what is told', async () => {
    const ending = new AbortController();
    const stage = await setProofStage({
      change: withMesh((mesh) => ({
        async currentUser(token, signal) {
          await mesh.currentUser(token, signal);
          ending.abort(new Error('interrupted'));
          signal.throwIfAborted();
          return { status: 200, id: undefined };
        },
      })),
    });

    await expect(stage.prove(ending.signal)).rejects.toThrow('interrupted');
    expect(canariesOf(stage)).toEqual([]);
  });

  test('that killed runs left is removed from either place before the next one is made', async () => {
    const stage = await setProofStage();
    await byHand(stage, 'POST', '/api/users', canaryBody('skylab-canary-0123456789abcdef'));
    await byHand(stage, 'POST', '/api/users', canaryBody('skylab-canary-fedcba9876543210'));
    stage.mesh.users.set('left-behind', 'skylab-canary-00000000000000ff');

    const before = stage.writes.length;

    expect(exitCodeOfReport(await stage.prove())).toBe(0);
    expect(canariesOf(stage)).toEqual([]);
    expect(stage.writes.slice(before, before + 4).map((write) => write.split(' ')[0])).toEqual([
      'DELETE',
      'DELETE',
      'DELETE',
      'POST',
    ]);
  });

  test('is not mistaken for a person of a similar name, or for the owner of the mesh', async () => {
    const stage = await setProofStage();
    await byHand(stage, 'POST', '/api/users', canaryBody('skylab-canary-fan'));
    const [owner = ''] = stage.mesh.users.keys();
    stage.mesh.users.set(owner, 'skylab-canary-in-chief');

    await stage.prove();

    expect(canariesOf(stage)).toEqual(['skylab-canary-fan', 'skylab-canary-in-chief']);
  });

  test('waits as long as the server asks before it signs in', async () => {
    let refusals = 1;
    const limited = new StackError('IDENTITY_LIMITED', 'too many', { hint: 'wait', retryAfterMs: 20 });
    const stage = await setProofStage({
      change: (ports) => ({
        ...ports,
        sessions: {
          ...ports.sessions,
          async open(...call) {
            refusals -= 1;
            if (refusals >= 0) throw limited;
            return ports.sessions.open(...call);
          },
        },
      }),
    });
    const startedAt = performance.now();

    expect(exitCodeOfReport(await stage.prove())).toBe(0);
    expect(performance.now() - startedAt).toBeGreaterThanOrEqual(19);
  });
});

describe('a canary that stays is noticed', () => {
  test('where Pocket ID keeps it', async () => {
    const stage = await setProofStage({
      change: (ports) => ({ ...ports, pocketId: { ...ports.pocketId, deleteUser: async () => undefined } }),
    });

    const report = await stage.prove();

    expect(idsWith(report, 'failed')).toEqual(['oidc.canary-removed']);
    expect(report.checks.at(-1)?.detail).toBe('1 in Pocket ID, 0 in NetBird');
  });

  test('where NetBird refuses, and it is gone from Pocket ID all the same', async () => {
    const refused = new StackError('MESH_REFUSED', 'NetBird refused', { hint: 'look' });
    const stage = await setProofStage({
      change: withMesh(() => ({ removeUser: async () => Promise.reject(refused) })),
    });

    const report = await stage.prove();

    expect(idsWith(report, 'failed')).toEqual(['oidc.canary-removed']);
    expect(usernamesOf(stage).filter((name) => name.startsWith('skylab-canary'))).toEqual([]);
  });

  test('where Pocket ID is away at the end, and it is gone from NetBird all the same', async () => {
    const away = new StackError('IDENTITY_UNREACHABLE', 'Pocket ID does not answer', { hint: 'look' });
    const stage = await setProofStage({
      change: (ports) => ({
        ...ports,
        pocketId: { ...ports.pocketId, deleteUser: async () => Promise.reject(away) },
      }),
    });

    const report = await stage.prove();

    expect(report.checks.at(-1)).toMatchObject({ status: 'failed', detail: 'Pocket ID does not answer' });
    expect([...stage.mesh.users.values()]).toEqual(['Alice Lab']);
  });
});
