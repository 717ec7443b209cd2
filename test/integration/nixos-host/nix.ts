import { resolve } from 'node:path';
import { runProgram } from '../../support/host.ts';
import { findNix } from './find-nix.ts';

const program = await findNix();

/** True where nothing can be evaluated; the reason was printed. */
export const hasNoNix = program === undefined;

/** nixpkgs' own lib, where SKYLAB_NIXPKGS names a copy of nixpkgs; else the small one beside these tests. */
const nixpkgs = process.env['SKYLAB_NIXPKGS'];
const lib = nixpkgs === undefined ? resolve(import.meta.dirname, 'nix', 'lib.nix') : resolve(nixpkgs, 'lib');

const call = async (args: readonly string[]) =>
  // The dummy store holds nothing and takes nothing: there is no network, no daemon and no /nix in it.
  runProgram(program ?? '', ['--store', 'dummy://', ...args], {
    PATH: process.env['PATH'],
    HOME: '/nonexistent',
  });

/** What a Nix expression comes to, as JSON. In it `host user` is what a host with the module and `user` comes to. */
export const evaluate = async (expression: string): Promise<unknown> => {
  const bound = `let lib = import ${lib}; host = user: import ${resolve(import.meta.dirname, 'nix', 'evaluate.nix')} { inherit lib user; }; in ${expression}`;
  const { code, stdout, stderr } = await call(['--eval', '--strict', '--json', '-E', bound]);
  if (code !== 0) throw new Error(stderr.trim());
  return JSON.parse(stdout);
};

/** What a host comes to at one path of its configuration. */
export const configured = async (path: string, user: string): Promise<unknown> =>
  evaluate(`(host (${user})).config.${path}`);

/** What the parser says of a file; empty where it is well-formed. */
export const parseErrors = async (file: string): Promise<string> => (await call(['--parse', file])).stderr;
