import type { IncomingMessage } from 'node:http';

import type { Context, Hono } from 'hono';

import type { OpaqueTokens } from './opaque-token.ts';
import type { PocketIdOptions } from './options.ts';
import type { RateLimiter } from './rate-limit.ts';
import type { SigningKey } from './signing-key.ts';
import type { Store } from './store.ts';

/** What every route works with. */
export interface Service {
  readonly options: PocketIdOptions;
  readonly store: Store;
  readonly signingKey: SigningKey;
  readonly opaqueTokens: OpaqueTokens;
  readonly takeCall: RateLimiter;
  /** Milliseconds since 1970. */
  readonly now: () => number;
}

export interface Env {
  readonly Bindings: { readonly incoming?: IncomingMessage };
  readonly Variables: { readonly requestId: string };
}

export type App = Hono<Env>;
export type Call = Context<Env>;

export const nowS = (service: Service): number => Math.floor(service.now() / 1000);

export const nowText = (service: Service): string => new Date(service.now()).toISOString();
