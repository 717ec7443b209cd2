import { monotonicMs, sleep } from '../../shared/clock.ts';
import { errnoOf } from '../../shared/errors.ts';
import type { Answer, Http } from '../../shared/http.ts';

/** How long a name whose server is being replaced is asked again. */
export interface Patience {
  readonly totalMs: number;
  readonly pauseMs: number;
}

/** For a look that people wait for. */
export const shortPatience: Patience = { totalMs: 5000, pauseMs: 250 };

/** What nginx answers while the server behind it is away, or has moved and its old address is still remembered. */
const gatewayStatuses: ReadonlySet<number> = new Set([502, 503, 504]);
/** What is met while nginx itself starts anew. */
const droppedErrnos: ReadonlySet<string> = new Set(['ECONNREFUSED', 'ECONNRESET']);

/**
 * What the issuer says of itself at its public name. Asked again while nginx, or Pocket ID behind it, may be starting: a
 * container that was replaced has another address, which nginx learns some seconds later. Any other answer counts at
 * once, and so does the last one when the patience is at its end. @throws what `http.call` throws
 */
export const readDiscovery = async (
  http: Pick<Http, 'call'>,
  issuer: string,
  { totalMs, pauseMs }: Patience,
  signal: AbortSignal,
): Promise<Answer> => {
  const untilMs = monotonicMs() + totalMs;
  const isOver = () => monotonicMs() + pauseMs > untilMs;
  for (;;) {
    try {
      const answer = await http.call('GET', `${issuer}/.well-known/openid-configuration`, { signal });
      if (!gatewayStatuses.has(answer.status) || isOver()) return answer;
    } catch (error) {
      if (!droppedErrnos.has(errnoOf(error) ?? '') || isOver()) throw error;
    }
    await sleep(pauseMs, signal);
  }
};
