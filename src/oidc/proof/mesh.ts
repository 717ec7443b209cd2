import type { Effects } from '../../orchestrator/effects.ts';
import { broken, type Checks, type Result, type Rule } from './checks.ts';
import type { MeshProbe } from './ports.ts';
import type { Tokens } from './token.ts';

const rules = {
  accepts: {
    id: 'mesh.token',
    title: "NetBird's API takes the ID token",
    fix: 'npm run -s logs -- --service netbird-management says why; the issuer and audience in management.json must be those above',
  },
  refuses: {
    id: 'mesh.altered-token',
    title: "NetBird's API refuses an altered ID token",
    fix: 'NetBird does not look at signatures: stop it (npm run down) and look at its version and settings',
  },
} as const satisfies Record<string, Rule>;

/** The token with one character in the middle of its signature changed; the last one has bits that do not count. */
const altered = (token: string): string => {
  const at = Math.floor((token.lastIndexOf('.') + token.length) / 2);
  return `${token.slice(0, at)}${token[at] === 'A' ? 'B' : 'A'}${token.slice(at + 1)}`;
};

/** Shows the ID token to NetBird, which makes the canary a user there; then one that was tampered with. */
export const checkMesh = async (
  { check }: Checks,
  mesh: MeshProbe,
  tokens: Result<Tokens>,
  canaryId: string,
  effects: Effects,
  signal: AbortSignal,
): Promise<void> => {
  const ask = async (token: string) =>
    effects.perform('http', 'GET /api/users/current', async () => mesh.currentUser(token, signal));
  const accepted = await check(rules.accepts, tokens, async ({ idToken }) => {
    const { status, id } = await ask(idToken);
    if (status !== 200) return broken(`answered ${status}, wanted 200`);
    return id === canaryId
      ? { seen: 'the user it says', value: idToken }
      : broken(`answered for the user ${id ?? 'without an id'}, wanted ${canaryId}`);
  });
  await check(rules.refuses, accepted, async (idToken) => {
    const { status } = await ask(altered(idToken));
    return status === 401 ? { seen: '401', value: undefined } : broken(`answered ${status}, wanted 401`);
  });
};
