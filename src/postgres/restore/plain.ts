import { StackError } from '../../shared/errors.ts';

/*
 * A dump in plain SQL, line by line. Lines inside data (COPY) and inside texts are never judged and never changed.
 */

/** What belongs to the server the dump was taken from: owners, rights, and settings that another version may not know. */
const notOurs = [
  /^ALTER [A-Z ]+ .* OWNER TO .*;$/,
  /^(GRANT|REVOKE) .*;$/,
  /^ALTER DEFAULT PRIVILEGES .*;$/,
  /^SET transaction_timeout = .*;$/,
  /^COMMENT ON (EXTENSION|SCHEMA) .*;$/,
  /^CREATE SCHEMA public;$/,
  // Its guard against commands of psql; they are refused here.
  /^\\(un)?restrict /,
];

/** The text that is open at the end of a line: none, a quote, or a dollar quote. */
type Open = '' | `'` | '"' | `$${string}`;

const openAfter = (line: string, before: Open): Open => {
  let open = before;
  for (let at = 0; at < line.length;) {
    if (open === '') {
      if (line.startsWith('--', at)) return '';
      const [dollar] = /^\$\w*\$/.exec(line.slice(at, at + 64)) ?? [];
      const begun = dollar ?? line[at];
      at += begun?.length ?? 1;
      if (begun === `'` || begun === '"' || dollar !== undefined) open = begun as Open;
    } else if (line.startsWith(open, at)) {
      at += open.length;
      open = '';
    } else {
      at += 1;
    }
  }
  return open;
};

const refused = (line: string, name: string): StackError =>
  line.startsWith('\\connect')
    ? new StackError('DUMP_UNUSABLE', `${name} leads to other databases (\\connect)`, {
        hint: 'make it with pg_dump, of the one database and without --create (-C)',
      })
    : new StackError(
        'DUMP_UNUSABLE',
        `${name} holds a command of psql that no dump needs: ${line.slice(0, 40)}`,
        {
          hint: 'make the dump anew: sudo -u postgres pg_dump -Fc pocketid > pocketid.dump',
        },
      );

/**
 * The script without owners, rights and psql's own commands. Bytes stand as characters (latin1).
 * @throws {StackError} DUMP_UNUSABLE for commands of psql
 */
export const plainScript = (text: string, name: string): string => {
  const kept: string[] = [];
  let open: Open = '';
  let isData = false;
  for (const line of text.split('\n')) {
    if (isData) {
      isData = line !== '\\.';
      kept.push(line);
      continue;
    }
    const isFree = open === '';
    if (isFree && notOurs.some((one) => one.test(line))) continue;
    if (isFree && line.startsWith('\\')) throw refused(line, name);
    open = openAfter(line, open);
    isData = open === '' && /^COPY .* FROM stdin;$/.test(line);
    kept.push(line);
  }
  return kept.join('\n');
};
