import { StackError } from '../../shared/errors.ts';
import { plainScript } from './plain.ts';

/** What `pg_dump` wrote: its custom format as it is, or SQL without what belongs to the server it was taken from. */
export interface Dump {
  readonly format: 'custom' | 'plain';
  readonly bytes: Uint8Array;
}

const wantedForm = 'sudo -u postgres pg_dump -Fc pocketid > pocketid.dump';

const unusable = (seen: string, hint: string): StackError =>
  new StackError('DUMP_UNUSABLE', seen, { hint, data: { wanted: wantedForm } });

/** How the formats begin that are met in place of what is wanted. */
const others: readonly (readonly [start: string, seen: string, hint: string])[] = [
  [
    'SQLite format 3\0',
    'is a SQLite database, and this stack keeps Pocket ID in PostgreSQL',
    'let Pocket ID itself move it: "pocket-id export" on the old one, "pocket-id import" of the same version into an empty PostgreSQL database, then pg_dump of that; docs/pocketid.md',
  ],
  [
    'PK\u0003\u0004',
    'is a zip file, such as "pocket-id export" writes',
    `make a dump of its database: ${wantedForm}`,
  ],
  ['\u001f\u008b', 'is compressed with gzip', 'decompress it first: gunzip FILE'],
  ['\u0028\u00b5\u002f\u00fd', 'is compressed with zstd', 'decompress it first: unzstd FILE'],
  ['\u00fd7zXZ', 'is compressed with xz', 'decompress it first: unxz FILE'],
];

const headBytes = 4096;

/**
 * Recognises what is in a file and makes it ready for restoring. `name`: the file, for errors.
 * @throws {StackError} DUMP_UNUSABLE for everything that is not the dump of one PostgreSQL database
 */
export const readDump = (bytes: Buffer, name: string): Dump => {
  const head = bytes.subarray(0, headBytes).toString('latin1');
  if (head.startsWith('PGDMP')) return { format: 'custom', bytes };
  const other = others.find(([start]) => head.startsWith(start));
  if (other !== undefined) throw unusable(`${name} ${other[1]}`, other[2]);
  if (head.includes('PostgreSQL database cluster dump'))
    throw unusable(
      `${name} is a dump of a whole server (pg_dumpall)`,
      `dump the one database: ${wantedForm}`,
    );
  if (head.slice(257, 262) === 'ustar')
    throw unusable(`${name} is a tar file`, `use the custom format: ${wantedForm}`);
  if (!head.includes('PostgreSQL database dump'))
    throw unusable(`${name} is no dump of a PostgreSQL database`, `make one: ${wantedForm}`);
  return { format: 'plain', bytes: Buffer.from(plainScript(bytes.toString('latin1'), name), 'latin1') };
};
