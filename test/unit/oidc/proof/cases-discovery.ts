import { changeJson, type Lie } from '../support/liar.ts';
import { issuer, type Case } from './cases.ts';

const configuration = '/.well-known/openid-configuration';

const metadata = (change: Record<string, unknown>): readonly Lie[] => [
  changeJson(configuration, (json) => ({ ...json, ...change })),
];
const publishing = (change: Record<string, unknown>): readonly Lie[] => [
  changeJson('/.well-known/jwks.json', (json) => ({
    keys: (json['keys'] as Record<string, unknown>[]).map((key) => ({ ...key, ...change })),
  })),
];
export const discovery: readonly Case[] = [
  {
    how: 'discovery is away',
    noticedBy: ['oidc.discovery'],
    lies: [
      (request, answer) =>
        request.url.endsWith(configuration) ? new Response('bad gateway', { status: 502 }) : answer,
    ],
  },
  {
    how: 'discovery is a web page',
    noticedBy: ['oidc.discovery'],
    lies: [(request, answer) => (request.url.endsWith(configuration) ? new Response('<html>') : answer)],
  },
  {
    how: 'the issuer has a slash at its end',
    noticedBy: ['oidc.issuer', 'oidc.token'],
    lies: metadata({ issuer: `${issuer}/` }),
  },
  {
    how: 'the issuer is another one',
    noticedBy: ['oidc.issuer', 'oidc.client'],
    lies: metadata({ issuer: 'https://elsewhere.test' }),
  },
  {
    how: 'an endpoint is at another host',
    noticedBy: ['oidc.endpoints'],
    lies: metadata({ userinfo_endpoint: 'https://elsewhere.test/api/oidc/userinfo' }),
  },
  { how: 'discovery has a new key', noticedBy: ['oidc.discovery-keys'], lies: metadata({ surprise: true }) },
  {
    how: 'discovery lacks a key',
    noticedBy: ['oidc.discovery-keys'],
    lies: [changeJson(configuration, ({ service_documentation: _gone, ...json }) => json)],
  },
  {
    how: 'public clients are not offered',
    noticedBy: ['oidc.offers'],
    lies: metadata({ token_endpoint_auth_methods_supported: ['client_secret_basic'] }),
  },
  {
    how: 'PKCE is offered as plain alone',
    noticedBy: ['oidc.pkce'],
    lies: metadata({ code_challenge_methods_supported: ['plain'] }),
  },
  {
    how: 'answers need not say who gives them',
    noticedBy: ['oidc.iss'],
    lies: metadata({ authorization_response_iss_parameter_supported: false }),
  },
  {
    how: 'there is no key',
    noticedBy: ['oidc.jwks', 'oidc.openid-client', 'mesh.token'],
    lies: [changeJson('/.well-known/jwks.json', () => ({ keys: [] }))],
  },
  {
    how: 'the key is not for RS256',
    noticedBy: ['oidc.jwks', 'oidc.openid-client', 'mesh.token'],
    lies: publishing({ alg: 'RS512' }),
  },
  {
    how: 'the key is too short',
    noticedBy: ['oidc.jwks', 'oidc.openid-client', 'mesh.token'],
    lies: publishing({ n: Buffer.alloc(128, 7).toString('base64url') }),
  },
  {
    how: 'the private key is published',
    noticedBy: ['oidc.jwks', 'oidc.openid-client', 'mesh.token'],
    lies: publishing({ d: 'AQAB' }),
  },
];
