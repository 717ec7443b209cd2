import { changeJson, changeLanding, neverRefuse, type Lie } from '../support/liar.ts';
import { callback, withQuery, type Case } from './cases.ts';

const gotCode = (landing: URL): boolean => landing.searchParams.has('code');
export const signingIn: readonly Case[] = [
  {
    how: 'a user outside the group gets a code',
    noticedBy: ['oidc.outsider'],
    lies: [
      changeLanding(
        (query, landing) =>
          landing.pathname === '/interaction/error' && query.get('redirect_uri') === callback,
        () => `${callback}?code=given&state=any`,
      ),
    ],
  },
  {
    how: 'a user outside the group is asked for consent',
    noticedBy: ['oidc.outsider'],
    lies: [
      changeLanding(
        (query, landing) =>
          landing.pathname === '/interaction/error' && query.get('redirect_uri') === callback,
        () => '/interaction?interaction=1',
      ),
    ],
  },
  {
    how: 'a change of groups is taken and forgotten',
    noticedBy: ['oidc.joins'],
    change: (ports) => ({
      ...ports,
      pocketId: { ...ports.pocketId, setGroupsOfUser: async () => undefined },
    }),
  },
  {
    how: 'a member is asked for consent',
    noticedBy: ['oidc.authorize'],
    lies: [
      changeLanding(
        (_query, landing) => gotCode(landing),
        () => '/interaction?interaction=1',
      ),
    ],
  },
  {
    how: 'the code is sent to another path',
    noticedBy: ['oidc.authorize'],
    lies: [
      changeLanding(
        (_query, landing) => gotCode(landing),
        (landing) => landing.href.replace('/auth/callback', '/auth/elsewhere'),
      ),
    ],
  },
  {
    how: 'the state comes back changed',
    noticedBy: ['oidc.authorize'],
    lies: [
      changeLanding(
        (_query, landing) => gotCode(landing),
        (landing) => withQuery(landing, { state: 'another' }),
      ),
    ],
  },
  {
    how: 'the answer does not say who gives it',
    noticedBy: ['oidc.authorize'],
    lies: [
      changeLanding(
        (_query, landing) => gotCode(landing),
        (landing) => withQuery(landing, { iss: null }),
      ),
    ],
  },
  {
    how: 'the token endpoint fails',
    noticedBy: ['oidc.token'],
    lies: [
      (request, answer) =>
        request.url.endsWith('/api/oidc/token') && answer.ok
          ? Response.json({ error: 'server_error' }, { status: 500 })
          : answer,
    ],
  },
  {
    how: 'there is no ID token',
    noticedBy: ['oidc.token'],
    lies: [changeJson('/api/oidc/token', ({ id_token: _gone, ...json }) => json)],
  },
  {
    how: 'the ID token is no JWT',
    noticedBy: ['oidc.token'],
    lies: [changeJson('/api/oidc/token', (json) => ({ ...json, id_token: 'opaque' }))],
  },
];

/** Remembers which codes became tokens. */
function codesUsed(): { readonly lie: Lie; readonly has: (code: string) => boolean } {
  const used = new Set<string>();
  return {
    has: (code) => used.has(code),
    async lie(request, answer) {
      if (!request.url.endsWith('/api/oidc/token') || !answer.ok) return answer;
      used.add(new URLSearchParams(await request.text()).get('code') ?? '');
      return answer;
    },
  };
}

function wrongVerifierIsTaken(): Lie {
  const used = codesUsed();
  const taken = neverRefuse((form) => !used.has(form.get('code') ?? ''));
  return async (request, answer) => taken(request.clone(), await used.lie(request, answer));
}

function usedCodeIsTaken(): Lie {
  const used = codesUsed();
  const taken = neverRefuse((form) => used.has(form.get('code') ?? ''));
  return async (request, answer) => taken(request.clone(), await used.lie(request, answer));
}

export const refusals: readonly Case[] = [
  {
    how: 'any verifier is taken',
    noticedBy: ['oidc.wrong-verifier'],
    lies: [wrongVerifierIsTaken()],
  },
  {
    how: 'codes go to any address',
    noticedBy: ['oidc.foreign-redirect'],
    lies: [
      changeLanding(
        (query) => query.get('redirect_uri') !== callback,
        () => 'https://skylab-canary.invalid/auth/callback?code=given',
      ),
    ],
  },
  {
    how: 'an error is sent to a foreign address',
    noticedBy: ['oidc.foreign-redirect'],
    lies: [
      changeLanding(
        (query) => query.get('redirect_uri') !== callback,
        () => 'https://skylab-canary.invalid/auth/callback?error=invalid_request',
      ),
    ],
  },
  {
    how: 'PKCE may be left out',
    noticedBy: ['oidc.pkce-required'],
    lies: [
      changeLanding(
        (query) => !query.has('code_challenge'),
        (landing) => withQuery(landing, { error: null, error_description: null, code: 'given' }),
      ),
    ],
  },
  {
    how: 'a code is good for more than once',
    noticedBy: ['oidc.code-reuse'],
    lies: [usedCodeIsTaken()],
  },
];
