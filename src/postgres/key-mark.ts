import { fits, makeVerifier } from './scram.ts';

/*
 * Which key the data of a database was sealed with: a line in the comment of the database, so that it goes where the
 * database goes. It holds no key: it is salted and iterated as PostgreSQL keeps passwords. Other lines of the comment
 * are somebody else's and stay.
 */

const pattern = /^skylab: sealed with the key (SCRAM-SHA-256\$\S+)$/m;

/** Whether a key is the one that a comment tells of; `none` where it tells of none. */
export const readMark = (comment: string, key: string): 'none' | 'fits' | 'differs' => {
  const verifier = pattern.exec(comment)?.[1];
  if (verifier === undefined) return 'none';
  return fits(key, verifier) ? 'fits' : 'differs';
};

/** The comment with the mark of this key. */
export const withMark = (comment: string, key: string): string => {
  const others = comment.split('\n').filter((line) => line !== '' && !pattern.test(line));
  return [...others, `skylab: sealed with the key ${makeVerifier(key)}`].join('\n');
};
