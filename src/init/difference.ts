import { createTwoFilesPatch } from 'diff';
import type { Style } from '../orchestrator/report/text.ts';

/** What changes in a file, line by line, in the unified form. */
export const differenceText = (file: string, before: string, after: string, style: Style): string => {
  const patch = createTwoFilesPatch(file, file, before, after, 'as it is', 'as it would be', { context: 2 });
  return patch
    .split('\n')
    .filter((line) => !/^=+$/.test(line))
    .map((line) => {
      if (/^(---|\+\+\+|@@)/.test(line)) return style.dim(line);
      if (line.startsWith('+')) return style.green(line);
      return line.startsWith('-') ? style.red(line) : line;
    })
    .join('\n')
    .trimEnd();
};
