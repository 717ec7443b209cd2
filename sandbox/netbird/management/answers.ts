/** One answer of the REST API, whatever carried the request. */
export interface Answer {
  readonly status: number;
  readonly contentType: string;
  readonly body: string;
}

const jsonType = 'application/json; charset=UTF-8';

/** 200 with a document, ended by a line feed as Go's JSON encoder does. */
export const json = (value: unknown, contentType = jsonType): Answer => ({
  status: 200,
  contentType,
  body: `${JSON.stringify(value)}\n`,
});

/** 200 `{}`: what every deletion answers. */
export const done = (): Answer => json({});

export const pageNotFound: Answer = {
  status: 404,
  contentType: 'text/plain; charset=utf-8',
  body: '404 page not found\n',
};

/** A refusal that the caller sees as `{"message":…,"code":…}`. */
export class ApiError extends Error {
  override readonly name = 'ApiError';
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

/** The refusal with the real server's habit: its texts reach the caller in lower case. */
export const refusal = (status: number, message: string): ApiError =>
  new ApiError(status, message.toLowerCase());

export const notFound = (what: string, id: string): ApiError => refusal(404, `${what}: ${id} not found`);

export const invalid = (message: string): ApiError => refusal(422, message);

export const permissionDenied = (): ApiError => refusal(403, 'permission denied');

export const answerOf = (error: ApiError): Answer => ({
  status: error.status,
  contentType: jsonType,
  body: `${JSON.stringify({ message: error.message, code: error.status })}\n`,
});
