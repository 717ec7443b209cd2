import { lookup as systemLookup } from 'node:dns';
import { Agent as HttpAgent, request as httpRequest, type IncomingHttpHeaders } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import type { LookupFunction } from 'node:net';
import { createSecureContext } from 'node:tls';
import { within } from './clock.ts';
import { errnoOf } from './errors.ts';

/** One HTTP answer, read whole. A status of 400 and above is an answer too. */
export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
  /** The body as JSON; undefined where it is none. */
  readonly json: () => unknown;
}

export interface Call {
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  /** Default 15 s, for the whole call with its body. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
  /** Largest body that is read. Default 4 MiB. */
  readonly maxBytes?: number;
}

export interface Http {
  /**
   * Makes one call; redirects are not followed. One that met a connection which the server had just closed is sent again,
   * unless it is a POST or PATCH. @throws Node's network errors, TimeoutError, or the signal's reason
   */
  readonly call: (method: string, url: string, call?: Call) => Promise<Answer>;
  /** The same transport in the form that SDKs take. */
  readonly fetch: typeof globalThis.fetch;
  readonly lookup: LookupFunction;
  readonly close: () => void;
}

interface Options {
  /** The address to dial for a host name; undefined asks the system. */
  readonly addressOf?: (hostname: string) => string | undefined;
  /** PEM of the only CAs that are trusted; none: the system's. A function is asked at each https call. */
  readonly ca?: readonly string[] | (() => Promise<readonly string[]>);
}

const parsed = (text: string): unknown => {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
};

const lookupFor = (addressOf: Options['addressOf']): LookupFunction => {
  return (hostname, options, callback) => {
    const address = addressOf?.(hostname);
    if (address === undefined) {
      systemLookup(hostname, options, callback);
      return;
    }
    const family = address.includes(':') ? 6 : 4;
    if (options.all === true) callback(null, [{ address, family }]);
    else callback(null, address, family);
  };
};

/** Milliseconds that a Retry-After asks for: seconds, or a date. RFC 9110 section 10.2.3. */
export const retryAfterMs = (header: string | undefined, nowMs: number): number | undefined => {
  if (header === undefined) return undefined;
  if (/^\d+$/.test(header.trim())) return Number(header) * 1000;
  const at = Date.parse(header);
  return Number.isNaN(at) ? undefined : Math.max(0, at - nowMs);
};

/** Names under .localhost are this machine, whatever its resolver knows (RFC 6761 section 6.3); undefined for all others. */
export const loopbackOf = (name: string): string | undefined =>
  name === 'localhost' || name.endsWith('.localhost') ? '127.0.0.1' : undefined;

/** True for an address of this machine itself; names under .localhost are (RFC 6761 section 6.3). */
export const isOfThisMachine = (url: string): boolean => {
  const { hostname } = new URL(url);
  return loopbackOf(hostname) !== undefined || /^(127\.|\[::1\])/.test(hostname);
};

/**
 * With a time-out of its own an agent also obeys `Keep-Alive: timeout=` of a server, and lets an idle connection go before
 * the server does. A connection in use is not ended by it: that is what the time limit of a call is for.
 */
const keepAlive = { keepAlive: true, timeout: 60_000 } as const;

/** How a connection ends that the server closed while it was idle, just as we wrote to it. */
const closedErrnos: ReadonlySet<string> = new Set(['ECONNRESET', 'EPIPE']);
/** Doing these twice is doing them once (RFC 9110 section 9.2.2); of a POST nobody knows whether it was carried out. */
const idempotent: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE']);

/** An HTTP client with its own name look-up and trust, for this program's own calls. */
export const createHttp = (options: Options = {}): Http => {
  const lookup = lookupFor(options.addressOf);
  const { ca = [] } = options;
  const httpAgent = new HttpAgent({ ...keepAlive, lookup });
  // By trusted CAs: they are parsed once, not at each connection.
  const httpsAgents = new Map<string, HttpsAgent>();
  const httpsAgentOf = (trusted: readonly string[]): HttpsAgent => {
    const key = trusted.join('\n');
    const known = httpsAgents.get(key);
    if (known !== undefined) return known;
    const trust = trusted.length === 0 ? {} : { secureContext: createSecureContext({ ca: [...trusted] }) };
    const agent = new HttpsAgent({ ...keepAlive, lookup, ...trust });
    httpsAgents.set(key, agent);
    return agent;
  };

  const call: Http['call'] = async (method, url, details = {}) => {
    const target = new URL(url);
    const maxBytes = details.maxBytes ?? 4 * 1024 * 1024;
    const body = details.body === undefined ? undefined : Buffer.from(details.body);
    const headers = {
      ...details.headers,
      ...(body === undefined ? {} : { 'content-length': String(body.length) }),
    };
    const isHttps = target.protocol === 'https:';
    const agent = isHttps ? httpsAgentOf(typeof ca === 'function' ? await ca() : ca) : httpAgent;
    return within(
      details.signal,
      details.timeoutMs ?? 15_000,
      async (signal) =>
        new Promise<Answer>((resolve, reject) => {
          const begin = isHttps ? httpsRequest : httpRequest;
          const failed = (error: Error) => {
            reject(signal.aborted ? (signal.reason as Error) : error);
          };
          const send = () => {
            let hasBegun = false;
            const request = begin(target, { method, headers, agent, signal }, (response) => {
              hasBegun = true;
              const chunks: Buffer[] = [];
              let size = 0;
              response.on('data', (chunk: Buffer) => {
                size += chunk.length;
                if (size > maxBytes)
                  response.destroy(
                    new Error(`the answer of ${target.host} is larger than ${maxBytes} bytes`),
                  );
                else chunks.push(chunk);
              });
              response.on('error', failed);
              response.on('end', () => {
                const text = Buffer.concat(chunks).toString('utf8');
                resolve({
                  status: response.statusCode ?? 0,
                  headers: response.headers,
                  text,
                  json: () => parsed(text),
                });
              });
            });
            request.on('error', (error) => {
              const wasIdle = request.reusedSocket && !hasBegun && closedErrnos.has(errnoOf(error) ?? '');
              if (wasIdle && idempotent.has(method)) send();
              else failed(error);
            });
            request.end(body);
          };
          send();
        }),
    );
  };

  const fetchLike = async (input: string | URL | Request, init?: RequestInit): Promise<Response> => {
    const request = new Request(input, init);
    const text = request.body === null ? undefined : await request.text();
    const answer = await call(request.method, request.url, {
      headers: Object.fromEntries(request.headers),
      signal: request.signal,
      timeoutMs: 30_000,
      ...(text === undefined ? {} : { body: text }),
    });
    const headers = new Headers();
    for (const [name, value] of Object.entries(answer.headers)) {
      for (const one of Array.isArray(value) ? value : [value ?? '']) headers.append(name, one);
    }
    const hasBody = ![204, 205, 304].includes(answer.status);
    return new Response(hasBody ? answer.text : null, { status: answer.status, headers });
  };

  return {
    call,
    fetch: fetchLike,
    lookup,
    close() {
      httpAgent.destroy();
      for (const agent of httpsAgents.values()) agent.destroy();
    },
  };
};
