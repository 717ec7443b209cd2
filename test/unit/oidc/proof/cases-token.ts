import type { MeshProbe, ProofPorts } from '../../../../src/oidc/proof/ports.ts';
import { changeClaims, changeJson, type Lie } from '../support/liar.ts';
import { issuer, type Case } from './cases.ts';

const now = (): number => Math.floor(Date.now() / 1000);
const claims = (change: Record<string, unknown>): readonly Lie[] =>
  changeClaims((before) => ({ ...before, ...change }));
const mesh = (change: (probe: MeshProbe) => Partial<MeshProbe>) => (ports: ProofPorts) => ({
  ...ports,
  mesh: { ...ports.mesh, ...change(ports.mesh) },
});

export const tokens: readonly Case[] = [
  {
    how: 'the answer does not say what kind its token is',
    noticedBy: ['oidc.openid-client'],
    lies: [changeJson('/api/oidc/token', ({ token_type: _gone, ...json }) => json)],
  },
  {
    how: 'the ID token is signed by a key that is not published',
    noticedBy: ['oidc.openid-client', 'oidc.signature', 'mesh.token'],
    lies: changeClaims((before) => before).slice(1),
  },
  {
    how: 'the ID token is not signed at all',
    noticedBy: ['oidc.openid-client', 'oidc.signature', 'mesh.token'],
    lies: [
      changeJson('/api/oidc/token', (json) => {
        const [, body] = String(json['id_token']).split('.');
        const none = Buffer.from('{"alg":"none"}').toString('base64url');
        return { ...json, id_token: `${none}.${body ?? ''}.` };
      }),
    ],
  },
  {
    how: 'the ID token names another issuer',
    noticedBy: ['oidc.openid-client', 'oidc.token-issuer'],
    lies: claims({ iss: `${issuer}/` }),
  },
  {
    how: 'the ID token is for someone else as well',
    noticedBy: ['oidc.openid-client', 'oidc.audience'],
    lies: claims({ aud: ['netbird', 'another'] }),
  },
  {
    how: 'the ID token is for another client',
    noticedBy: ['oidc.openid-client', 'oidc.audience', 'mesh.token'],
    lies: claims({ aud: ['another'] }),
  },
  {
    how: 'the ID token is about another user',
    noticedBy: ['oidc.subject', 'mesh.token'],
    lies: claims({ sub: 'somebody-else' }),
  },
  {
    how: 'the nonce is that of another sign-in',
    noticedBy: ['oidc.openid-client', 'oidc.nonce'],
    lies: claims({ nonce: 'another-nonce' }),
  },
  {
    how: 'there is no nonce',
    noticedBy: ['oidc.openid-client', 'oidc.nonce'],
    lies: claims({ nonce: undefined }),
  },
  {
    how: 'the ID token was issued an hour ago',
    noticedBy: ['oidc.times'],
    lies: claims({ iat: now() - 3600 }),
  },
  {
    how: 'the user signed in yesterday',
    noticedBy: ['oidc.times'],
    lies: claims({ auth_time: now() - 86_400 }),
  },
  {
    how: 'the ID token has ended',
    noticedBy: ['oidc.openid-client', 'oidc.times', 'mesh.token'],
    lies: claims({ exp: now() - 300 }),
  },
  {
    how: 'the ID token lives for a month',
    noticedBy: ['oidc.times'],
    lies: claims({ exp: now() + 2_600_000 }),
  },
  { how: 'the group is not in the token', noticedBy: ['oidc.groups'], lies: claims({ groups: [] }) },
  { how: 'there is no claim groups', noticedBy: ['oidc.groups'], lies: claims({ groups: undefined }) },
  {
    how: 'the ID token belongs to another access token',
    noticedBy: ['oidc.at-hash'],
    lies: claims({ at_hash: 'AAAAAAAAAAAAAAAAAAAAAA' }),
  },
];

export const afterwards: readonly Case[] = [
  {
    how: 'NetBird takes no token',
    noticedBy: ['mesh.token'],
    change: mesh(() => ({ currentUser: async () => ({ status: 401, id: undefined }) })),
  },
  {
    how: 'NetBird takes the token for somebody else',
    noticedBy: ['mesh.token'],
    change: mesh((probe) => ({
      currentUser: async (token, signal) => ({ ...(await probe.currentUser(token, signal)), id: 'other' }),
    })),
  },
  {
    how: 'NetBird does not look at signatures',
    noticedBy: ['mesh.altered-token'],
    change: mesh((probe) => ({
      currentUser: async (token, signal) => ({ ...(await probe.currentUser(token, signal)), status: 200 }),
    })),
  },
  {
    how: 'NetBird fails at an altered token',
    noticedBy: ['mesh.altered-token'],
    change: mesh((probe) => ({
      async currentUser(token, signal) {
        const answer = await probe.currentUser(token, signal);
        return answer.status === 401 ? { ...answer, status: 500 } : answer;
      },
    })),
  },
];
