import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseSettings } from '../../src/settings/load.ts';
import { addressesOf, pathsOf, type Settings } from '../../src/settings/settings.ts';

/** What a person writes into the folder of SKYLAB, by the path of the setting. */
export const filledIn: Readonly<Record<string, string>> = {
  domain: 'example.org',
  'reachability/bind': '192.168.1.10',
  'identity/admin/username': 'anna',
  'identity/admin/email': 'anna@example.org',
  'identity/admin/first_name': 'Anna',
};

/** The text of `compose/hosts/<folder>/settings.yaml`. */
export const textOfHost = (folder: string): string =>
  readFileSync(join('compose/hosts', folder, 'settings.yaml'), 'utf8');

/** SKYLAB's file with its places filled in, as a person would with an editor. */
export const filledSkylab = (): string => {
  const values = Object.values(filledIn);
  let next = 0;
  return textOfHost('SKYLAB')
    .split('\n')
    .map((line) =>
      line.trimStart().startsWith('#') ? line : line.replace(/"?<[^>]+>"?/, () => values[next++] ?? ''),
    )
    .join('\n');
};

/** The settings of a folder in `compose/hosts`, from this text. */
export const settingsOfHost = (folder: string, text: string): Settings => {
  const settings = parseSettings(text, `${folder}/settings.yaml`);
  const host = folder.toLowerCase();
  const { root } = settings.storage;
  return {
    ...settings,
    host,
    project: `skylab-${host}`,
    folder: resolve('compose/hosts', folder),
    installation: resolve('.'),
    addresses: addressesOf(settings),
    paths: pathsOf(root === 'user' ? '/home/anna/.local/state' : root, host),
  };
};
