import { broken, type Checks, type Result, type Rule } from './checks.ts';
import { codeFor, describe, isAt, isRedirect, type Landing, type Login } from './flow.ts';
import type { SignedIn, Tokens } from './token.ts';

const serious =
  'Pocket ID lets in what it must not: stop it (npm run down) and look at its version and settings';

const rules = {
  verifier: { id: 'oidc.wrong-verifier', title: 'a code with the wrong verifier is refused', fix: serious },
  reuse: { id: 'oidc.code-reuse', title: 'a code that was used is refused', fix: serious },
  foreign: { id: 'oidc.foreign-redirect', title: 'no code is sent to a foreign address', fix: serious },
  noPkce: { id: 'oidc.pkce-required', title: 'without PKCE there is no code', fix: serious },
} as const satisfies Record<string, Rule>;

/** RFC 2606: nobody can ever have this name. */
const foreignAddress = 'https://skylab-canary.invalid/auth/callback';

const wantInvalidGrant = (answer: { readonly status: number; readonly error: string | undefined }) => {
  const seen = `${answer.status} ${answer.error ?? 'without an error'}`;
  return answer.status === 400 && answer.error === 'invalid_grant'
    ? { seen, value: undefined }
    : broken(`${seen}, wanted 400 invalid_grant`);
};

const wantRefusalAt = (landing: Landing, address: string) => {
  const query = landing.location?.searchParams;
  return isRedirect(landing) && isAt(landing, address) && query?.has('error') === true && !query.has('code')
    ? { seen: describe(landing), value: undefined }
    : broken(`${describe(landing)}; wanted a redirect to ${address} with an error and without a code`);
};

/**
 * What must not work. Each needs the sign-in that worked: only then is a refusal the server's will, not its failure.
 */
export const checkRefusals = async (
  { check }: Checks,
  signedIn: Result<readonly [Login, SignedIn]>,
  issuer: string,
): Promise<void> => {
  await check(rules.verifier, signedIn, async ([login]) => {
    const attempt = await login.begin();
    const { code } = await codeFor(login, attempt, issuer);
    const other = await login.begin();
    return wantInvalidGrant(await login.redeem(attempt, code, other.verifier));
  });
  await check(rules.foreign, signedIn, async ([login]) => {
    const { url } = await login.begin();
    url.searchParams.set('redirect_uri', foreignAddress);
    return wantRefusalAt(await login.authorize(url), `${issuer}/interaction/error`);
  });
  await check(rules.noPkce, signedIn, async ([login]) => {
    const { url, redirectUri } = await login.begin();
    url.searchParams.delete('code_challenge');
    url.searchParams.delete('code_challenge_method');
    return wantRefusalAt(await login.authorize(url), redirectUri);
  });
};

/** The code that became tokens, once more. Comes last: the server ends what was issued for it. */
export const checkReuse = async (
  { check }: Checks,
  used: Result<readonly [Login, Tokens]>,
): Promise<void> => {
  await check(rules.reuse, used, async ([login, { attempt, code }]) =>
    wantInvalidGrant(await login.redeem(attempt, code, attempt.verifier)),
  );
};
