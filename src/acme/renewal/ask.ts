import * as z from 'zod';
import { nowMs } from '../../shared/clock.ts';
import { retryAfterMs, type Http } from '../../shared/http.ts';
import { certificateId } from './certificate-id.ts';
import type { Answer } from './schedule.ts';

/*
 * Asks an authority when it wants a certificate to be renewed: ARI, RFC 9773. Whatever goes wrong is an answer too; a
 * certificate is renewed by its age then.
 */

const callTimeoutMs = 10_000;

const directorySchema = z.object({ renewalInfo: z.url().optional() });
const instant = z.iso.datetime({ offset: true }).transform((text) => Date.parse(text));
/** RFC 9773 section 4.2. */
const infoSchema = z.object({
  suggestedWindow: z.object({ start: instant, end: instant }),
  explanationURL: z.url().optional().catch(undefined),
});

interface Asked {
  readonly directory: string;
  readonly chainPem: string;
  readonly http: Http;
  readonly signal: AbortSignal;
}

/** Throws only when aborted. */
export const askWhenToRenew = async ({ directory, chainPem, http, signal }: Asked): Promise<Answer> => {
  const get = async (url: string) => {
    const { status, headers, json } = await http.call('GET', url, { signal, timeoutMs: callTimeoutMs });
    const pauseMs = retryAfterMs(headers['retry-after'], nowMs());
    const isSilent = status === 429 || status >= 500;
    return { isSilent, body: status === 200 ? json() : undefined, pause: { retryAfterMs: pauseMs } };
  };
  try {
    const resources = await get(directory);
    const { renewalInfo } = directorySchema.safeParse(resources.body).data ?? {};
    if (resources.isSilent || resources.body === undefined) return { heard: false, ...resources.pause };
    const id = renewalInfo === undefined ? undefined : await certificateId(chainPem);
    if (renewalInfo === undefined || id === undefined) return { heard: true };
    const { isSilent, body, pause } = await get(`${renewalInfo.replace(/\/$/, '')}/${id}`);
    if (isSilent) return { heard: false, ...pause };
    const info = infoSchema.safeParse(body).data;
    if (info === undefined) return { heard: true, ...pause };
    const { start: startMs, end: endMs } = info.suggestedWindow;
    return { heard: true, window: { startMs, endMs }, explanation: info.explanationURL, ...pause };
  } catch {
    signal.throwIfAborted();
    return { heard: false };
  }
};
