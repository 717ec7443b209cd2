import { dirname } from 'node:path';
import type { Effects } from '../../orchestrator/effects.ts';
import { isWithin } from '../../settings/private-names.ts';
import { nowMs } from '../../shared/clock.ts';
import { StackError } from '../../shared/errors.ts';
import { ensureDirectory, exists, readText, writeAtomic } from '../../shared/files.ts';
import { withHeartbeatLock } from '../../shared/heartbeat-lock.ts';
import { judge, type Judgement } from '../policy.ts';
import { describe, readStored, saveCertificate, storeOwner } from '../store.ts';

import { localDirectory, localFolder, type LocalDesired } from './desired.ts';
import { isKeyOf, readRoot } from './root.ts';

/*
 * INVARIANTS
 * - A root that is there is never written again: devices trust exactly that one. Whoever wants another one moves it away.
 * - Host and renewer share a lock, so one of them signs at a time.
 */

/** What signing needs from outside. */
export interface LocalPorts {
  /** The CA's key (PEM); undefined where there is none. */
  readonly key: () => Promise<string | undefined>;
  /** Who we are, for those who wait for the lock: `up`, `the renewer`. */
  readonly who: string;
}

/** What one look showed. */
export interface LocalWorld {
  /** `unfit`: what is there cannot sign for the names that are wanted; `hint` says what to do. */
  readonly authority: 'absent' | 'fit' | { readonly unfit: string; readonly hint: string };
  readonly certificate: Judgement;
}

const unfitness = (wanted: LocalDesired, rootPem: string, keyPem: string | undefined) => {
  const anew = `mv ${wanted.root} ${wanted.root}.old, and npm run up makes a new one, which every device installs again`;
  const because = (unfit: string, hint = anew) => ({ unfit: `the local CA ${wanted.root}: ${unfit}`, hint });
  const root = readRoot(rootPem);
  if (typeof root === 'string') return because(root);
  if (nowMs() >= root.notAfterMs) return because('it has expired');
  const outside = wanted.names.filter((name) => !root.permitted.some((domain) => isWithin(name, domain)));
  if (outside.length > 0) {
    const may = root.permitted.length === 0 ? 'no domain' : root.permitted.join(', ');
    return because(`it may sign for ${may} only, and not for ${outside.join(', ')}`);
  }
  if (keyPem !== undefined && isKeyOf(keyPem, rootPem)) return undefined;
  const seen = keyPem === undefined ? 'its key is gone' : 'the key that is there is not its own';
  return because(seen, `put the secret local-ca-key back from a backup; or ${anew}`);
};

/** Looks at the CA and at the certificate in the store. */
export const lookAtLocal = async (wanted: LocalDesired, ports: LocalPorts): Promise<LocalWorld> => {
  const [rootPem, keyPem, stored] = await Promise.all([
    readText(wanted.root),
    ports.key(),
    readStored(wanted.certificates, localFolder),
  ]);
  const facts =
    stored === undefined || 'damaged' in stored
      ? stored?.damaged
      : describe(stored.pair, localDirectory, rootPem === undefined ? undefined : [rootPem], nowMs());
  const certificate = judge(facts, { names: wanted.names, directory: localDirectory }, nowMs());
  if (rootPem === undefined) return { authority: 'absent', certificate };
  return { authority: unfitness(wanted, rootPem, keyPem) ?? 'fit', certificate };
};

export const unfitError = ({ unfit, hint }: { readonly unfit: string; readonly hint: string }): StackError =>
  new StackError('LOCAL_CA_UNFIT', unfit, { hint });

const locked = async (
  { root }: LocalDesired,
  { who }: LocalPorts,
  signal: AbortSignal,
  act: () => Promise<void>,
): Promise<void> =>
  withHeartbeatLock(`${dirname(root)}/store.lock`, { who, guards: 'the local CA' }, signal, act);

const keyOf = async (ports: LocalPorts): Promise<string> => {
  const key = await ports.key();
  if (key !== undefined) return key;
  throw new StackError('LOCAL_CA_UNFIT', 'there is no key for the local CA', {
    hint: 'run npm run up again: it makes the secret local-ca-key where there never was one',
  });
};

/** Makes the CA's certificate where there is none. @throws {StackError} LOCAL_CA_UNFIT, LOCK_HELD, DISK_* */
export const makeLocalCa = async (
  wanted: LocalDesired,
  ports: LocalPorts,
  effects: Effects,
  signal: AbortSignal,
): Promise<void> => {
  const key = await keyOf(ports);
  await ensureDirectory(dirname(wanted.root), 0o700, storeOwner());
  await locked(wanted, ports, signal, async () => {
    if ((await readText(wanted.root)) !== undefined) return;
    const { makeRoot } = await import('./authority.ts');
    const pem = await makeRoot(key, wanted, nowMs());
    await effects.perform('file', 'write the root of the local CA', async () =>
      writeAtomic(wanted.root, pem, 0o444, storeOwner()),
    );
  });
};

/**
 * Signs a new certificate for the private names where the stored one is due, and swaps it in as the public one is.
 * Returns whether it did. @throws {StackError} LOCAL_CA_UNFIT, LOCK_HELD, DISK_*
 */
export const renewPrivate = async (
  wanted: LocalDesired,
  ports: LocalPorts,
  effects: Effects,
  signal: AbortSignal,
): Promise<boolean> => {
  if (!(await exists(wanted.root))) {
    throw new StackError('LOCAL_CA_UNFIT', `there is no local CA at ${wanted.root}`, {
      hint: 'run npm run up: it makes one',
    });
  }
  let isNew = false;
  await locked(wanted, ports, signal, async () => {
    const { authority, certificate } = await lookAtLocal(wanted, ports);
    if (!certificate.due) return;
    if (typeof authority === 'object') throw unfitError(authority);
    const [rootPem = '', keyPem] = await Promise.all([readText(wanted.root), keyOf(ports)]);
    const now = nowMs();
    const { signFor } = await import('./authority.ts');
    const pair = await signFor(wanted.names, { rootPem, keyPem }, now);
    const facts = describe(pair, localDirectory, [rootPem], now);
    const { valid, why } = judge(facts, { names: wanted.names, directory: localDirectory }, now);
    if (!valid || typeof facts === 'string') {
      throw new StackError(
        'CERTIFICATE_INVALID',
        `the local CA made a certificate that cannot be used: ${why}`,
        {
          hint: 'check the clock of this machine; if it is right this is a bug: report this line',
        },
      );
    }
    const meta = {
      directory: localDirectory,
      names: [...wanted.names],
      serial: facts.serial,
      issued_at: new Date(now).toISOString(),
    };
    await saveCertificate(wanted.certificates, localFolder, { pair, meta }, effects);
    isNew = true;
  });
  return isNew;
};
