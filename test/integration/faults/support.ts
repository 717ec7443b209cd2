import { readdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { TestHost } from '../../support/host.ts';

interface Printed {
  readonly code: number | undefined;
  readonly stdout: string;
  readonly stderr: string;
}

/** What differs from run to run and from machine to machine, replaced by what it is. */
export const withoutVariables = (host: TestHost, text: string): string => {
  const known: readonly (readonly [string, string])[] = [
    [host.settingsFile, '<settings file>'],
    [host.state, '<state>'],
    [host.folder, '<folder>'],
    [host.project, '<project>'],
    [host.name, '<host>'],
    [resolve('.'), '<installation>'],
    ...Object.entries(host.ports).map(([name, port]) => [`:${port}`, `:<${name} port>`] as const),
  ];
  return known
    .reduce((left, [value, name]) => left.replaceAll(value, name), text)
    .replaceAll(/\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?(Z| UTC)?/g, '<time>')
    .replaceAll(/\(process \d+\)/g, '(process <pid>)')
    .replaceAll(/^waiting: .*, first: .*$/gm, 'waiting: <steps>');
};

/** Lines of a log, of which a service that is started again and again writes the same many times, each once. */
const eachOnce = (text: string): string => {
  const lines = text.split('\n');
  return lines.filter((line, at) => !line.startsWith('  | ') || lines.indexOf(line) === at).join('\n');
};

/** Everything that a run says from its first error on. A stack trace, or no error at all, is an error of ours. */
export const complaint = (host: TestHost, { stderr }: Printed): string => {
  const at = stderr.indexOf('error[');
  if (at === -1) throw new Error(`no error was printed: ${stderr}`);
  if (/^\s+at .*[:(]\d+/m.test(stderr)) throw new Error(`a stack trace was printed: ${stderr}`);
  return eachOnce(withoutVariables(host, stderr.slice(at).trimEnd()));
};

/** The codes of all errors that were printed, in order. */
export const codesIn = ({ stderr }: Printed): readonly string[] =>
  [...stderr.matchAll(/^error\[(\w+)\]/gm)].map((match) => match[1] ?? '');

/** Every file below a folder, relative to it. */
export const filesBelow = async (folder: string): Promise<readonly string[]> => {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1))
    .sort();
};

/** Files that were being written and never got their name. */
export const halfWritten = async (folder: string): Promise<readonly string[]> =>
  (await filesBelow(folder)).filter((name) => /(^|\/)\.[^/]+\.[0-9a-f]{12}(\/|$)/.test(name));
