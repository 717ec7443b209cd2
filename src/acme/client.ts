import type { Client } from 'acme-client';
import type * as z from 'zod';
import type { Effects } from '../orchestrator/effects.ts';
import { nowMs, sleep } from '../shared/clock.ts';
import { retryAfterMs, type Http } from '../shared/http.ts';
import { isStackError, StackError } from '../shared/errors.ts';
import { harden, parsed, type Insides } from './renewal/transport.ts';
import { authorizationSchema, isRefusal, orderSchema, problemOf, refused, unfit } from './wire.ts';
import type { AccountFile } from './store.ts';

/*
 * The only importer of acme-client (5.4.0). Used are its signatures, its calls by resource and its CSR; its transport,
 * retries and waiting are replaced here, because they drop the type of a refusal, sleep out a Retry-After without end,
 * send the same nonce again, and know neither deadline nor abort (publishlab/node-acme-client#103, #95).
 */

const pollMs = 500;
/** Before the first look at what was just asked for: a quick authority is done by then, and its Retry-After is saved. */
const firstLookMs = 100;
/** An authority that wants a longer pause between two looks is come back to in another run. */
const longestWaitMs = 60_000;

/** An order as the authority made it. RFC 8555 section 7.1.3. */
export type Order = z.output<typeof orderSchema> & { readonly url: string };

/** What is ordered. */
export interface Wanted {
  readonly names: readonly string[];
  /** Where the authority does not offer it (any more), the order is made without: a certificate comes first. */
  readonly profile?: string | undefined;
  /** The certificate that this one comes after. RFC 9773 section 4.1 */
  readonly replaces?: string | undefined;
}

/** An authorization that still has to be earned: the TXT record that earns it, and where to say so. */
export interface Challenge {
  readonly authorizationUrl: string;
  readonly challengeUrl: string;
  /** The name that is authorized, `*.` included. */
  readonly identifier: string;
  /** `_acme-challenge.<name>`. RFC 8555 section 8.4. */
  readonly recordName: string;
  readonly recordValue: string;
}

/** One authority, spoken to with our account. Every call ends with the signal it was connected with. */
export interface Authority {
  /**
   * Orders all names at once; `withoutProfile` tells that the authority has no such profile.
   * @throws {StackError} CA_REFUSED, CA_LIMITED, CA_UNREACHABLE, as all of these
   */
  readonly order: (wanted: Wanted) => Promise<{ readonly order: Order; readonly withoutProfile: boolean }>;
  /** An order of an earlier run, where the authority still knows it and it can be finished. */
  readonly resume: (url: string, names: readonly string[]) => Promise<Order | undefined>;
  /** What is still to be earned; authorizations that the authority re-uses are left out. */
  readonly challenges: (order: Order) => Promise<readonly Challenge[]>;
  /** Says that the record is there, and waits until the authority has seen it. */
  readonly earn: (challenge: Challenge, signal: AbortSignal) => Promise<void>;
  /** Waits until the order is ready, hands in the request and downloads the chain (PEM). */
  readonly collect: (order: Order, csrPem: string) => Promise<string>;
  /** Gives up an authorization, so that it does not count as pending. */
  readonly deactivate: (challenge: Challenge) => Promise<void>;
}

interface Connection {
  readonly directory: string;
  readonly http: Http;
  readonly account: AccountFile;
  readonly contact: string | undefined;
  readonly effects: Effects;
  readonly signal: AbortSignal;
}

/** Begins to load what `connect` needs, so that it is there when others have answered. What fails here fails there. */
export const preload = (): void => {
  import('acme-client').catch(() => undefined);
};

/** Connects to an authority; the account is used again, or made. @throws {StackError} CA_*, DISK_* */
export const connect = async (connection: Connection): Promise<Authority> => {
  const { directory, account, effects, signal } = connection;
  const { default: acme } = await import('acme-client');
  const host = new URL(directory).host;
  const knownKey = await account.key();
  const keyPem = knownKey ?? (await acme.crypto.createPrivateEcdsaKey('P-256')).toString();
  if (knownKey === undefined) {
    await effects.perform('file', `save an account key for ${host}`, async () => account.saveKey(keyPem));
  }
  const client: Client = new acme.Client({ directoryUrl: directory, accountKey: keyPem });
  const insides = client as unknown as Insides;
  const resources = harden(insides, connection);
  const { api } = insides;

  /** Straight to newAccount: the client's own createAccount sends an update that authorities refuse. */
  const register = async () => {
    const contact = connection.contact === undefined ? {} : { contact: [`mailto:${connection.contact}`] };
    await effects.perform('http', `POST newAccount at ${host}`, async () =>
      api.createAccount({ termsOfServiceAgreed: true, ...contact }),
    );
    const url = api.accountUrl;
    if (url === null) throw unfit(directory, 'an account (it has no address)');
    const what = `save the address of the account at ${host}`;
    await effects.perform('file', what, async () => account.saveUrl(url));
  };
  // An address without its key is of no use: whoever has lost the key has lost the account.
  api.accountUrl = knownKey === undefined ? null : ((await account.url()) ?? null);
  if (api.accountUrl === null) await register();

  const read = async <T>(url: string, schema: z.ZodType<T>, wanted: string) => {
    const answer = await api.apiRequest(url, null);
    const waitMs = retryAfterMs(answer.headers['retry-after'], nowMs()) ?? pollMs;
    return { body: parsed(schema, answer.data, url, wanted), waitMs };
  };
  const readAuthorization = async (url: string) => read(url, authorizationSchema, 'an authorization');

  /** Looks until it is done, at the pace that the authority asks for. */
  const until = async <T>(
    look: () => Promise<{ body: T; waitMs: number }>,
    isDone: (body: T) => boolean,
    stop: AbortSignal,
  ): Promise<T> => {
    for (;;) {
      const { body, waitMs } = await look();
      if (isDone(body)) return body;
      if (waitMs > longestWaitMs) throw comeBack(host, waitMs);
      await sleep(Math.max(waitMs, firstLookMs), stop);
    }
  };
  const untilOrder = async (url: string, ...statuses: readonly string[]) =>
    until(
      async () => read(url, orderSchema, 'an order'),
      ({ status, identifiers, error }) => {
        if (status !== 'invalid') return statuses.includes(status);
        const asked = `an order for ${identifiers.map((one) => one.value).join(', ')}`;
        throw refused({ authority: host, asked, status: 403, problem: problemOf(error) });
      },
      signal,
    );

  const hasNames = (order: z.output<typeof orderSchema>, names: readonly string[]): boolean =>
    order.identifiers
      .map((one) => one.value.toLowerCase())
      .sort()
      .join() === [...names].sort().join();

  const place = async ({ names, ...more }: Wanted): Promise<Order> => {
    const identifiers = names.map((value) => ({ type: 'dns', value }));
    const extra = Object.fromEntries(Object.entries(more).filter(([, value]) => value !== undefined));
    const answer = await effects.perform('http', `POST newOrder at ${host}`, async () =>
      api.createOrder({ identifiers, ...extra }),
    );
    const order = parsed(orderSchema, answer.data, directory, 'an order');
    const url = answer.headers['location'];
    if (url === undefined || !hasNames(order, names)) {
      const seen = order.identifiers.map((one) => one.value).join(', ');
      throw unfit(directory, `an order for ${names.join(', ')} (it is for ${seen})`);
    }
    return { ...order, url };
  };

  /** Tries once more without each thing that may be the reason of a refusal, and that a certificate can do without. */
  const placeSomehow = async (wanted: Wanted): Promise<Order> => {
    try {
      return await place(wanted);
    } catch (error) {
      if (isRefusal(error, 'accountDoesNotExist')) {
        // Pebble forgets accounts at every start, and authorities may delete unused ones.
        const what = `forget the account at ${host}`;
        await effects.perform('file', what, async () => account.saveUrl(undefined));
        await register();
        // Another account may not replace what this one has not ordered.
        return place({ ...wanted, replaces: undefined });
      }
      if (wanted.profile !== undefined && isRefusal(error, 'invalidProfile')) throw error;
      if (wanted.replaces === undefined || !isRefused(error)) throw error;
      return placeSomehow({ ...wanted, replaces: undefined });
    }
  };

  const challengeOf = async (url: string): Promise<Challenge | undefined> => {
    const { body } = await readAuthorization(url);
    if (body.status === 'valid') return undefined;
    const identifier = `${body.wildcard === true ? '*.' : ''}${body.identifier.value}`;
    const offered = body.challenges.find((one) => one.type === 'dns-01');
    if (body.status !== 'pending' || offered?.token === undefined) {
      const why = offered === undefined ? 'offers no dns-01' : `has an authorization that is ${body.status}`;
      throw unfit(directory, `a challenge for ${identifier} (${host} ${why})`);
    }
    const recordValue = await client.getChallengeKeyAuthorization({
      type: 'dns-01',
      token: offered.token,
      url: offered.url,
      status: 'pending',
    });
    const recordName = `_acme-challenge.${body.identifier.value}`;
    return { authorizationUrl: url, challengeUrl: offered.url, identifier, recordName, recordValue };
  };

  return {
    async order(wanted) {
      const offered = (await resources()).meta?.profiles;
      const { profile } = wanted;
      const without = { ...wanted, profile: undefined };
      if (profile !== undefined && offered?.[profile] === undefined)
        return { order: await placeSomehow(without), withoutProfile: true };
      try {
        return { order: await placeSomehow(wanted), withoutProfile: false };
      } catch (error) {
        if (!isRefusal(error, 'invalidProfile')) throw error;
        return { order: await placeSomehow(without), withoutProfile: true };
      }
    },
    async resume(url, names) {
      try {
        const { body } = await read(url, orderSchema, 'an order');
        const isOpen = ['pending', 'ready', 'processing', 'valid'].includes(body.status);
        return isOpen && hasNames(body, names) ? { ...body, url } : undefined;
      } catch (error) {
        if (isStackError(error) && error.code === 'CA_REFUSED') return undefined;
        throw error;
      }
    },
    async challenges(order) {
      const all = await Promise.all(order.authorizations.map(challengeOf));
      return all.filter((one) => one !== undefined);
    },
    async earn({ authorizationUrl, challengeUrl, identifier }, stop) {
      await effects.perform('http', `POST challenge for ${identifier}`, async () =>
        api.apiRequest(challengeUrl, {}),
      );
      await sleep(firstLookMs, stop);
      await until(
        async () => readAuthorization(authorizationUrl),
        ({ status, challenges }) => {
          if (status === 'valid' || status === 'pending') return status === 'valid';
          const problem = challenges.find((one) => one.error !== undefined)?.error;
          const asked = `to authorize ${identifier}`;
          const detail = `the authorization is ${status}`;
          throw refused({ authority: host, asked, status: 403, problem: problem ?? problemOf({ detail }) });
        },
        stop,
      );
    },
    async collect(order, csrPem) {
      const csr = acme.crypto.getPemBodyAsB64u(csrPem);
      for (;;) {
        const { status, finalize } = await untilOrder(order.url, 'ready', 'processing', 'valid');
        if (status !== 'ready') break;
        try {
          await effects.perform('http', `POST finalize at ${host}`, async () =>
            api.apiRequest(finalize, { csr }),
          );
          break;
        } catch (error) {
          // An authority of several servers may show "ready" here and not yet there. RFC 8555 section 7.4.
          if (!isRefusal(error, 'orderNotReady')) throw error;
          await sleep(pollMs, signal);
        }
      }
      await sleep(firstLookMs, signal);
      const { certificate } = await untilOrder(order.url, 'valid');
      if (certificate === undefined) throw unfit(order.url, 'an order with a certificate');
      const { data } = await api.apiRequest(certificate, null);
      return typeof data === 'string' ? data : '';
    },
    async deactivate({ authorizationUrl, identifier }) {
      await effects.perform('http', `POST deactivation of ${identifier}`, async () =>
        api.apiRequest(authorizationUrl, { status: 'deactivated' }),
      );
    },
  };
};

/** The authority answered, and it was neither "wait" nor yes; some answer 500 where they mean no. */
const isRefused = (error: unknown): boolean =>
  isStackError(error) &&
  (error.code === 'CA_REFUSED' || (error.code === 'CA_UNREACHABLE' && 'status' in error.data));

const comeBack = (host: string, waitMs: number): StackError =>
  new StackError(
    'CA_LIMITED',
    `${host} is not done, and asks us to come back in ${Math.ceil(waitMs / 1000)} s`,
    {
      hint: 'nothing is wrong here: the order is kept and goes on then',
      retryAfterMs: waitMs,
    },
  );

/** A new ECDSA P-256 key (PEM). */
export const createKey = async (): Promise<string> => {
  const { default: acme } = await import('acme-client');
  return (await acme.crypto.createPrivateEcdsaKey('P-256')).toString();
};

/** A request for the names (PEM), which are in the SAN extension only. */
export const createRequest = async (names: readonly string[], keyPem: string): Promise<string> => {
  const { default: acme } = await import('acme-client');
  const [, csr] = await acme.crypto.createCsr({ altNames: [...names] }, keyPem);
  return csr.toString();
};
