import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { createSigner, type Forgery } from './signer.ts';

/*
 * A certificate authority in this process, for what a real one cannot be told to do: it signs by a clock of the test,
 * suggests renewals, offers profiles, and fails where a test says so. It does not check signatures of requests.
 */

const dayMs = 86_400_000;

/**
 * What happens to a request instead of its answer; `lost`: it is carried out, and the answer never arrives; `stall`: its
 * headers arrive, and half of its body.
 */
export type AuthorityFault =
  | { readonly kind: 'reset' | 'lost' | 'hang' | 'stall' }
  | {
      readonly kind: 'problem';
      readonly status: number;
      readonly type: string;
      readonly retryAfter?: string;
    }
  | { readonly kind: 'page'; readonly status: number };

interface Authorization {
  readonly name: string;
  readonly wildcard: boolean;
  readonly token: string;
  status: 'pending' | 'valid' | 'invalid' | 'deactivated' | 'expired';
}

interface Order {
  readonly names: readonly string[];
  readonly authorizations: readonly string[];
  readonly replaces: string | undefined;
  readonly profile: string | undefined;
  status: 'pending' | 'ready' | 'processing' | 'valid' | 'invalid';
  chain?: string;
}

interface Behaviour {
  /** Its clock, ms since the epoch. */
  nowMs: () => number;
  /** What its `Date` headers say. */
  dateMs: () => number;
  lifetimeMs: number;
  /** Names of profiles; undefined: it knows none. */
  profiles: readonly string[] | undefined;
  /** What it answers about a certificate; undefined: it has no such resource at all. */
  renewalInfo: (() => { status: number; body: unknown; retryAfter?: string }) | undefined;
  /** What an order is refused with. */
  refusal:
    | ((order: { replaces?: string; profile?: string; names: readonly string[] }) => string | undefined)
    | undefined;
  /** What its certificates say otherwise than was asked for. */
  forgery: Forgery | undefined;
  /** The names that its orders show instead of those that were asked for. */
  shows: ((names: readonly string[]) => readonly string[]) | undefined;
  /** Why it does not authorize, whatever it sees. */
  unauthorized: { readonly type: string; readonly detail: string } | undefined;
  /** Retry-After of authorizations that are validated, and how many looks they stay pending. */
  validating: { looks: number; retryAfter: string } | undefined;
  /** Retry-After of orders that are `processing`, and how many looks they stay so. */
  processing: { looks: number; retryAfter: string } | undefined;
  /** The fault that the n-th request meets, from 1. */
  fault:
    | ((request: { number: number; method: string; path: string }) => AuthorityFault | undefined)
    | undefined;
}

export interface TestAuthority extends Behaviour {
  readonly directoryUrl: string;
  readonly rootPem: string;
  /** `METHOD /path` of all requests since `requests` was last emptied. */
  readonly requests: string[];
  readonly orders: readonly Order[];
  readonly authorizations: ReadonlyMap<string, Authorization>;
  /** Accounts that it knows; emptied, it has forgotten them. */
  readonly accounts: Map<string, string>;
  readonly close: () => Promise<void>;
}

interface Options {
  /** Values of TXT records at a name, as the authority sees them. */
  readonly txt: (name: string) => Promise<readonly string[]> | readonly string[];
}

/** The status that real authorities send with a problem; 400 with the others. */
const statusOf: Readonly<Record<string, number>> = {
  alreadyReplaced: 409,
  conflict: 409,
  malformed: 404,
  unauthorized: 403,
  caa: 403,
  externalAccountRequired: 403,
  userActionRequired: 403,
  serverInternal: 500,
};

const decoded = (part: string): unknown =>
  part === '' ? undefined : (JSON.parse(Buffer.from(part, 'base64url').toString()) as unknown);

/** RFC 7638, for the P-256 keys that this program uses. */
const thumbprint = ({ crv, kty, x, y }: Record<string, string>): string =>
  createHash('sha256').update(JSON.stringify({ crv, kty, x, y })).digest('base64url');

export const startAuthority = async ({ txt }: Options): Promise<TestAuthority> => {
  const signer = await createSigner();
  const authorizations = new Map<string, Authorization>();
  const orders: Order[] = [];
  const accounts = new Map<string, string>();
  const requests: string[] = [];
  let counted = 0;
  let base = '';

  const behaviour: Behaviour = {
    nowMs: () => Date.now(),
    dateMs: () => Date.now(),
    lifetimeMs: 90 * dayMs,
    profiles: undefined,
    renewalInfo: undefined,
    refusal: undefined,
    forgery: undefined,
    shows: undefined,
    unauthorized: undefined,
    validating: undefined,
    processing: undefined,
    fault: undefined,
  };

  const shownOrder = (id: number) => {
    const { names, authorizations: ids, status, chain, profile, replaces } = orders[id] as Order;
    return {
      status,
      identifiers: (behaviour.shows?.(names) ?? names).map((value) => ({ type: 'dns', value })),
      authorizations: ids.map((one) => `${base}/authz/${one}`),
      finalize: `${base}/finalize/${id}`,
      ...(chain === undefined ? {} : { certificate: `${base}/cert/${id}` }),
      ...(profile === undefined ? {} : { profile }),
      ...(replaces === undefined ? {} : { replaces }),
    };
  };
  const shownAuthorization = (id: string) => {
    const { name, wildcard, token, status } = authorizations.get(id) as Authorization;
    const challenge = { type: 'dns-01', url: `${base}/challenge/${id}`, token, status };
    const { type, detail } = behaviour.unauthorized ?? { type: 'unauthorized', detail: 'not seen' };
    const failed = { type: `urn:ietf:params:acme:error:${type}`, detail };
    return {
      status,
      identifier: { type: 'dns', value: name },
      ...(wildcard ? { wildcard } : {}),
      challenges: [
        // A kind that nobody knows must not disturb.
        { type: 'dns-persist-01', url: `${base}/other/${id}`, status },
        { ...challenge, ...(status === 'invalid' ? { error: failed } : {}) },
      ],
    };
  };

  interface Answer {
    readonly status: number;
    readonly body: unknown;
    readonly headers?: Readonly<Record<string, string>>;
  }
  const after = (wait?: string) => (wait === undefined ? {} : { 'retry-after': wait });
  const problem = (status: number, type: string, retryAfter?: string): Answer => ({
    status,
    body: { type: `urn:ietf:params:acme:error:${type}`, detail: `a test wants it`, status },
    headers: { 'content-type': 'application/problem+json', ...after(retryAfter) },
  });

  const newOrder = (payload: { identifiers: { value: string }[]; replaces?: string; profile?: string }) => {
    const names = payload.identifiers.map((one) => one.value);
    const { replaces, profile } = payload;
    const refused = behaviour.refusal?.({
      names,
      ...(replaces === undefined ? {} : { replaces }),
      ...(profile === undefined ? {} : { profile }),
    });
    if (refused !== undefined) return problem(statusOf[refused] ?? 400, refused);
    const ids = names.map((name) => {
      const id = randomBytes(6).toString('hex');
      const token = randomBytes(24).toString('base64url');
      const plain = name.replace(/^\*\./, '');
      authorizations.set(id, { name: plain, wildcard: plain !== name, token, status: 'pending' });
      return id;
    });
    orders.push({ names, authorizations: ids, replaces, profile, status: 'pending' });
    const id = orders.length - 1;
    return { status: 201, body: shownOrder(id), headers: { location: `${base}/order/${id}` } };
  };

  const refreshOrders = () => {
    for (const order of orders) {
      const all = order.authorizations.map((id) => authorizations.get(id)?.status);
      if (order.status !== 'pending') continue;
      if (all.every((status) => status === 'valid')) order.status = 'ready';
      else if (all.some((status) => status === 'invalid' || status === 'deactivated'))
        order.status = 'invalid';
    }
  };

  const posted = async (path: string, envelope: Record<string, string>): Promise<Answer> => {
    const header = decoded(envelope['protected'] ?? '') as { jwk?: Record<string, string>; kid?: string };
    const payload = decoded(envelope['payload'] ?? '') as Record<string, unknown> | undefined;
    const [, kind = '', id = ''] = path.split('/');
    if (kind === 'newAccount') {
      const print = thumbprint(header.jwk ?? {});
      const known = [...accounts].find(([, value]) => value === print)?.[0];
      const url = known ?? `${base}/account/${randomBytes(4).toString('hex')}`;
      accounts.set(url, print);
      return {
        status: known === undefined ? 201 : 200,
        body: { status: 'valid' },
        headers: { location: url },
      };
    }
    const print = accounts.get(header.kid ?? '');
    if (print === undefined) return problem(400, 'accountDoesNotExist');
    if (kind === 'newOrder') return newOrder(payload as Parameters<typeof newOrder>[0]);
    if (kind === 'authz') {
      const one = authorizations.get(id);
      if (one === undefined) return problem(404, 'malformed');
      if (payload?.['status'] === 'deactivated' && one.status === 'pending') one.status = 'deactivated';
      const { validating } = behaviour;
      if (validating !== undefined && one.status === 'valid' && validating.looks > 0) {
        validating.looks -= 1;
        const body = { ...shownAuthorization(id), status: 'pending' };
        return { status: 200, body, headers: { 'retry-after': validating.retryAfter } };
      }
      return { status: 200, body: shownAuthorization(id) };
    }
    if (kind === 'challenge') {
      const one = authorizations.get(id);
      if (one === undefined) return problem(404, 'malformed');
      const wanted = createHash('sha256').update(`${one.token}.${print}`).digest('base64url');
      if (one.status === 'pending')
        one.status =
          behaviour.unauthorized === undefined && (await txt(`_acme-challenge.${one.name}`)).includes(wanted)
            ? 'valid'
            : 'invalid';
      return { status: 200, body: { type: 'dns-01', url: `${base}${path}`, token: one.token } };
    }
    refreshOrders();
    const order = orders[Number(id)];
    if (order === undefined) return problem(404, 'malformed');
    if (kind === 'finalize') {
      if (order.status !== 'ready') return problem(403, 'orderNotReady');
      const { lifetimeMs, forgery } = behaviour;
      order.chain = await signer.sign(String(payload?.['csr']), behaviour.nowMs(), lifetimeMs, forgery);
      order.status = behaviour.processing === undefined ? 'valid' : 'processing';
      return { status: 200, body: shownOrder(Number(id)) };
    }
    if (kind === 'order') {
      const { processing } = behaviour;
      if (order.status === 'processing' && processing !== undefined && processing.looks > 0) {
        processing.looks -= 1;
        const { chain: _, ...hidden } = { ...shownOrder(Number(id)), chain: undefined };
        return { status: 200, body: hidden, headers: { 'retry-after': processing.retryAfter } };
      }
      if (order.status === 'processing') order.status = 'valid';
      return { status: 200, body: shownOrder(Number(id)) };
    }
    if (kind !== 'cert' || order.chain === undefined) return problem(404, 'malformed');
    return {
      status: 200,
      body: `${order.chain}${signer.rootPem}`,
      headers: { 'content-type': 'application/pem-certificate-chain' },
    };
  };

  const answerTo = async (request: IncomingMessage, path: string): Promise<Answer> => {
    if (path === '/directory') {
      const { profiles } = behaviour;
      const shown = { profiles: Object.fromEntries((profiles ?? []).map((name) => [name, name])) };
      const names = ['newNonce', 'newAccount', 'newOrder'];
      if (behaviour.renewalInfo !== undefined) names.push('renewalInfo');
      const resources = Object.fromEntries(names.map((name) => [name, `${base}/${name}`]));
      return { status: 200, body: { ...resources, ...(profiles === undefined ? {} : { meta: shown }) } };
    }
    if (path === '/newNonce') return { status: 200, body: '' };
    if (path.startsWith('/renewalInfo/')) {
      const { status, body, retryAfter } = behaviour.renewalInfo?.() ?? { status: 404, body: {} };
      return { status, body, headers: after(retryAfter) };
    }
    return posted(path, JSON.parse(await text(request)) as Record<string, string>);
  };

  const send = (response: ServerResponse, { status, body, headers = {} }: Answer, isStalled = false) => {
    const nonce = { 'replay-nonce': randomBytes(9).toString('base64url') };
    const type = typeof body === 'string' ? 'text/plain' : 'application/json';
    const date = new Date(behaviour.dateMs()).toUTCString();
    response.writeHead(status, { 'content-type': type, date, ...nonce, ...headers });
    const whole = typeof body === 'string' ? body : JSON.stringify(body);
    if (isStalled) response.write(whole.slice(0, whole.length / 2));
    else response.end(whole);
  };

  const server = createServer((request, response) => {
    const handle = async () => {
      const path = request.url ?? '/';
      requests.push(`${request.method ?? ''} ${path}`);
      counted += 1;
      const fault = behaviour.fault?.({ number: counted, method: request.method ?? '', path });
      if (fault?.kind === 'hang') return;
      if (fault?.kind === 'reset') return void request.socket.destroy();
      if (fault?.kind === 'problem')
        return send(response, problem(fault.status, fault.type, fault.retryAfter));
      if (fault?.kind === 'page')
        return send(response, {
          status: fault.status,
          body: '<html>oops</html>',
          headers: { 'content-type': 'text/html' },
        });
      const answer = await answerTo(request, path);
      if (fault?.kind === 'lost') request.socket.destroy();
      else send(response, answer, fault?.kind === 'stall');
    };
    handle().catch((error: unknown) => {
      send(response, { status: 500, body: String(error) });
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

  return Object.assign(behaviour, {
    directoryUrl: `${base}/directory`,
    rootPem: signer.rootPem,
    requests,
    orders,
    authorizations,
    accounts,
    async close() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  });
};
