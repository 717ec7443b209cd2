import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseDocument } from 'yaml';
import { readText } from '../shared/files.ts';
import { StackError } from '../shared/errors.ts';
import type { ChosenHost } from './host.ts';
import { placeholdersIn } from './placeholders.ts';
import { explain } from './explain.ts';
import { hostSettings, type HostSettings } from './schema.ts';
import { frontGroup } from './front-group.ts';
import { addressesOf, pathsOf, type Settings } from './settings.ts';

interface Issue {
  readonly code?: string | undefined;
  readonly path: readonly PropertyKey[];
  readonly message: string;
  readonly keys?: readonly string[];
  readonly errors?: readonly (readonly Issue[])[];
}

const at = (path: readonly PropertyKey[]): string =>
  path.length === 0 ? 'the file' : path.map(String).join('/');

/** zod's issues as lines with paths; of a union, the branch that has the fewest of those that fit at all. */
const lines = (issues: readonly Issue[], above: readonly PropertyKey[] = []): string[] =>
  issues.flatMap((issue) => {
    const path = [...above, ...issue.path];
    if (issue.keys !== undefined)
      return issue.keys.map((key) => `${at([...path, key])}: is not a known setting`);
    const [closest] = (issue.errors ?? [])
      .filter((branch) => branch.some((one) => one.path.length > 0))
      .map((branch) => lines(branch, path))
      .sort((a, b) => a.length - b.length);
    return closest ?? [`${at(path)}: ${issue.message}`];
  });

/** The document as plain data. An alias without its anchor is found only now, and one that grows without bounds too. */
const valueOf = (document: ReturnType<typeof parseDocument>, file: string): unknown => {
  try {
    return document.toJS();
  } catch (error) {
    throw invalid(file, [error instanceof Error ? error.message : String(error)]);
  }
};

/** Said before anything else: what belongs there decides whether the rest fits. */
const refusePlaceholders = (value: unknown, file: string): void => {
  const places = placeholdersIn(value).map(({ path, wanted }) => ({ path: at(path), wanted }));
  if (places.length === 0) return;
  const what = places.length === 1 ? 'one value is' : `${places.length} values are`;
  const list = places.map(({ path, wanted }) => `  ${path}: ${wanted}`).join('\n');
  throw new StackError('SETTINGS_PLACEHOLDER', `${file}: ${what} still to be filled in\n${list}`, {
    hint: `npm run init asks for them; or write them into ${file}, in place of the text in angle brackets`,
    data: { file, places },
  });
};

/**
 * Checks the text of a settings file whole and fills in defaults.
 * @throws {StackError} SETTINGS_PLACEHOLDER with every place to fill in, SETTINGS_INVALID with every problem and its path
 */
export const parseSettings = (text: string, file: string): HostSettings => {
  const document = parseDocument(text, { prettyErrors: true, logLevel: 'error' });
  const syntax = document.errors.map((error) => (error.message.split('\n')[0] ?? '').replace(/:$/, ''));
  if (syntax.length > 0) throw invalid(file, syntax);
  const value = valueOf(document, file) ?? {};
  refusePlaceholders(value, file);
  const result = hostSettings.safeParse(value, { error: explain });
  if (!result.success) throw invalid(file, lines(result.error.issues));
  return result.data;
};

const invalid = (file: string, problems: readonly string[]): StackError =>
  new StackError(
    'SETTINGS_INVALID',
    `${file}: ${problems.length === 1 ? 'one problem' : `${problems.length} problems`}\n${problems.map((one) => `  ${one}`).join('\n')}`,
    { hint: `edit ${file}; docs/settings.md describes every setting`, data: { file, problems } },
  );

/** The absolute folder that `storage.root` stands for. */
const rootOf = (settings: HostSettings, env: Readonly<Record<string, string | undefined>>): string => {
  if (settings.storage.root !== 'user') return settings.storage.root;
  const stateHome = env['XDG_STATE_HOME'];
  return stateHome !== undefined && stateHome.startsWith('/')
    ? stateHome
    : join(homedir(), '.local', 'state');
};

/**
 * The settings of a host, checked, with all that follows from them.
 * @throws {StackError} SETTINGS_MISSING, SETTINGS_PLACEHOLDER, SETTINGS_INVALID
 */
export const loadSettings = async (
  chosen: ChosenHost,
  installation: string,
  env: Readonly<Record<string, string | undefined>>,
): Promise<Settings> => {
  const file = join(chosen.folder, 'settings.yaml');
  const text = await readText(file);
  if (text === undefined) {
    throw new StackError('SETTINGS_MISSING', `there is no ${file}`, {
      hint: 'npm run init writes it; or copy compose/hosts/example/settings.yaml there',
      data: { file },
    });
  }
  const settings = parseSettings(text, file);
  const host = chosen.name.toLowerCase();
  if (!/^[a-z0-9_-]+$/.test(host)) {
    throw new StackError(
      'SETTINGS_INVALID',
      `the folder of the host "${chosen.name}" has a name that Docker does not take`,
      {
        hint: `rename ${chosen.folder}: letters, digits, - and _`,
        data: { host: chosen.name },
      },
    );
  }
  const frontGid = await frontGroup(settings.ingress);
  if (typeof frontGid === 'string') throw invalid(file, [`ingress/group: ${frontGid}`]);
  const paths = pathsOf(rootOf(settings, env), host);
  // sun_path of unix(7), with room for the name of the socket.
  if (frontGid !== undefined && Buffer.byteLength(paths.front) > 90)
    throw invalid(file, [`storage/root: ${paths.front} is too long for a socket in it (90 bytes at most)`]);
  return {
    ...settings,
    host,
    frontGid,
    project: `skylab-${host}`,
    folder: resolve(chosen.folder),
    installation,
    addresses: addressesOf(settings),
    paths,
  };
};
