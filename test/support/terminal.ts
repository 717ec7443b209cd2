import { spawn } from 'node:child_process';
import { setTimeout as pause } from 'node:timers/promises';
import { stripVTControlCharacters } from 'node:util';

/** A program at a terminal of its own, and the person in front of it. */
export interface AtTerminal {
  /** Waits until this text appears after what was seen last. @throws with the whole screen after a minute */
  readonly sees: (text: string) => Promise<void>;
  /** Presses keys. */
  readonly types: (keys: string) => void;
  /** Its exit code, once it has ended. */
  readonly ends: () => Promise<number>;
  /** Everything that appeared, without colours and movements of the cursor. */
  readonly screen: () => string;
}

export const keys = { enter: '\r', down: '\u001B[B', clear: '\u0015', interrupt: '\u0003' } as const;

const quoted = (text: string): string => `'${text.replaceAll("'", String.raw`'\''`)}'`;

/** Starts a program in a pseudo-terminal of 200 columns. The program `script` makes it: every Debian has that. */
export const atTerminal = (
  command: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): AtTerminal => {
  // script would make one without a size; and it hands on the exit code.
  const line = `stty cols 200 rows 50; exec ${command.map(quoted).join(' ')}`;
  const child = spawn('script', ['--quiet', '--flush', '--return', '--command', line, '/dev/null'], {
    env: { ...env, SHELL: '/bin/sh', TERM: 'xterm' },
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  let output = '';
  let seen = 0;
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
  const ended = new Promise<number>((done, failed) => {
    child.once('error', failed);
    child.once('close', (code) => {
      done(code ?? -1);
    });
  });
  const screen = (): string => stripVTControlCharacters(output).replaceAll('\r', '');
  return {
    async sees(text) {
      const until = Date.now() + 60_000;
      for (;;) {
        const at = screen().indexOf(text, seen);
        if (at >= 0) {
          seen = at + text.length;
          return;
        }
        if (Date.now() > until || child.exitCode !== null) {
          child.kill();
          throw new Error(`"${text}" did not appear. The screen:\n${screen()}`);
        }
        await pause(20);
      }
    },
    types: (pressed) => void child.stdin.write(pressed),
    ends: async () => ended,
    screen,
  };
};
