/** One entry of `errors` in an answer of the API. */
export interface ApiErrorEntry {
  readonly code: number;
  readonly message: string;
  readonly error_chain?: readonly { readonly code: number; readonly message: string }[];
}

/** Where a page of a list stands, as the API says it in `result_info`. */
export interface PageInfo {
  readonly page: number;
  readonly per_page: number;
  readonly count: number;
  readonly total_count: number;
  readonly total_pages: number;
}

/** A refusal: the HTTP status and the entry that goes into the envelope. */
export class ApiRefusal extends Error {
  readonly status: 400 | 401 | 403 | 404;
  readonly entry: ApiErrorEntry;

  constructor(status: 400 | 401 | 403 | 404, entry: ApiErrorEntry) {
    super(`${status} ${entry.code} ${entry.message}`);
    this.name = 'ApiRefusal';
    this.status = status;
    this.entry = entry;
  }
}

/** The envelope of a call that went well. */
export const succeeded = (
  result: unknown,
  more: { readonly messages?: readonly unknown[]; readonly result_info?: PageInfo } = {},
) => ({
  result,
  success: true,
  errors: [],
  messages: more.messages ?? [],
  ...(more.result_info === undefined ? {} : { result_info: more.result_info }),
});

/** The envelope of a call that was refused. */
export const failed = (entry: ApiErrorEntry) => ({
  result: null,
  success: false,
  errors: [entry],
  messages: [],
});
