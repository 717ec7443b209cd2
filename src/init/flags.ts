import { changeFrom, type Change } from '../settings/edit.ts';
import { StackError } from '../shared/errors.ts';
import type { Answers } from './answers.ts';
import { questions } from './questions.ts';

/** The command line of init, as commander gives it. */
export type InitFlags = Readonly<Record<string, unknown>>;

const camel = (flag: string): string =>
  flag.replaceAll(/-([a-z])/g, (_, letter: string) => letter.toUpperCase());

/** Answers that stand on the command line. */
export const answersOnLine = (flags: InitFlags): Answers =>
  Object.fromEntries(
    questions.flatMap(({ id, flag }) => {
      const said = flags[camel(flag)];
      return typeof said === 'string' ? [[id, said.trim()]] : [];
    }),
  );

/** What `--set path=value` asks for; the value is YAML. @throws {StackError} USAGE */
export const settingsOnLine = (texts: readonly string[]): readonly Change[] =>
  texts.map((text) => {
    const change = changeFrom(text);
    if (change !== undefined) return change;
    throw new StackError('USAGE', `--set "${text}" is not path=value`, {
      hint: 'such as --set mesh.store=postgres; docs/settings.md lists all',
    });
  });
