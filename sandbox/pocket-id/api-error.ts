/** One refused field of a request body, as `details.fields` carries it. */
export interface FieldViolation {
  readonly field: string;
  readonly code: string;
  readonly message: string;
}

type ApiErrorDetails =
  | { readonly property: string }
  | { readonly fields: readonly FieldViolation[] }
  | undefined;

type ApiErrorStatus = 400 | 401 | 403 | 404 | 409 | 429 | 500;

/** An answer of the admin API that is not success: `{error, code, details?, request_id}` with a status. */
export class ApiError extends Error {
  override readonly name = 'ApiError';
  readonly status: ApiErrorStatus;
  readonly code: string;
  readonly details: ApiErrorDetails;
  readonly retryAfterSeconds: number | undefined;

  constructor(
    status: ApiErrorStatus,
    code: string,
    message: string,
    extra: { readonly details?: ApiErrorDetails; readonly retryAfterSeconds?: number } = {},
  ) {
    super(message);
    this.status = status;
    this.code = code;
    this.details = extra.details;
    this.retryAfterSeconds = extra.retryAfterSeconds;
  }
}

export const notSignedIn = (): ApiError => new ApiError(401, 'not_signed_in', 'You are not signed in');

export const notAnAdministrator = (): ApiError =>
  new ApiError(403, 'forbidden', 'This needs an administrator');

export const userDisabled = (): ApiError => new ApiError(403, 'user_disabled', 'User account is disabled');

export const apiKeyNotAllowed = (): ApiError =>
  new ApiError(403, 'api_key_auth_not_allowed', 'API key authentication is not allowed for this endpoint');

export const invalidBody = (): ApiError =>
  new ApiError(400, 'invalid_request_body', 'Request body is invalid');

export const invalidRequest = (message: string): ApiError => new ApiError(400, 'validation_failed', message);

export const invalidFields = (fields: readonly FieldViolation[]): ApiError => {
  const text = fields.map((each) => `${each.field} ${each.message}`).join(', ');
  return new ApiError(400, 'validation_failed', text.charAt(0).toUpperCase() + text.slice(1), {
    details: { fields },
  });
};

export const notFound = (): ApiError => new ApiError(404, 'not_found', 'Not found');

export const userNotFound = (): ApiError => new ApiError(404, 'user_not_found', 'User not found');

export const tokenInvalid = (): ApiError =>
  new ApiError(401, 'token_invalid_or_expired', 'Token is invalid or expired');

export const alreadyInUse = (property: string): ApiError =>
  new ApiError(
    409,
    'already_in_use',
    `${property.charAt(0).toUpperCase()}${property.slice(1)} is already in use`,
    { details: { property } },
  );

export const tooManyRequests = (retryAfterSeconds: number): ApiError =>
  new ApiError(429, 'rate_limited', 'Too many requests', { retryAfterSeconds });
