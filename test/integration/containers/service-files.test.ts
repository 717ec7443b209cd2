import {
  chmod,
  lstat,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  readlink,
  rm,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { FilesWish } from '../../../src/containers/desired.ts';
import { observeFiles, writeFiles, wrongWithFolder } from '../../../src/containers/docker/service-files.ts';
import type { ServiceFile } from '../../../src/orchestrator/area.ts';
import { effectsFor } from '../../support/steps.ts';

const user = { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 };
const isRoot = user.uid === 0;
const reader = isRoot ? { uid: 999, gid: 998 } : user;

let root: string;
let secrets: Map<string, string>;
const readSecret = async (name: string) => Promise.resolve(secrets.get(name));

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'skylab-files-'));
  secrets = new Map([['password', 'of-the-database']]);
});
afterEach(async () => {
  await rm(root, { recursive: true, force: true });
});

const file = (path: string, content: ServiceFile['content'], reloads = false): ServiceFile => ({
  service: 'web',
  path,
  content,
  reader,
  reloads,
});
const wish = (files: readonly ServiceFile[], more: Partial<FilesWish> = {}): FilesWish => ({
  service: 'web',
  folder: join(root, 'web'),
  files,
  standIn: false,
  user,
  ...more,
});
const look = async (one: FilesWish) => observeFiles(one, readSecret);
const write = async (one: FilesWish, effects = effectsFor()) => writeFiles(one, readSecret, effects);
const textOf = async (path: string) => readFile(join(root, 'web', 'current', path), 'utf8');
const modeOf = async (path: string) => {
  const { mode, uid, gid } = await lstat(path);
  return [(mode & 0o7777).toString(8), uid, gid];
};

const files = [
  file('settings.conf', ['user=x password=', { secret: 'password' }, '\n']),
  file('conf.d/site.conf', ['site\n'], true),
];

describe('files of a service', () => {
  test('that were never written are wanted and not there', async () => {
    expect(await look(wish(files))).toMatchObject({ current: undefined, leftovers: [], why: undefined });
  });

  test('are there once written, with the secrets in them, and a second write does nothing', async () => {
    await write(wish(files));
    const seen = await look(wish(files));
    const effects = effectsFor();
    await write(wish(files), effects);

    expect(seen.current).toBe(seen.wanted);
    expect(await textOf('settings.conf')).toBe('user=x password=of-the-database\n');
    expect(await textOf('conf.d/site.conf')).toBe('site\n');
    expect(effects.count()).toBe(0);
  });

  test('belong to their one reader, or as somebody else lie in a folder that all may read', async () => {
    await write(wish(files));
    const place = join(root, 'web');
    const version = join(place, await readlink(join(place, 'current')));
    const [folderMode, fileMode] = isRoot ? ['500', '400'] : ['755', '444'];
    const ids = [reader.uid, reader.gid];

    expect(await modeOf(place)).toEqual([folderMode, ...ids]);
    expect(await modeOf(join(version, 'conf.d'))).toEqual([folderMode, ...ids]);
    expect(await modeOf(join(version, 'settings.conf'))).toEqual([fileMode, ...ids]);
  });

  test('are swapped by a relative link, and the older version is gone', async () => {
    await write(wish(files));
    const before = await readlink(join(root, 'web', 'current'));
    await write(wish([...files, file('more', ['x'])]));

    expect(before).not.toContain('/');
    expect(await readlink(join(root, 'web', 'current'))).not.toBe(before);
    expect((await readdir(join(root, 'web'))).length).toBe(2);
  });

  test('have a digest that changes with what is read at the start, and not with what is reloaded', async () => {
    const before = await look(wish(files));
    const reloaded = await look(
      wish([files[0] ?? file('', []), file('conf.d/site.conf', ['other\n'], true)]),
    );
    secrets.set('password', 'another');
    const other = await look(wish(files));

    expect(reloaded.label).toBe(before.label);
    expect(reloaded.wanted).not.toBe(before.wanted);
    expect(other.label).not.toBe(before.label);
  });

  test('have no digest while a secret in them is missing, and say which', async () => {
    secrets.clear();

    expect(await look(wish(files))).toMatchObject({
      wanted: undefined,
      label: undefined,
      why: expect.stringContaining('the secret password'),
    });
    await expect(write(wish(files))).rejects.toMatchObject({ code: 'SECRET_UNREADABLE' });
  });

  test('say another thing where a stand-in runs the service', async () => {
    const byKind = [file('url', ['db/', { real: 'real', standIn: 'other' }])];
    await write(wish(byKind, { standIn: true }));

    expect(await textOf('url')).toBe('db/other');
    expect((await look(wish(byKind))).current).toBeUndefined();
  });

  test('that somebody changed, or made readable for others, are not as wanted', async () => {
    const place = join(root, 'web', 'current', 'settings.conf');
    await write(wish(files));
    await chmod(place, 0o644);
    expect((await look(wish(files))).current).toBeUndefined();
    await write(wish(files));
    expect((await look(wish(files))).current).toBeDefined();

    await chmod(place, 0o600);
    await writeFile(place, 'tampered');
    await chmod(place, isRoot ? 0o400 : 0o444);
    expect((await look(wish(files))).current).toBeUndefined();
    await write(wish(files));
    expect(await textOf('settings.conf')).toBe('user=x password=of-the-database\n');
  });

  test('what a killed run left beside them is seen and swept', async () => {
    await write(wish(files));
    await mkdir(join(root, 'web', '.half.0123'));
    await symlink('nowhere', join(root, 'web', '.current.0123'));

    expect([...(await look(wish(files))).leftovers].sort()).toEqual(['.current.0123', '.half.0123']);
    await write(wish(files));
    expect((await look(wish(files))).leftovers).toEqual([]);
  });

  test('where a file stands in the place of the folder, the write says what is wrong', async () => {
    await writeFile(join(root, 'web'), '');

    expect((await look(wish(files))).current).toBeUndefined();
    await expect(write(wish(files))).rejects.toThrow(/EEXIST|ENOTDIR/);
  });
});

describe('a folder', () => {
  const folder = (mode: number, owner = user) => ({ path: join(root, 'state'), mode, owner });

  test('is fine with the wanted mode and owner', async () => {
    await mkdir(join(root, 'state'), { mode: 0o700 });

    expect(await wrongWithFolder(folder(0o700))).toBeUndefined();
  });

  test('is named with what is wrong', async () => {
    expect(await wrongWithFolder(folder(0o700))).toMatch(/state is not there$/);
    await mkdir(join(root, 'state'), { mode: 0o755 });
    expect(await wrongWithFolder(folder(0o700))).toMatch(/has mode 755, not 700$/);
    expect(await wrongWithFolder(folder(0o755, { uid: 4242, gid: 1 }))).toMatch(
      /belongs to \d+:\d+, not to 4242:1$/,
    );
    await rm(join(root, 'state'), { recursive: true });
    await writeFile(join(root, 'state'), '');
    expect(await wrongWithFolder(folder(0o700))).toMatch(/is no folder$/);
  });
});
