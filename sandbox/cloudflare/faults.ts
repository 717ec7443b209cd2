import * as z from 'zod';
import { monotonicMs } from '../../src/shared/clock.ts';

const httpFault = z.strictObject({
  /** Left out: any method. */
  method: z.string().exactOptional(),
  /** Regular expression on path and query; left out: any. */
  path: z.string().exactOptional(),
  /** Which of the requests that fit, counted from 1 since the fault was set; left out: all of them. */
  requests: z.array(z.int().min(1)).exactOptional(),
  answer: z.discriminatedUnion('kind', [
    /** 429; `retryAfter` goes into the header as it is: seconds or an HTTP date. */
    z.strictObject({ kind: z.literal('rate-limited'), retryAfter: z.string().exactOptional() }),
    /** An error envelope with this status and code. */
    z.strictObject({
      kind: z.literal('error'),
      status: z.int().min(400).max(599),
      code: z.int(),
      message: z.string(),
    }),
    /** The page that Cloudflare's edge shows instead of an answer of the API. */
    z.strictObject({ kind: z.literal('html'), status: z.int().min(400).max(599) }),
    /** Status 200 with `success: false`. */
    z.strictObject({ kind: z.literal('not-successful'), code: z.int(), message: z.string() }),
    z.strictObject({ kind: z.literal('hang-before-headers') }),
    /** Headers and half a body, then nothing. */
    z.strictObject({ kind: z.literal('hang-in-body') }),
    /** The right answer, late. */
    z.strictObject({ kind: z.literal('slow'), delayMs: z.number().min(0) }),
    /** The call is carried out, and the connection breaks before its answer. */
    z.strictObject({ kind: z.literal('lost-answer') }),
  ]),
});

const dnsFault = z.strictObject({
  /** Index of the name server; left out: all. */
  server: z.int().min(0).exactOptional(),
  /** Regular expression on the name asked for, in lower case. */
  name: z.string().exactOptional(),
  type: z.string().exactOptional(),
  transport: z.enum(['udp', 'tcp']).exactOptional(),
  /** Which of the queries that fit, counted from 1 since the fault was set. */
  queries: z.array(z.int().min(1)).exactOptional(),
  answer: z.discriminatedUnion('kind', [
    z.strictObject({ kind: z.literal('servfail') }),
    z.strictObject({ kind: z.literal('refused') }),
    z.strictObject({ kind: z.literal('drop') }),
    /** TC set and nothing in it, so that the client has to come by TCP. */
    z.strictObject({ kind: z.literal('truncate') }),
    /** Answers as the zone was so long ago. */
    z.strictObject({ kind: z.literal('lag'), behindMs: z.number().min(0) }),
    /** Answers as the zone was when the fault was set. */
    z.strictObject({ kind: z.literal('stale') }),
  ]),
});

/** What `/cdn-cgi/trace` answers; left out: the truth, at once. */
const traceAnswer = z.strictObject({
  /** The address from which a caller seems to come. */
  address: z.string().exactOptional(),
  /** Instead of an answer with an address. */
  status: z.int().min(400).max(599).exactOptional(),
  /** Goes into the header as it is. */
  retryAfter: z.string().exactOptional(),
});

/** What is to go wrong: the first fault of each list that fits a request or query is the one it meets. */
const faultSet = z.strictObject({
  http: z.array(httpFault).default([]),
  dns: z.array(dnsFault).default([]),
  trace: traceAnswer.default({}),
});

export type HttpFault = z.infer<typeof httpFault>;
export type DnsFault = z.infer<typeof dnsFault>;
export type TraceAnswer = z.infer<typeof traceAnswer>;
export type FaultSet = z.input<typeof faultSet>;

interface HttpCall {
  readonly method: string;
  /** Path with its query. */
  readonly path: string;
}

interface DnsQuery {
  readonly server: number;
  readonly name: string;
  readonly type: string;
  readonly transport: 'udp' | 'tcp';
}

export interface Faults {
  /** Replaces all faults and begins to count anew. @throws {z.ZodError} */
  readonly set: (faults: FaultSet) => void;
  readonly clear: () => void;
  /** The faults with how many requests or queries have fitted each. */
  readonly shown: () => {
    readonly http: readonly unknown[];
    readonly dns: readonly unknown[];
    readonly trace: TraceAnswer;
  };
  readonly trace: () => TraceAnswer;
  /** The fault that this request meets; counts it. */
  readonly meetHttp: (call: HttpCall) => HttpFault['answer'] | undefined;
  readonly meetDns: (query: DnsQuery) => (DnsFault['answer'] & { readonly setAtMs: number }) | undefined;
}

const counted = <Fault extends object>(faults: readonly Fault[]) =>
  faults.map((fault) => ({ fault, seen: 0 }));

export const createFaults = (): Faults => {
  let http = counted<HttpFault>([]);
  let dns = counted<DnsFault>([]);
  let trace: TraceAnswer = {};
  let setAtMs = monotonicMs();
  const put = (faults: FaultSet) => {
    const parsed = faultSet.parse(faults);
    http = counted(parsed.http);
    dns = counted(parsed.dns);
    trace = parsed.trace;
    setAtMs = monotonicMs();
  };
  return {
    set: put,
    clear() {
      put({});
    },
    shown: () => ({
      http: http.map(({ fault, seen }) => ({ ...fault, seen })),
      dns: dns.map(({ fault, seen }) => ({ ...fault, seen })),
      trace,
    }),
    trace: () => trace,
    meetHttp(call) {
      for (const entry of http) {
        const { method, path, requests, answer } = entry.fault;
        if (method !== undefined && method !== call.method) continue;
        if (path !== undefined && !new RegExp(path).test(call.path)) continue;
        entry.seen += 1;
        if (requests === undefined || requests.includes(entry.seen)) return answer;
      }
      return undefined;
    },
    meetDns(query) {
      for (const entry of dns) {
        const { server, name, type, transport, queries, answer } = entry.fault;
        if (server !== undefined && server !== query.server) continue;
        if (name !== undefined && !new RegExp(name).test(query.name)) continue;
        if (type !== undefined && type !== query.type) continue;
        if (transport !== undefined && transport !== query.transport) continue;
        entry.seen += 1;
        if (queries === undefined || queries.includes(entry.seen)) return { ...answer, setAtMs };
      }
      return undefined;
    },
  };
};
