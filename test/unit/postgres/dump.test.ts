import { describe, expect, test } from 'vitest';
import { readDump } from '../../../src/postgres/restore/dump.ts';

const head = '--\n-- PostgreSQL database dump\n--\n';
const read = (text: string): string =>
  Buffer.from(readDump(Buffer.from(text, 'latin1'), 'a.dump').bytes).toString('latin1');
const refusal = (text: string): unknown => {
  try {
    return read(text);
  } catch (error) {
    return error;
  }
};

describe('a file that is given as a dump', () => {
  test('in the custom format stays as it is', () => {
    const bytes = Buffer.from([...Buffer.from('PGDMP'), 0, 255, 13, 10]);

    expect(readDump(bytes, 'a.dump')).toEqual({ format: 'custom', bytes });
  });

  test.each([
    ['SQLite', 'SQLite format 3\0...', /is a SQLite database/, /pocket-id export/],
    ['a zip file', 'PK\u0003\u0004', /zip file/, /pg_dump/],
    ['gzip', '\u001f\u008b', /compressed with gzip/, /gunzip/],
    ['xz', '\u00fd7zXZ\0', /compressed with xz/, /unxz/],
    ['zstd', '(\u00b5/\u00fd', /compressed with zstd/, /unzstd/],
    ['a tar file', `${'toc.dat'.padEnd(257, '\0')}ustar`, /tar file/, /-Fc/],
    ['a whole server', '--\n-- PostgreSQL database cluster dump\n--\n', /pg_dumpall/, /pg_dump -Fc/],
    ['something else', 'hello', /no dump of a PostgreSQL database/, /pg_dump -Fc/],
    ['nothing', '', /no dump of a PostgreSQL database/, /pg_dump -Fc/],
  ])('that is %s is refused with what to do', (_case, text, seen, hint) => {
    expect(refusal(text)).toMatchObject({
      code: 'DUMP_UNUSABLE',
      message: expect.stringMatching(seen),
      hint: expect.stringMatching(hint),
    });
  });

  test('in plain SQL loses owners, rights and what older servers do not know', () => {
    const lines = [
      '\\restrict abc',
      'SET transaction_timeout = 0;',
      "SET client_encoding = 'UTF8';",
      'CREATE SCHEMA public;',
      "COMMENT ON EXTENSION citext IS 'x';",
      'CREATE TABLE public.users (id uuid);',
      'ALTER TABLE public.users OWNER TO "pocket-id";',
      'ALTER TABLE ONLY public.users ADD CONSTRAINT p PRIMARY KEY (id);',
      'REVOKE ALL ON SCHEMA public FROM PUBLIC;',
      'ALTER DEFAULT PRIVILEGES FOR ROLE a GRANT SELECT ON TABLES TO b;',
      '\\unrestrict abc',
    ];

    expect(
      read(head + lines.join('\n'))
        .split('\n')
        .slice(3),
    ).toEqual([
      "SET client_encoding = 'UTF8';",
      'CREATE TABLE public.users (id uuid);',
      'ALTER TABLE ONLY public.users ADD CONSTRAINT p PRIMARY KEY (id);',
    ]);
  });

  test('keeps every line of data and of texts, whatever it looks like', () => {
    const trap = 'GRANT ALL ON x TO y;\nALTER TABLE a OWNER TO b;\n\\! rm -rf /';
    const script = [
      `COPY public.notes (body) FROM stdin;\n${trap}\n\\.`,
      `INSERT INTO t VALUES ('it''s\n${trap}');`,
      `INSERT INTO "od""d\n${trap}" VALUES (1);`,
      `CREATE FUNCTION f() AS $_$ it's\n${trap}\n$_$;`,
      "SELECT 1; -- don't",
    ].join('\n');

    expect(read(head + script)).toBe(head + script);
  });

  test('keeps its bytes, whatever their encoding', () => {
    const bytes = Buffer.concat([Buffer.from(head), Buffer.from([0xc3, 0xa9, 0xff, 0x0d, 0x0a])]);

    expect(Buffer.from(readDump(bytes, 'a').bytes)).toEqual(bytes);
  });

  test.each([
    ['leads to another database', '\\connect other', /\\connect/],
    ['runs a program', "SELECT 'a';\n\\! id", /command of psql/],
    ['reads a file', '\\i /etc/passwd', /command of psql/],
    ['does so after data has ended', 'COPY t (a) FROM stdin;\n1\n\\.\n\\! id', /command of psql/],
  ])('in plain SQL that %s is refused', (_case, script, seen) => {
    expect(refusal(head + script)).toMatchObject({
      code: 'DUMP_UNUSABLE',
      message: expect.stringMatching(seen),
    });
  });
});
