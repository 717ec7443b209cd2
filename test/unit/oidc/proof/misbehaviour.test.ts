import { describe, expect, test } from 'vitest';
import { exitCodeOfReport } from '../../../../src/orchestrator/report/check.ts';
import { idsWith, setProofStage, usernamesOf } from '../support/proof-stage.ts';
import { discovery } from './cases-discovery.ts';
import { refusals, signingIn } from './cases-sign-in.ts';
import { afterwards, tokens } from './cases-token.ts';

const cases = [...discovery, ...signingIn, ...tokens, ...refusals, ...afterwards];

describe.each([
  ['discovery', discovery],
  ['the sign-in', signingIn],
  ['the token', tokens],
  ['what must not work', refusals],
  ['the mesh', afterwards],
])('the proof looks at %s', (_name, these) => {
  test.each(these)('and notices that $how', async ({ noticedBy, lies = [], change }) => {
    const stage = await setProofStage({ lies, ...(change === undefined ? {} : { change }) });

    const report = await stage.prove();

    expect(idsWith(report, 'failed').toSorted()).toEqual([...noticedBy].toSorted());
    expect(exitCodeOfReport(report)).toBe(2);
    expect(usernamesOf(stage).filter((name) => name.startsWith('skylab-canary'))).toEqual([]);
    expect([...stage.mesh.users.values()]).toEqual(['Alice Lab']);
  });
});

test('the proof has a way to misbehave for each of its checks', async () => {
  const report = await (await setProofStage()).prove();
  // The one below: a canary that stays is looked at where its life is tested.
  const elsewhere = ['oidc.canary-removed'];

  const noticed = new Set([...cases.flatMap((one) => one.noticedBy), ...elsewhere]);

  expect(report.checks.map((check) => check.id).filter((id) => !noticed.has(id))).toEqual([]);
});
