import { json } from './answer.ts';
import type { App, Service } from './service.ts';

/** OpenID Connect Discovery 1.0 §3, RFC 8414 §2: exactly the keys of the real server. */
const metadata = (service: Service) => {
  const { appUrl, internalAppUrl } = service.options;
  return {
    authorization_endpoint: `${appUrl}/authorize`,
    authorization_response_iss_parameter_supported: true,
    claims_supported: [
      'sub',
      'given_name',
      'family_name',
      'name',
      'display_name',
      'email',
      'email_verified',
      'preferred_username',
      'picture',
      'groups',
      'auth_time',
      'amr',
    ],
    client_id_metadata_document_supported: false,
    code_challenge_methods_supported: ['plain', 'S256'],
    device_authorization_endpoint: `${appUrl}/api/oidc/device/authorize`,
    end_session_endpoint: `${appUrl}/api/oidc/end-session`,
    grant_types_supported: [
      'authorization_code',
      'refresh_token',
      'urn:ietf:params:oauth:grant-type:device_code',
      'client_credentials',
    ],
    id_token_signing_alg_values_supported: ['RS256'],
    introspection_endpoint: `${internalAppUrl}/api/oidc/introspect`,
    introspection_endpoint_auth_methods_supported: ['client_secret_basic', 'Bearer'],
    issuer: appUrl,
    jwks_uri: `${internalAppUrl}/.well-known/jwks.json`,
    prompt_values_supported: ['none', 'login', 'consent', 'select_account'],
    pushed_authorization_request_endpoint: `${internalAppUrl}/api/oidc/par`,
    request_object_signing_alg_values_supported: ['none'],
    request_parameter_supported: true,
    request_uri_parameter_supported: false,
    require_pushed_authorization_requests: false,
    response_modes_supported: ['query', 'fragment', 'form_post'],
    response_types_supported: ['code'],
    scopes_supported: ['openid', 'profile', 'email', 'groups', 'offline_access'],
    service_documentation: 'https://pocket-id.org/docs',
    subject_types_supported: ['public'],
    token_endpoint: `${internalAppUrl}/api/oidc/token`,
    token_endpoint_auth_methods_supported: ['client_secret_basic', 'client_secret_post', 'none'],
    userinfo_endpoint: `${internalAppUrl}/api/oidc/userinfo`,
  };
};

export const addDiscoveryRoutes = (app: App, service: Service): void => {
  const document = metadata(service);
  app.get('/.well-known/openid-configuration', (call) => json(call, document));
  app.get('/.well-known/oauth-authorization-server', (call) => json(call, document));
  app.get('/.well-known/jwks.json', (call) => json(call, { keys: [service.signingKey.publicJwk] }));
};
