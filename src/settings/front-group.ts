import { readText } from '../shared/files.ts';
import type { HostSettings } from './schema.ts';

/** Groups as whose members nginx runs: upstream's and NixOS's, Debian's, Arch's. */
const usual = ['nginx', 'www-data', 'http'] as const;

/** The id of a group in the text of /etc/group (group(5)); undefined where there is none of that name. */
export const gidIn = (text: string, name: string): number | undefined => {
  const line = text.split('\n').find((one) => one.startsWith(`${name}:`));
  const gid = line?.split(':')[2];
  return gid !== undefined && /^\d+$/.test(gid) ? Number(gid) : undefined;
};

/**
 * The id of the group of the nginx that holds the port; undefined where the stack's own one does, a text where there is
 * no such group.
 */
export const frontGroup = async ({
  mode,
  group,
}: HostSettings['ingress']): Promise<number | string | undefined> => {
  if (mode !== 'behind') return undefined;
  if (typeof group === 'number') return group;
  const text = (await readText('/etc/group')) ?? '';
  const names = group === 'auto' ? usual : [group];
  const gid = names.flatMap((name) => gidIn(text, name) ?? [])[0];
  if (gid !== undefined) return gid;
  return group === 'auto'
    ? `this machine has none of the groups ${usual.join(', ')}; name the one as which the other nginx runs`
    : `this machine has no group "${group}"`;
};
