import type { Call } from './service.ts';

interface ListRules<T> {
  /** Texts that `search` looks into; upper and lower case differ. */
  readonly searched: (item: T) => readonly (string | null)[];
  readonly sorted: readonly (keyof T & string)[];
  readonly filtered: readonly (keyof T & string)[];
}

interface Page<T> {
  readonly data: readonly T[];
  readonly pagination: {
    readonly totalPages: number;
    readonly totalItems: number;
    readonly currentPage: number;
    readonly itemsPerPage: number;
  };
}

const defaultItems = 20;
const maxItems = 100;

const compare = (left: unknown, right: unknown): number => {
  const [a, b] = [String(left), String(right)];
  if (a === b) return 0;
  return a < b ? -1 : 1;
};

/**
 * The page of a list that `search`, `filters[field]`, `sort[column]`, `sort[direction]`, `pagination[page]` and
 * `pagination[limit]` (20, at most 100) ask for. A page past the end is the last page.
 */
export const pageOf = <T>(call: Call, items: readonly T[], rules: ListRules<T>): Page<T> => {
  const search = call.req.query('search') ?? '';
  const matching = items.filter(
    (item) =>
      (search === '' || rules.searched(item).some((text) => text?.includes(search) === true)) &&
      rules.filtered.every((field) => {
        const wanted = call.req.queries(`filters[${field}]`) ?? [];
        return wanted.length === 0 || wanted.includes(String(item[field]));
      }),
  );
  const column = rules.sorted.find((field) => field === call.req.query('sort[column]'));
  const sign = call.req.query('sort[direction]')?.toLowerCase() === 'desc' ? -1 : 1;
  const ordered =
    column === undefined ? matching : matching.toSorted((a, b) => sign * compare(a[column], b[column]));
  const asked = Number.parseInt(call.req.query('pagination[limit]') ?? '', 10);
  const itemsPerPage = asked >= 1 ? Math.min(asked, maxItems) : defaultItems;
  const totalPages = Math.max(1, Math.ceil(ordered.length / itemsPerPage));
  const page = Number.parseInt(call.req.query('pagination[page]') ?? '', 10);
  const currentPage = Math.min(page >= 1 ? page : 1, totalPages);
  const start = (currentPage - 1) * itemsPerPage;
  return {
    data: ordered.slice(start, start + itemsPerPage),
    pagination: { totalPages, totalItems: ordered.length, currentPage, itemsPerPage },
  };
};
