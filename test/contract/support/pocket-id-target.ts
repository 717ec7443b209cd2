import { startPostgres, whyNoPostgres } from '../../support/postgres.ts';
import { standInKey, startStandIn } from './pocket-id-stand-in.ts';
import type { Target } from './pocket-id-replay.ts';

export interface OpenTarget extends Target {
  readonly kind: 'stand-in' | 'real server';
  /** As its discovery document says. */
  readonly issuer: string;
  close(): Promise<void>;
}

const realUrl = process.env['SKYLAB_CONTRACT_POCKET_ID_URL'];

/** Why the suite cannot run, `undefined` when it can. */
export const whyNoTarget = (): string | undefined => (realUrl === undefined ? whyNoPostgres() : undefined);

const issuerOf = async (base: string): Promise<string> => {
  const response = await fetch(`${base}/.well-known/openid-configuration`);
  return ((await response.json()) as { readonly issuer: string }).issuer;
};

/** A stand-in says so on every page. */
const kindOf = async (base: string): Promise<OpenTarget['kind']> => {
  const page = await (await fetch(`${base}/`)).text();
  return page.includes('stand-in for Pocket ID') ? 'stand-in' : 'real server';
};

/**
 * The server that the recordings are replayed against: the one at SKYLAB_CONTRACT_POCKET_ID_URL (with its static key
 * in SKYLAB_CONTRACT_POCKET_ID_KEY), else a stand-in in this process.
 * A real server must be new (no user yet), have an https APP_URL, UI_CONFIG_DISABLED unset, TRUST_PROXY=true, and be
 * dialled past the reverse proxy, which hides the set-up pages.
 */
export const openTarget = async (): Promise<OpenTarget> => {
  if (realUrl !== undefined) {
    const base = realUrl.replace(/\/+$/, '');
    const apiKey = process.env['SKYLAB_CONTRACT_POCKET_ID_KEY'] ?? '';
    return {
      kind: await kindOf(base),
      base,
      apiKey,
      issuer: await issuerOf(base),
      close: async () => undefined,
    };
  }
  const postgres = await startPostgres();
  const { base, pocketId } = await startStandIn(postgres.url);
  return {
    kind: 'stand-in',
    base,
    apiKey: standInKey,
    issuer: await issuerOf(base),
    close: async () => {
      await pocketId.close();
      await postgres.stop();
    },
  };
};
