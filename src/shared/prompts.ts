import type { Readable, Writable } from 'node:stream';
import type * as Clack from '@clack/prompts';
import { StackError } from './errors.ts';

/** Says what is wrong with an answer, as the end of a sentence; undefined where it is right. */
type CheckAnswer = (answer: string) => string | undefined;

export interface Choice<Value extends string> {
  readonly value: Value;
  /** One line that explains it. */
  readonly text: string;
}

/**
 * Questions to a person at a terminal. A wrong answer is asked again with what is wrong.
 * Every call throws {StackError} INTERRUPTED at Ctrl-C, or the signal's reason.
 */
export interface Prompts {
  /** One line, trimmed. `initial` stands there already and can be changed. */
  readonly line: (question: {
    readonly message: string;
    readonly initial?: string;
    readonly check: CheckAnswer;
  }) => Promise<string>;
  /** One line that is never shown, trimmed. */
  readonly secret: (question: { readonly message: string; readonly check: CheckAnswer }) => Promise<string>;
  readonly choice: <Value extends string>(question: {
    readonly message: string;
    readonly choices: readonly Choice<Value>[];
    readonly initial?: Value;
  }) => Promise<Value>;
  readonly yes: (message: string) => Promise<boolean>;
}

interface Streams {
  readonly input: Readable;
  readonly output: Writable;
  readonly signal: AbortSignal;
}

/** Asks with @clack/prompts, which is loaded with the first question. */
export const createPrompts = ({ input, output, signal }: Streams): Prompts => {
  /** Ctrl-C is answered with a symbol; a question leaves its listener on the signal, so each gets one of its own. */
  const ask = async <T>(
    question: (clack: typeof Clack, streams: Streams) => Promise<T>,
  ): Promise<Exclude<T, symbol>> => {
    const clack = await import('@clack/prompts');
    const answered = new AbortController();
    const follow = () => {
      answered.abort(signal.reason);
    };
    signal.throwIfAborted();
    signal.addEventListener('abort', follow, { once: true });
    try {
      const answer = await question(clack, { input, output, signal: answered.signal });
      signal.throwIfAborted();
      if (typeof answer !== 'symbol') return answer as Exclude<T, symbol>;
    } finally {
      signal.removeEventListener('abort', follow);
    }
    throw new StackError('INTERRUPTED', 'interrupted at a question', { hint: 'run it again when you like' });
  };
  const validate = (check: CheckAnswer) => (value: string | undefined) => check((value ?? '').trim());
  return {
    async line({ message, initial, check }) {
      const shown = initial === undefined ? {} : { initialValue: initial };
      const line = await ask(async ({ text }, streams) =>
        text({ ...streams, ...shown, message, validate: validate(check) }),
      );
      return line.trim();
    },
    async secret({ message, check }) {
      const secret = await ask(async ({ password }, streams) =>
        password({ ...streams, message, validate: validate(check) }),
      );
      return secret.trim();
    },
    async choice<Value extends string>({
      message,
      choices,
      initial,
    }: {
      readonly message: string;
      readonly choices: readonly Choice<Value>[];
      readonly initial?: Value;
    }) {
      const width = Math.max(...choices.map((one) => one.value.length));
      const options = choices.map(({ value, text }) => ({ value, label: `${value.padEnd(width)}  ${text}` }));
      const marked = initial === undefined ? {} : { initialValue: initial };
      const chosen = await ask(async ({ select }, streams) =>
        select<string>({ ...streams, ...marked, message, options }),
      );
      return chosen as Value;
    },
    yes: async (message) => ask(async ({ confirm }, streams) => confirm({ ...streams, message })),
  };
};
