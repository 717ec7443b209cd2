import { join } from 'node:path';
import * as z from 'zod';
import type { ServiceFile } from '../../orchestrator/area.ts';
import type { Effects } from '../../orchestrator/effects.ts';
import { StackError } from '../../shared/errors.ts';
import { readText } from '../../shared/files.ts';
import { inContainer } from '../render.ts';
import type { LocalDesired } from './desired.ts';
import { renewPrivate } from './issue.ts';

const settingsFile = 'private-names.json';
const keyFile = 'local-ca-key';

/** What the renewer reads, anew in each of its rounds: the wishes as seen from inside its container, and the CA's key. */
export const localFiles = (wanted: LocalDesired, keyName: string): readonly Omit<ServiceFile, 'reader'>[] => {
  const file = { service: 'certs', reloads: true } as const;
  const { certificates } = inContainer;
  const inside = { ...wanted, certificates, root: wanted.root.replace(wanted.certificates, certificates) };
  return [
    { ...file, path: settingsFile, content: [`${JSON.stringify(inside, null, 2)}\n`] },
    { ...file, path: keyFile, content: [{ secret: keyName }] },
  ];
};

const schema = z.strictObject({
  project: z.string(),
  names: z.array(z.string()).min(1),
  domains: z.array(z.string()),
  certificates: z.string(),
  root: z.string(),
});

/**
 * Renews the certificate of the private names where it is due, by what `up` wrote into `folder`; where there are none it
 * does nothing. Returns the names that got a new one.
 * @throws {StackError} SETTINGS_INVALID, LOCAL_CA_UNFIT, LOCK_HELD, DISK_*
 */
export const renewPrivateNames = async (
  folder: string,
  effects: Effects,
  signal: AbortSignal,
): Promise<readonly string[]> => {
  const path = join(folder, settingsFile);
  const text = await readText(path);
  if (text === undefined) return [];
  let wanted: LocalDesired;
  try {
    wanted = schema.parse(JSON.parse(text));
  } catch (error) {
    throw new StackError('SETTINGS_INVALID', `${path} is not what the renewer reads`, {
      hint: 'run npm run up on the host: it writes this file',
      cause: error,
    });
  }
  const key = async () => readText(join(folder, keyFile));
  return (await renewPrivate(wanted, { key, who: 'the renewer' }, effects, signal)) ? wanted.names : [];
};
