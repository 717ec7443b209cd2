import { readdirSync, readFileSync } from 'node:fs';

/*
 * The documents as tests see them: headings, links, and blocks with what is said about them. `sh run` blocks are executed
 * in the order of `reading`; `sh manual: reason` blocks are for people.
 */

/** The pages that a newcomer reads, in order; the last line of the last one takes the sandbox down. */
export const reading = [
  'README.md',
  'docs/closed-ports.md',
  'docs/cloudflare.md',
  'docs/pocketid.md',
  'docs/netbird.md',
  'docs/troubleshooting.md',
  'docs/operations.md',
] as const;

export const pages: readonly string[] = [
  'README.md',
  'CONTRIBUTING.md',
  'CHANGELOG.md',
  'nixos-host/README.md',
  ...readdirSync('docs', { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.md'))
    .map((name) => `docs/${name}`),
];

export interface Block {
  /** `README.md:21` */
  readonly at: string;
  /** The first word after the fence: `sh`, `yaml`, `text`. Empty where there is none. */
  readonly language: string;
  /** What follows it: `run`, `manual: it needs your token`. */
  readonly note: string;
  readonly lines: readonly string[];
}

export const textOf = (page: string): string => readFileSync(page, 'utf8');

/** Every fenced block of a page. */
export const blocksOf = (page: string): readonly Block[] => {
  const blocks: Block[] = [];
  let open: { at: string; info: string; lines: string[] } | undefined;
  for (const [index, line] of textOf(page).split('\n').entries()) {
    const fence = /^\s*```(.*)$/.exec(line);
    if (fence === null) open?.lines.push(line);
    else if (open === undefined) open = { at: `${page}:${index + 1}`, info: fence[1] ?? '', lines: [] };
    else {
      const [language = '', ...note] = open.info.split(' ');
      blocks.push({ at: open.at, language, note: note.join(' '), lines: open.lines });
      open = undefined;
    }
  }
  if (open !== undefined) throw new Error(`${open.at}: the block has no end`);
  return blocks;
};

/** A page without its blocks. */
export const proseOf = (page: string): string => textOf(page).replaceAll(/^\s*```[\s\S]*?^\s*```$/gm, '');

/** The commands of a block: lines, those that end with \ joined to the next; comments left out. */
export const commandsOf = ({ lines }: Block): readonly string[] =>
  lines
    .join('\n')
    .replaceAll(/\\\n\s*/g, '')
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#'));

/** The names under which a page's headings can be linked to, as GitHub makes them. */
export const anchorsOf = (page: string): ReadonlySet<string> => {
  const anchors = new Set<string>();
  for (const [, heading = ''] of proseOf(page).matchAll(/^#{1,6} (.*)$/gm)) {
    const base = heading
      .replaceAll(/\[([^\]]*)\]\([^)]*\)/g, '$1')
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}\s_-]/gu, '')
      .replaceAll(' ', '-');
    let name = base;
    for (let count = 1; anchors.has(name); count += 1) name = `${base}-${count}`;
    anchors.add(name);
  }
  return anchors;
};

/** A command that is to be executed, and the exit code it is to end with. */
export interface Executed {
  readonly at: string;
  readonly command: string;
  readonly exit: number;
}

const runNote = /^run(?:: exit (\d+))?$/;

/** True where the note of a `sh` block says that it is executed. */
export const isRun = ({ language, note }: Block): boolean => language === 'sh' && runNote.test(note);

/** Every command that is executed, in order. */
export const executed = (): readonly Executed[] =>
  reading.flatMap((page) =>
    blocksOf(page)
      .filter(isRun)
      .flatMap((block) => {
        const exit = Number(runNote.exec(block.note)?.[1] ?? 0);
        return commandsOf(block).map((command) => ({ at: block.at, command, exit }));
      }),
  );
