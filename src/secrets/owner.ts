import type { Owner } from '../shared/files.ts';

/** Who a file is given to, and why. */
export interface ChosenOwner extends Owner {
  readonly name: string;
  readonly because: string;
}

interface Given {
  /** The text of /etc/passwd. */
  readonly passwd: string;
  /** `--owner` */
  readonly wanted?: string | undefined;
  /** Who runs this program. */
  readonly user: Owner;
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** Users that packages make for Pocket ID. */
const usual = ['pocket-id', 'pocketid'];

const usersIn = (passwd: string): ReadonlyMap<string, Owner> =>
  new Map(
    passwd.split('\n').flatMap((line) => {
      const [name = '', , uid = '', gid = ''] = line.split(':');
      return /^\d+$/.test(uid) && /^\d+$/.test(gid)
        ? [[name, { uid: Number(uid), gid: Number(gid) }] as const]
        : [];
    }),
  );

/**
 * `--owner`, else a user of Pocket ID's own, else who called sudo, else who runs this. undefined where `--owner` names
 * nobody. Only root gives files away: for everybody else it is their own.
 */
export const chooseOwner = ({ passwd, wanted, user, env }: Given): ChosenOwner | undefined => {
  const users = usersIn(passwd);
  const nameOf = (uid: number) => [...users].find(([, one]) => one.uid === uid)?.[0] ?? String(uid);
  const named = (name: string, because: string): ChosenOwner | undefined => {
    const found = users.get(name);
    return found === undefined ? undefined : { ...found, name, because };
  };
  if (wanted !== undefined) return named(wanted, '--owner says so');
  const own = { ...user, name: nameOf(user.uid) };
  if (user.uid !== 0) return { ...own, because: 'only root can give files to somebody else' };
  const service = usual.find((name) => users.has(name));
  if (service !== undefined) return named(service, 'there is a user of that name on this machine');
  const [uid, gid] = [env['SUDO_UID'] ?? '', env['SUDO_GID'] ?? ''];
  if (/^[1-9]\d*$/.test(uid) && /^\d+$/.test(gid))
    return {
      uid: Number(uid),
      gid: Number(gid),
      name: nameOf(Number(uid)),
      because: 'that user called sudo',
    };
  return { ...own, because: `this machine has no user ${usual.join(' or ')}, and root runs this` };
};
