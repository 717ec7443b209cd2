/**
 * Error codes of the OAuth endpoints with the status and the sentence that every answer with that code begins with
 * (RFC 6749 §4.1.2.1 and §5.2, RFC 8628 §3.5; the texts as the recordings have them).
 */
const kinds = {
  access_denied: {
    status: 403,
    text: 'The resource owner or authorization server denied the request.',
  },
  authorization_pending: {
    status: 400,
    text: "The authorization request is still pending as the end user hasn't yet completed the user-interaction steps.",
  },
  consent_required: { status: 400, text: 'The Authorization Server requires End-User consent.' },
  expired_token: { status: 400, text: 'The device code has expired.' },
  insufficient_entropy: { status: 400, text: 'A security parameter of the request is too short.' },
  invalid_client: {
    status: 401,
    text: 'Client authentication failed (e.g., unknown client, no client authentication included, or unsupported authentication method).',
  },
  invalid_grant: {
    status: 400,
    text: 'The provided authorization grant (e.g., authorization code, resource owner credentials) or refresh token is invalid, expired, revoked, does not match the redirection URI used in the authorization request, or was issued to another client.',
  },
  invalid_request: {
    status: 400,
    text: 'The request is missing a required parameter, includes an invalid parameter value, includes a parameter more than once, or is otherwise malformed.',
  },
  invalid_state: {
    status: 400,
    text: 'The state is missing or does not have enough characters and is therefore considered too weak.',
  },
  login_required: {
    status: 400,
    text: 'The Authorization Server requires End-User authentication.',
  },
  request_unauthorized: { status: 401, text: 'The request could not be authorized.' },
  server_error: { status: 500, text: 'The authorization server could not fulfil the request.' },
  unsupported_grant_type: { status: 400, text: 'The grant type is not supported.' },
  unsupported_response_mode: { status: 400, text: 'The response mode is not supported.' },
  unsupported_response_type: {
    status: 400,
    text: 'The authorization server does not support obtaining a token using this method.',
  },
} as const satisfies Record<string, { readonly status: 400 | 401 | 403 | 500; readonly text: string }>;

type OAuthErrorCode = keyof typeof kinds;

/** A refusal by an OAuth endpoint: `{error, error_description}`; `hint` is what went wrong this time. */
export class OAuthError extends Error {
  override readonly name = 'OAuthError';
  readonly code: OAuthErrorCode;
  readonly hint: string;
  readonly status: (typeof kinds)[OAuthErrorCode]['status'];

  constructor(code: OAuthErrorCode, hint = '') {
    super(hint === '' ? kinds[code].text : `${kinds[code].text} ${hint}`);
    this.code = code;
    this.hint = hint;
    this.status = kinds[code].status;
  }
}
