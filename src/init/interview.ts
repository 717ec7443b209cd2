import type { Check } from '../orchestrator/report/check.ts';
import { StackError } from '../shared/errors.ts';
import type { Prompts } from '../shared/prompts.ts';
import { applies, refusalOf, type AnswerId, type Answers } from './answers.ts';
import { questions, type Machine, type Question } from './questions.ts';

/** A look at the world as soon as what it needs was answered. */
export interface Look {
  /** It runs after the answer to this question. */
  readonly after: AnswerId;
  /** The question whose answer would mend what it finds. */
  readonly againFrom: (answers: Answers) => AnswerId;
  readonly run: (answers: Answers, signal: AbortSignal) => Promise<readonly Check[]>;
}

interface Interview {
  /** What the command line says. */
  readonly flags: Answers;
  /** What the settings of the host say already. */
  readonly known: Answers;
  readonly machine: Machine;
}

const flagsOf = (wanted: readonly Question[]): string =>
  wanted.map((one) => `--${one.flag} <${one.takes}>`).join(' ');

/** Answers without a person: from flags, from the settings that are there, and what can be assumed. @throws {StackError} USAGE */
export const answersWithoutPerson = ({ flags, known, machine }: Interview): Answers => {
  let answers: Answers = {};
  const missing: Question[] = [];
  const wrong: string[] = [];
  for (const question of questions) {
    const { id, flag, suggestion, assumes } = question;
    if (!applies(id, answers)) continue;
    const answer = flags[id] ?? known[id] ?? (assumes === true ? suggestion?.(answers, machine) : undefined);
    if (answer === undefined) {
      missing.push(question);
      continue;
    }
    const refusal = refusalOf(id, answer);
    if (refusal !== undefined) wrong.push(`--${flag} "${answer}" ${refusal}`);
    answers = { ...answers, [id]: answer };
  }
  if (missing.length === 0 && wrong.length === 0) return answers;
  const count = missing.length === 1 ? 'one answer is' : `${missing.length} answers are`;
  const problems = [
    ...wrong,
    ...(missing.length === 0
      ? []
      : [
          `${count} missing, and there is no terminal to ask at`,
          ...missing.map((one) => `  --${one.flag} <${one.takes}>: ${one.about}`),
        ]),
  ];
  throw new StackError('USAGE', problems.join('\n'), {
    hint: [
      ...(wrong.length === 0 ? [] : ['mend those flags; npm run -s init -- --help says what each is']),
      ...(missing.length === 0 ? [] : [`add after npm run -s init -- what is missing: ${flagsOf(missing)}`]),
    ].join('; '),
    data: { missing: missing.map((one) => one.flag), wrong },
  });
};

const ask = async (
  question: Question,
  answers: Answers,
  { known, machine }: Interview,
  prompts: Prompts,
): Promise<string> => {
  const { id, message, choices, suggestion } = question;
  const initial = answers[id] ?? known[id] ?? suggestion?.(answers, machine);
  const there = initial === undefined ? {} : { initial };
  if (choices === undefined)
    return prompts.line({ message, ...there, check: (answer) => refusalOf(id, answer) });
  for (;;) {
    const answer = await prompts.choice({ message, choices, ...there });
    const refusal = refusalOf(id, answer);
    if (refusal === undefined) return answer;
    await prompts.choice({
      message: `${answer}: ${refusal}`,
      choices: [{ value: 'again', text: 'choose something else' }],
    });
  }
};

/** True: go on although something failed. False: answer again. @throws {StackError} DECLINED */
const goesOn = async (prompts: Prompts): Promise<boolean> => {
  const what = await prompts.choice({
    message: 'What now?',
    choices: [
      { value: 'again', text: 'answer again, or look again' },
      { value: 'on', text: 'go on with this answer; it can be mended later' },
      { value: 'stop', text: 'stop here; nothing is written' },
    ],
    initial: 'again',
  });
  if (what !== 'stop') return what === 'on';
  throw new StackError('DECLINED', 'stopped at a check that failed; nothing was written', {
    hint: 'mend it, then run npm run init again',
  });
};

/** What the command line says. @throws {StackError} USAGE where it cannot be right */
const flagOf = ({ id, flag }: Question, flags: Answers): string | undefined => {
  const said = flags[id];
  const refusal = said === undefined ? undefined : refusalOf(id, said);
  if (refusal === undefined) return said;
  throw new StackError('USAGE', `--${flag} "${said}" ${refusal}`, { hint: 'leave the flag out to be asked' });
};

/**
 * Asks a person, question by question; what a flag says is not asked. After each answer the looks that can be made now
 * are made and shown; where one fails, the person decides.
 * @throws {StackError} USAGE for a flag that cannot be right, DECLINED, INTERRUPTED
 */
export const askPerson = async (
  interview: Interview,
  prompts: Prompts,
  looks: readonly Look[],
  show: (checks: readonly Check[]) => void,
  signal: AbortSignal,
): Promise<{ readonly answers: Answers; readonly checks: readonly Check[] }> => {
  let answers: Answers = {};
  let { flags } = interview;
  const checks = new Map<AnswerId, readonly Check[]>();
  for (let index = 0; index < questions.length; index += 1) {
    const question = questions[index];
    if (question === undefined || !applies(question.id, answers)) continue;
    const { id } = question;
    answers = {
      ...answers,
      [id]: flagOf(question, flags) ?? (await ask(question, answers, interview, prompts)),
    };
    const own = looks.filter((one) => one.after === id);
    const found = (await Promise.all(own.map(async (one) => one.run(answers, signal)))).flat();
    checks.set(id, found);
    show(found);
    if (!found.some((one) => one.status === 'failed')) continue;
    if (await goesOn(prompts)) continue;
    const from = own[0]?.againFrom(answers) ?? id;
    index = questions.findIndex((one) => one.id === from) - 1;
    // What a flag said has just been found wrong.
    flags = Object.fromEntries(Object.entries(flags).filter(([flag]) => flag !== from && flag !== id));
  }
  const made = [...checks].flatMap(([id, found]) => (applies(id, answers) ? found : []));
  return { answers, checks: made };
};
