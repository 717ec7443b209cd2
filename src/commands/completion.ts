import { hostname } from 'node:os';
import { join } from 'node:path';
import type { Terminal } from '../context.ts';
import { chooseHost, hostFolders } from '../settings/host.ts';
import { serviceNames } from '../settings/services.ts';
import { candidates, type Tree, type Values } from './candidates.ts';

/*
 * Completion is asked of this program at each TAB, so that it is never older than the verbs: the script for the shell only
 * passes on what is typed. (Packages that do this for commander bring several hundred lines of shell for each shell.)
 */

const quoted = (text: string): string => `'${text.replaceAll("'", String.raw`'\''`)}'`;

const bash = (launcher: string, program: string): string => `# TAB completion of skylab for bash.
command -v skylab > /dev/null || skylab() { node ${launcher} "$@"; }
_skylab() {
  local line
  COMPREPLY=()
  while IFS= read -r line; do
    if [[ $line == :files* ]]; then
      compopt -o default
      return
    fi
    COMPREPLY+=("\${line%%$'\\t'*}")
  done < <(node ${program} complete -- "\${COMP_WORDS[@]:1:COMP_CWORD}" 2> /dev/null)
}
complete -F _skylab skylab
`;

const zsh = (
  launcher: string,
  program: string,
): string => `# TAB completion of skylab for zsh; after compinit.
whence skylab > /dev/null || skylab() { node ${launcher} "$@" }
_skylab() {
  local line
  local -a found
  for line in "\${(@f)$(node ${program} complete -- "\${(@)words[2,CURRENT]}" 2> /dev/null)}"; do
    if [[ $line == :files* ]]; then
      _files
      return
    fi
    [[ -n $line ]] && found+=("\${\${line%%$'\\t'*}//:/\\\\:}:\${line#*$'\\t'}")
  done
  _describe skylab found
}
compdef _skylab skylab
`;

/** The script that a shell reads; paths of this installation stand in it. */
export const completionScript = (shell: 'bash' | 'zsh', installation: string): string => {
  const launcher = quoted(join(installation, 'bin', 'skylab.mjs'));
  const program = quoted(join(installation, 'dist', 'cli.js'));
  return shell === 'bash' ? bash(launcher, program) : zsh(launcher, program);
};

const valuesHere = ({ env, installation }: Terminal): Values => {
  const folder = env['SKYLAB_HOSTS'] ?? join(installation, 'compose', 'hosts');
  const hosts = async () => hostFolders(folder);
  const services = async (flag: string | undefined) => {
    const all = await hosts();
    const wanted = {
      machine: hostname(),
      ...(flag === undefined ? {} : { flag }),
      ...(env['STACK_HOST'] === undefined ? {} : { env: env['STACK_HOST'] }),
    };
    const chosen = chooseHost(wanted, all, folder);
    return serviceNames([join(installation, 'compose', 'compose.yaml'), join(chosen.folder, 'compose.yaml')]);
  };
  return { '--host': hosts, '--service': services };
};

/**
 * Prints one candidate a line, what it is for after a tab; `:files` where a path is wanted.
 * @throws {StackError} SETTINGS_MISSING where the host in the line has no folder: the shell then has nothing to offer
 */
export const complete = async (terminal: Terminal, tree: Tree, words: readonly string[]): Promise<void> => {
  const found = await candidates(tree, words, valuesHere(terminal));
  terminal.stdout.write(found.map(({ value, about }) => `${value}\t${about}\n`).join(''));
};
