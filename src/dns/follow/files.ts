import { join } from 'node:path';
import * as z from 'zod';
import type { ServiceFile } from '../../orchestrator/area.ts';
import { StackError } from '../../shared/errors.ts';
import { readText } from '../../shared/files.ts';
import type { DnsDesired } from '../desired.ts';

/** What the renewer needs to know to follow a changing address: all of the wishes but the address itself. */
export type Followed = Omit<DnsDesired, 'address' | 'adopt'>;

const file = 'address.json';

/** The user as whom the renewer runs. */
const reader = { uid: 1000, gid: 1000 } as const;

/** What the renewer reads, anew in each of its looks; nothing where the address is given or lies at home. */
export const followedIn = (desired: DnsDesired): readonly ServiceFile[] => {
  const { address, adopt: _adopt, ...followed } = desired;
  if (address.from !== 'internet') return [];
  const content = [`${JSON.stringify(followed, null, 2)}\n`];
  return [{ service: 'certs', path: file, content, reader, reloads: true }];
};

const schema = z.strictObject({
  domain: z.string(),
  names: z.array(z.string()).min(1),
  ttlSeconds: z.number(),
  comment: z.string().min(1),
  api: z.url(),
});

/** Reads what `up` wrote into `folder`; undefined where no address is to be followed. @throws {StackError} SETTINGS_INVALID */
export const readFollowed = async (folder: string): Promise<Followed | undefined> => {
  const path = join(folder, file);
  const text = await readText(path);
  if (text === undefined) return undefined;
  try {
    return schema.parse(JSON.parse(text));
  } catch (error) {
    throw new StackError('SETTINGS_INVALID', `${path} is not what the renewer reads`, {
      hint: 'run npm run up on the host: it writes this file',
      cause: error,
    });
  }
};
