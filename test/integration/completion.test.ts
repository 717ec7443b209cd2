import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { runProgram } from '../support/host.ts';

/*
 * The script of `skylab completion`, read by a real shell, which then asks for candidates as it does at a TAB.
 */

const program = resolve('dist/cli.js');

const whyNoShell = async (shell: string): Promise<string | undefined> => {
  try {
    const { code } = await runProgram(shell, ['-c', 'exit 0']);
    return code === 0 ? undefined : `${shell} does not start`;
  } catch {
    return `${shell} is not installed`;
  }
};
const missing = { bash: await whyNoShell('bash'), zsh: await whyNoShell('zsh') };
for (const why of Object.values(missing)) if (why !== undefined) process.stdout.write(`skipped: ${why}\n`);

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'skylab-completion-'));
  for (const host of ['attic', 'cellar']) await mkdir(join(folder, 'hosts', host), { recursive: true });
  await writeFile(
    join(folder, 'hosts', 'cellar', 'compose.yaml'),
    'services: { wine: { ports: !reset [] } }\n',
  );
  for (const shell of ['bash', 'zsh']) {
    const { stdout } = await runProgram(process.execPath, [program, 'completion', shell]);
    await writeFile(join(folder, shell), stdout);
  }
});
afterAll(async () => rm(folder, { recursive: true, force: true }));

const env = () => ({ PATH: process.env['PATH'], HOME: folder, SKYLAB_HOSTS: join(folder, 'hosts') });
const quoted = (word: string) => `'${word.replaceAll("'", String.raw`'\''`)}'`;

const run = async (shell: string, args: readonly string[], text: string) => {
  const { code, stdout, stderr } = await runProgram(shell, [...args, '-c', text], env());
  expect([code, stderr]).toEqual([0, '']);
  return stdout.split('\n').filter((line) => line !== '');
};

/** What bash offers after these words; the last is being typed. */
const bash = async (...words: readonly string[]) =>
  run(
    'bash',
    ['--norc'],
    `source ${quoted(join(folder, 'bash'))}
     COMP_WORDS=(skylab ${words.map(quoted).join(' ')})
     COMP_CWORD=${words.length}
     compopt() { echo "compopt $*"; }
     $(complete -p skylab | grep -o '_[a-z]*')
     printf '%s\\n' "\${COMPREPLY[@]}"`,
  );

/** The same in zsh, with what it hands to its completion system; that needs a terminal. */
const zsh = async (...words: readonly string[]) =>
  run(
    'zsh',
    ['-f'],
    `compdef() { function_of_skylab=$1 }
     _describe() { print -rl -- "\${(@P)2}" }
     _files() { print files }
     source ${quoted(join(folder, 'zsh'))}
     words=(skylab ${words.map(quoted).join(' ')})
     CURRENT=${words.length + 1}
     $function_of_skylab`,
  );

describe.skipIf(missing.bash !== undefined)('in bash', () => {
  test('verbs are completed', async () => {
    expect(await bash('verify-')).toEqual(['verify-tls', 'verify-oidc']);
  });

  test('flags are completed', async () => {
    expect(await bash('up', '--ho')).toEqual(['--host']);
  });

  test('hosts are the folders of this machine', async () => {
    expect(await bash('up', '--host', '')).toEqual(['attic', 'cellar']);
    expect(await bash('up', '--host', '=', 'c')).toEqual(['cellar']);
  });

  test('services are those of the stack and of the host', async () => {
    expect(await bash('logs', '--host', 'cellar', '--service', 'n')).toContain('nginx');
    expect(await bash('logs', '--host', 'cellar', '--service', 'w')).toEqual(['wine']);
    expect(await bash('logs', '--host', 'attic', '--service', 'w')).toEqual([]);
  });

  test('an unknown host offers nothing and says nothing', async () => {
    expect(await bash('logs', '--host', 'roof', '--service', '')).toEqual([]);
  });

  test('the command is there for this clone, and does not hide one that is', async () => {
    const kind = async (before: string) =>
      run('bash', ['--norc'], `${before} source ${quoted(join(folder, 'bash'))}; type skylab`);

    expect(await kind('')).toContain(`    node ${quoted(resolve('bin/skylab.mjs'))} "$@"`);
    expect(await kind('skylab() { echo mine; };')).toContain('    echo mine');
  });
});

describe.skipIf(missing.zsh !== undefined)('in zsh', () => {
  test('verbs are completed, each with what it does', async () => {
    expect(await zsh('verify-t')).toEqual(['verify-tls:prove what nginx serves']);
  });

  test('flags, hosts and services are completed', async () => {
    expect(await zsh('plan', '--jso')).toEqual([expect.stringMatching(/^--json:/)]);
    expect(await zsh('up', '--host=c')).toEqual(['--host=cellar:']);
    expect(await zsh('logs', '--host', 'cellar', '--service', 'w')).toEqual(['wine:']);
  });
});
