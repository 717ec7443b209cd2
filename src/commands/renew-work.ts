import { readRenewerFiles } from '../acme/renew.ts';
import type { AcmeDesired } from '../acme/policy.ts';
import { workOnce } from '../acme/renewal/round.ts';
import type { Terminal } from '../context.ts';
import { createEffects } from '../orchestrator/effects.ts';
import { createRedactor, type Redactor } from '../shared/redact.ts';
import { tellParent } from './renew-child.ts';

/** Where the renewer's container finds what `up` wrote for it. */
export const renewerFolder = (env: Terminal['env']): string =>
  env['SKYLAB_RENEWER_FILES'] ?? '/etc/skylab/current';

/** Reads what `up` wrote for the renewer. @throws {StackError} SETTINGS_MISSING, SETTINGS_INVALID, SECRET_UNREADABLE */
export const loadRenewer = async (
  env: Terminal['env'],
  redactor: Redactor,
): Promise<{ readonly desired: AcmeDesired; readonly token: () => Promise<string> }> => {
  const { desired, token } = await readRenewerFiles(renewerFolder(env));
  // What is printed never shows it, whatever it is from now on.
  redactor.add(await token());
  return { desired, token };
};

/**
 * `renew --work`: does once what is due for the certificate; `renew --work <address>`: leads our names to that address, where
 * one is followed.
 */
export const renewWork = async (terminal: Terminal, address: unknown): Promise<number> => {
  const { env, signal } = terminal;
  const redactor = createRedactor();
  const effects = createEffects({ redactor });
  return tellParent(terminal, redactor, async (warn) => {
    const { desired, token } = await loadRenewer(env, redactor);
    if (typeof address === 'string') {
      const { renewRecords } = await import('./renew-records.ts');
      return renewRecords(renewerFolder(env), address, token, effects, signal);
    }
    // The list of areas knows everything that there is: no process that stays loads it.
    const { createAcmePorts } = await import('../orchestrator/areas.ts');
    const ports = createAcmePorts(desired, token, undefined, 'the renewer');
    return workOnce({ desired, ports, warn }, effects, signal);
  });
};
