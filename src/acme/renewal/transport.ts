import type * as z from 'zod';
import { nowMs } from '../../shared/clock.ts';
import { retryAfterMs, type Http } from '../../shared/http.ts';
import { compareClocks, directorySchema, problemOf, refused, unanswered, unfit } from '../wire.ts';

/*
 * The transport that acme-client 5.4.0 is given instead of its own.
 */

const callTimeoutMs = 20_000;
/** Where every second nonce is refused, twenty tries fail once in a million calls. */
const nonceTries = 20;

/** One connection: where to, by what, and until when. */
interface Line {
  readonly directory: string;
  readonly http: Http;
  readonly signal: AbortSignal;
}

interface WireAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly data: unknown;
}
/** The insides of acme-client that its types leave out: src/http.js and src/api.js. */
export interface Insides {
  readonly http: {
    maxBadNonceRetries: number;
    request: (url: string, method: string, options?: { readonly data?: unknown }) => Promise<WireAnswer>;
    getNonce: () => Promise<string>;
    signedRequest: (url: string, payload: unknown, options?: object) => Promise<WireAnswer>;
    getDirectory: () => Promise<Resources>;
  };
  readonly api: {
    accountUrl: string | null;
    readonly createAccount: (data: object) => Promise<WireAnswer>;
    readonly createOrder: (data: object) => Promise<WireAnswer>;
    readonly apiRequest: (url: string, payload: unknown) => Promise<WireAnswer>;
  };
}

/** The addresses that a directory names. */
export type Resources = z.output<typeof directorySchema>;

/** An answer of the authority in the form that was wanted. @throws {StackError} CA_REFUSED */
export const parsed = <T>(schema: z.ZodType<T>, data: unknown, url: string, wanted: string): T => {
  const result = schema.safeParse(data);
  if (!result.success) throw unfit(url, wanted, result.error);
  return result.data;
};

/**
 * Puts our own transport into a client: one deadline a call, typed refusals, nonces used again. Returns what reads the
 * directory.
 */
export const harden = (insides: Insides, { http, signal, directory }: Line): (() => Promise<Resources>) => {
  const nonces: string[] = [];
  const wire = insides.http;
  wire.request = async (url, method, options = {}) => {
    signal.throwIfAborted();
    const body = options.data === undefined ? {} : { body: JSON.stringify(options.data) };
    try {
      const answer = await http.call(method.toUpperCase(), url, {
        headers: { 'content-type': 'application/jose+json', 'user-agent': 'skylab-stack acme-client/5.4.0' },
        timeoutMs: callTimeoutMs,
        signal,
        ...body,
      });
      const headers = Object.fromEntries(
        Object.entries(answer.headers).map(([name, value]) => [name, String(value)]),
      );
      if (headers['replay-nonce'] !== undefined) nonces.push(headers['replay-nonce']);
      const isJson = (headers['content-type'] ?? '').includes('json');
      return { status: answer.status, headers, data: isJson ? answer.json() : answer.text };
    } catch (error) {
      signal.throwIfAborted();
      throw unanswered(url, error);
    }
  };
  wire.getNonce = async () => {
    const kept = nonces.pop();
    if (kept !== undefined) return kept;
    await wire.request((await getDirectory()).newNonce, 'head');
    const fresh = nonces.pop();
    if (fresh === undefined) throw unfit(directory, 'an ACME directory (it gives no nonce)');
    return fresh;
  };
  const refusal = (method: string, url: string, { status, headers, data }: WireAnswer) =>
    refused({
      authority: new URL(directory).host,
      asked: `${method} ${new URL(url).pathname}`,
      status,
      problem: problemOf(data),
      retryAfterMs: retryAfterMs(headers['retry-after'], nowMs()),
    });
  let resources: Resources | undefined;
  const getDirectory = async (): Promise<Resources> => {
    if (resources !== undefined) return resources;
    const answer = await wire.request(directory, 'get');
    if (answer.status >= 400) throw refusal('GET', directory, answer);
    compareClocks(directory, answer.headers['date'], nowMs());
    resources = parsed(directorySchema, answer.data, directory, 'an ACME directory');
    return resources;
  };
  wire.getDirectory = getDirectory;
  const signOnce = wire.signedRequest.bind(wire);
  wire.maxBadNonceRetries = 0;
  wire.signedRequest = async (url, payload, options) => {
    for (let tried = 1; ; tried += 1) {
      const answer = await signOnce(url, payload, options);
      if (answer.status < 400) return answer;
      const isBadNonce = problemOf(answer.data).type === 'badNonce';
      if (!isBadNonce || tried >= nonceTries) throw refusal('POST', url, answer);
    }
  };
  return getDirectory;
};
