import { expect, test } from 'vitest';
import { verifyOidc } from '../../src/oidc/proof/verify.ts';
import { createSessions } from '../../src/oidc/session.ts';
import { untilKilled } from '../unit/oidc/support/kill.ts';
import { idsWith, setProofStage, usernamesOf } from '../unit/oidc/support/proof-stage.ts';
import { never } from '../unit/oidc/support/stage.ts';

test('a proof that is killed before or after any effect leaves nothing behind after the next one', async () => {
  const { writes, prove } = await setProofStage();
  const before = writes.length;
  await prove();
  const effects = writes.length - before;

  for (let at = 1; at <= effects; at += 1) {
    for (const when of ['before', 'after'] as const) {
      const stage = await setProofStage();
      const { settings, ports, pocketId, secrets, redactor } = stage;
      const people = usernamesOf(stage);
      const isKilled = await untilKilled({ when, at }, async (mortal) =>
        verifyOidc(ports, settings, mortal, never),
      );
      expect(isKilled).toBe(true);

      const sessions = createSessions({ pocketId, secrets, redactor, issuer: settings.addresses.issuer });
      const report = await verifyOidc({ ...ports, sessions }, settings, stage.effects, never);

      expect(idsWith(report, 'passed').length).toBe(report.checks.length);
      expect(usernamesOf(stage)).toEqual(people);
      expect([...stage.mesh.users.values()]).toEqual(['Alice Lab']);
    }
  }
});
