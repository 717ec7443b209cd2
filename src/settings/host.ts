import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { errnoOf, StackError } from '../shared/errors.ts';

/** The host whose settings are used, and why that one. */
export interface ChosenHost {
  readonly name: string;
  /** For the first line printed: `because it is this machine's host name`. */
  readonly because: string;
  readonly folder: string;
}

interface Wanted {
  /** `--host` */
  readonly flag?: string;
  /** STACK_HOST */
  readonly env?: string;
  /** This machine's host name; its first label counts, in any case. */
  readonly machine: string;
}

/** The folder that explains every setting. It is no host: its values lead nowhere. */
const explainingFolder = 'example';

/** The host that runs where no folder fits: the same stack against a private CA and DNS provider. */
const fallbackHost = 'sandbox';

/**
 * `--host` > STACK_HOST > this machine's host name (any case) > the sandbox. A host that was named must have a folder.
 * @throws {StackError} SETTINGS_MISSING
 */
export const chooseHost = (wanted: Wanted, folders: readonly string[], hostsFolder: string): ChosenHost => {
  const find = (name: string) => folders.find((folder) => folder.toLowerCase() === name.toLowerCase());
  const chosen = (name: string, because: string) => ({ name, because, folder: join(hostsFolder, name) });
  const named = [
    { name: wanted.flag, because: '--host says so' },
    { name: wanted.env, because: 'STACK_HOST says so' },
  ].find((one) => one.name !== undefined && one.name !== '');
  if (named?.name !== undefined) {
    if (named.name.toLowerCase() === explainingFolder) {
      throw new StackError('SETTINGS_MISSING', `"${named.name}" explains the settings and is no host`, {
        hint: `npm run -s init -- --host <name> makes the folder of a host; or copy ${join(hostsFolder, explainingFolder)} under its name`,
        data: { host: named.name, folders },
      });
    }
    const folder = find(named.name);
    if (folder === undefined) {
      throw new StackError(
        'SETTINGS_MISSING',
        `there is no folder for the host "${named.name}" (${named.because})`,
        {
          hint: `npm run init makes one; or name one of: ${folders.join(', ')}`,
          data: { host: named.name, folders },
        },
      );
    }
    return chosen(folder, named.because);
  }
  const machine = wanted.machine.split('.')[0] ?? '';
  const own = machine === '' ? undefined : find(machine);
  if (own !== undefined) return chosen(own, "it is this machine's name");
  return chosen(fallbackHost, `this machine ("${machine}") has no folder of its own`);
};

/**
 * The host whose folder `init` writes: `--host` > STACK_HOST > this machine's name. A folder that is there in another
 * case is that host's. @throws {StackError} USAGE where the name cannot be that of a host
 */
export const hostToSetUp = (wanted: Wanted, folders: readonly string[], hostsFolder: string): ChosenHost => {
  const { flag, env, machine } = wanted;
  const candidates = [
    { name: flag, because: '--host says so' },
    { name: env === '' ? undefined : env, because: 'STACK_HOST says so' },
    { name: machine.split('.')[0], because: "it is this machine's name" },
  ];
  const { name = '', because = '' } = candidates.find((one) => one.name !== undefined) ?? {};
  const wrong = [explainingFolder, fallbackHost].includes(name.toLowerCase())
    ? 'is a part of this program'
    : /^[A-Za-z0-9][A-Za-z0-9_-]*$/.test(name)
      ? undefined
      : 'is not letters, digits, - and _';
  if (wrong !== undefined) {
    throw new StackError('USAGE', `the name "${name}" of the host ${wrong} (${because})`, {
      hint: 'give the server a name: npm run -s init -- --host myserver',
    });
  }
  const found = folders.find((folder) => folder.toLowerCase() === name.toLowerCase()) ?? name;
  return { name: found, because, folder: join(hostsFolder, found) };
};

/**
 * The names of all folders of hosts. `example` explains settings and is no host.
 * @throws {StackError} SETTINGS_MISSING where there is no such folder
 */
export const hostFolders = async (hostsFolder: string): Promise<readonly string[]> => {
  const entries = await readdir(hostsFolder, { withFileTypes: true }).catch((error: unknown) => {
    const seen = errnoOf(error);
    if (seen === undefined) throw error;
    throw new StackError('SETTINGS_MISSING', `the folder of hosts ${hostsFolder} cannot be read (${seen})`, {
      hint: 'unset SKYLAB_HOSTS, or let it name a folder with one folder for each host',
      data: { folder: hostsFolder },
      cause: error,
    });
  });
  return entries
    .filter((entry) => entry.isDirectory() && entry.name.toLowerCase() !== explainingFolder)
    .map((entry) => entry.name)
    .sort();
};
