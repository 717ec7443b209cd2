import pc from 'picocolors';
import { afterEach, expect, test } from 'vitest';
import { liveReporter } from '../../../src/orchestrator/report/live.ts';
import { step } from '../../support/steps.ts';

/** A terminal that knows what is written to it: text, line breaks, moves of the cursor, erasing. */
const terminal = (columns: number) => {
  const lines: string[] = [''];
  let row = 0;
  let column = 0;
  const print = (text: string) => {
    const line = (lines[row] ?? '').padEnd(column);
    lines[row] = line.slice(0, column) + text + line.slice(column + text.length);
    column += text.length;
    if (column > columns) throw new Error(`a line of ${column} columns wraps: ${text}`);
  };
  const obey = (command: string, count: string) => {
    if (command === 'A') row -= Number(count || '1');
    else if (command === 'B') row += Number(count || '1');
    else if (command === 'G') column = 0;
    else if (command === 'K') lines[row] = count === '2' ? '' : (lines[row] ?? '').slice(0, column);
    else if (command === 'J') lines.splice(row, lines.length, (lines[row] ?? '').slice(0, column));
    else throw new Error(`unknown command ${count}${command}`);
  };
  const write = (text: string): boolean => {
    for (const [, count = '', command, other = ''] of text.matchAll(
      // eslint-disable-next-line no-control-regex
      /\u001B\[\??(\d*)([A-Za-z])|(\n|[^\n\u001B]+)/g,
    )) {
      if (command !== undefined) obey(command, count);
      else if (other === '\n') [row, column] = [row + 1, 0];
      else print(other);
    }
    return true;
  };
  const stream = { columns, rows: 24, isTTY: false, write } as unknown as NodeJS.WriteStream;
  return { stream, shown: () => lines.map((line) => line.trimEnd()).filter((line) => line !== '') };
};

let end = (): void => undefined;
afterEach(() => {
  end();
});
const watch = (columns: number) => {
  const { stream, shown } = terminal(columns);
  const live = liveReporter({ stream, style: pc.createColors(false), verbose: false });
  end = live.end;
  return { live, shown };
};

const postgres = step('start postgres', { why: 'not there yet: postgres' });
const nginx = step('start nginx', { why: 'a reason that is much longer than this terminal is wide' });

test('what runs stands in a list with its reason, cut to the width of the terminal', () => {
  const { live, shown } = watch(60);

  live.emit({ type: 'started', area: 'containers', step: postgres });
  live.emit({ type: 'started', area: 'containers', step: nginx });

  expect(shown()).toEqual([
    expect.stringMatching(/^… start postgres [\d.]+ m?s · not there yet: postgres$/),
    expect.stringMatching(/^… start nginx [\d.]+ m?s · a reason that is /),
  ]);
});

test('what is done stands above the list, once, and leaves it', () => {
  const { live, shown } = watch(80);

  live.emit({ type: 'started', area: 'containers', step: postgres });
  live.emit({ type: 'started', area: 'containers', step: nginx });
  live.emit({ type: 'done', area: 'containers', step: nginx, durationMs: 1234 });

  expect(shown()).toEqual([
    '✓ start nginx (1.2 s)',
    expect.stringMatching(/^… start postgres .* not there yet: postgres$/),
  ]);

  live.end();
  expect(shown()).toEqual(['✓ start nginx (1.2 s)']);
});
