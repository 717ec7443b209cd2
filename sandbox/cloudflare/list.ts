import * as z from 'zod';
import { ApiRefusal, type PageInfo } from './envelope.ts';
import type { DnsRecord } from './record.ts';

type Test = (record: DnsRecord) => boolean;

const textTests = {
  exact: (have: string, want: string) => have === want,
  contains: (have: string, want: string) => have.includes(want),
  startswith: (have: string, want: string) => have.startsWith(want),
  endswith: (have: string, want: string) => have.endsWith(want),
};

const filterOf = (key: string, want: string): Test | undefined => {
  const [field, how = 'exact'] = key.split('.');
  if (key === 'type') return (record) => record.type === want;
  if (key === 'proxied') return (record) => String(record.proxied) === want;
  if (key === 'comment.absent') return (record) => record.comment === null;
  if (key === 'comment.present') return (record) => record.comment !== null;
  if (!(how in textTests)) return undefined;
  const matches = textTests[how as keyof typeof textTests];
  switch (field) {
    case 'name':
      return (record) => matches(record.name, want.toLowerCase());
    case 'content':
      return (record) => matches(record.content.toLowerCase(), want.toLowerCase());
    case 'comment':
      return (record) => record.comment !== null && matches(record.comment.toLowerCase(), want.toLowerCase());
    case undefined:
    default:
      return undefined;
  }
};

const handledElsewhere = new Set(['page', 'per_page', 'match', 'order', 'direction']);

const unknownParameter = (key: string) =>
  new ApiRefusal(400, { code: 1004, message: `this provider does not know the query parameter "${key}"` });

/**
 * The records that a list call asks for, in its order. Unlike the real API it refuses parameters it does not know:
 * a filter that is silently ignored would look like one that works.
 */
export const selectRecords = (
  records: readonly DnsRecord[],
  query: Readonly<Record<string, string>>,
): readonly DnsRecord[] => {
  const tests = Object.entries(query)
    .filter(([key]) => !handledElsewhere.has(key))
    .map(([key, want]) => {
      const test = filterOf(key, want);
      if (test === undefined) throw unknownParameter(key);
      return test;
    });
  const isWanted: Test =
    query['match'] === 'any' && tests.length > 0
      ? (record) => tests.some((test) => test(record))
      : (record) => tests.every((test) => test(record));
  const order = z.enum(['type', 'name', 'content', 'ttl', 'proxied']).catch('type').parse(query['order']);
  const sign = query['direction'] === 'desc' ? -1 : 1;
  return records
    .filter((record) => isWanted(record))
    .toSorted((left, right) => {
      const [a, b] = [left[order], right[order]];
      return (
        sign * (typeof a === 'number' && typeof b === 'number' ? a - b : String(a).localeCompare(String(b)))
      );
    });
};

const count = (max: number, otherwise: number) => z.coerce.number().int().min(1).max(max).catch(otherwise);

/** One page of a list: a page behind the last is empty and says how many there are. */
export const pageOf = <T>(
  items: readonly T[],
  query: Readonly<Record<string, string>>,
  perPage: { readonly default: number; readonly max: number },
): { readonly items: readonly T[]; readonly info: PageInfo } => {
  const page = count(Number.MAX_SAFE_INTEGER, 1).parse(query['page'] ?? 1);
  const size = count(perPage.max, perPage.default).parse(query['per_page'] ?? perPage.default);
  const shown = items.slice((page - 1) * size, page * size);
  return {
    items: shown,
    info: {
      page,
      per_page: size,
      count: shown.length,
      total_count: items.length,
      total_pages: Math.ceil(items.length / size),
    },
  };
};
