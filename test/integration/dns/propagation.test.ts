import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { AUTHORITATIVE_ANSWER, decode, encode } from 'dns-packet';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Cloudflare as Provider } from '../../../sandbox/cloudflare/server.ts';
import { createPropagation } from '../../../src/dns/propagation.ts';
import { createHttp } from '../../../src/shared/http.ts';
import { startProvider, zoneName } from '../../support/cloudflare.ts';
import { freePort } from '../../support/ports.ts';

const name = `_acme-challenge.netbird.${zoneName}`;
const value = 'challenge-value';
const never = new AbortController().signal;
const { lookup } = createHttp({
  addressOf: (host) => (host.endsWith('.localhost') ? '127.0.0.1' : undefined),
});

let server: Provider;
let authoritative: string[];

beforeEach(async () => {
  server = await startProvider({ nameServers: [{}, {}] });
  authoritative = server.nameServers.map(({ port }) => `127.0.0.1:${port}`);
});
afterEach(async () => {
  await server.close();
});

const wanted = (timeoutMs: number) => ({ zone: zoneName, name, value, timeoutMs });
/** A server that answers gets all the time it needs; a test in which one is silent says how long it is listened to. */
const propagation = (changes: Partial<Parameters<typeof createPropagation>[0]> = {}) =>
  createPropagation({ resolvers: [], authoritative, lookup, queryTimeoutMs: 60_000, ...changes });
/** Every server is asked once: the time is over before a second look. */
const atOnce = wanted(1);
const present = async (content = `"${value}"`) => server.add({ type: 'TXT', name, content });

test('a value that every server shows is there at once', async () => {
  await present();
  await present('"another value"');
  // Fits every query and never acts: it counts.
  server.faults.set({ dns: [{ queries: [1000], answer: { kind: 'drop' } }] });

  await propagation().untilShown(wanted(60_000), never);

  expect(server.faults.shown().dns).toMatchObject([{ seen: server.nameServers.length }]);
});

test('a server that lags is waited for', async () => {
  server.faults.set({ dns: [{ server: 1, answer: { kind: 'lag', behindMs: 600 } }] });
  const startMs = performance.now();
  await present();

  await propagation().untilShown(wanted(100_000), never);

  expect(performance.now() - startMs).toBeGreaterThanOrEqual(590);
});

const withFault = async (
  fault: NonNullable<Parameters<typeof server.faults.set>[0]['dns']>[number]['answer'],
) => {
  server.faults.set({ dns: [{ server: 1, answer: fault }] });
  await present();
  return propagation().untilShown(atOnce, never);
};

test.each([
  [{ kind: 'stale' } as const, 'NXDOMAIN'],
  [{ kind: 'servfail' } as const, 'SERVFAIL'],
  [{ kind: 'refused' } as const, 'REFUSED'],
] as const)('a server that never shows it (%o) is named with what it answered', async (fault, said) => {
  await expect(withFault(fault)).rejects.toMatchObject({
    code: 'DNS_NOT_PROPAGATED',
    message: `TXT ${name} is not on every name server after 0.001 s: ${authoritative[1]} answered: ${said}`,
  });
});

test('other values and no value are told apart', async () => {
  const failure = async () => propagation().untilShown(atOnce, never);

  await server.add({ type: 'A', name, content: '192.0.2.1' });
  await expect(failure()).rejects.toThrow(/answered: no TXT record/);
  await present('"one"');
  await present('"two"');
  await expect(failure()).rejects.toThrow(/answered: 2 other values/);
});

test('an alias in place of the value is told', async () => {
  await server.add({ type: 'CNAME', name, content: 'elsewhere.test' });

  await expect(propagation().untilShown(atOnce, never)).rejects.toThrow(/answered: an alias to another name/);
});

test('an answer that was cut short, or that UDP did not bring, is fetched by TCP', async () => {
  for (let n = 0; n < 8; n += 1) await present(`"${n}${'x'.repeat(200)}"`);
  await present();
  await expect(propagation().untilShown(atOnce, never)).resolves.toBeUndefined();

  server.faults.set({ dns: [{ transport: 'udp', answer: { kind: 'drop' } }] });
  await expect(propagation(listening).untilShown(wanted(100_000), never)).resolves.toBeUndefined();
});

test('an answer without authority does not count', async () => {
  const recursive = createSocket('udp4');
  const flags = [0, AUTHORITATIVE_ANSWER];
  recursive.on('message', (bytes, peer) => {
    const query = decode(bytes);
    const reply = encode({
      type: 'response',
      id: query.id ?? 0,
      flags: flags[0] ?? 0,
      questions: query.questions ?? [],
      answers: [{ type: 'TXT', name, ttl: 60, data: value }],
    });
    recursive.send(reply, peer.port, peer.address);
  });
  recursive.bind(0, '127.0.0.1');
  await once(recursive, 'listening');
  const { port } = recursive.address();
  const asking = propagation({ authoritative: [`127.0.0.1:${port}`] });

  await expect(asking.untilShown(atOnce, never)).rejects.toThrow(/answered: an answer without authority/);
  flags.shift();
  await asking.untilShown(atOnce, never);
  recursive.close();
});

test('an interrupted run does not wait', async () => {
  server.faults.set({ dns: [{ answer: { kind: 'drop' } }] });
  const abort = new AbortController();
  const reason = new Error('interrupted');
  const waiting = propagation().untilShown(wanted(600_000), abort.signal);
  await expect
    .poll(() => server.faults.shown().dns, { interval: 5, timeout: 20_000 })
    .not.toMatchObject([{ seen: 0 }]);
  const startMs = performance.now();

  abort.abort(reason);

  await expect(waiting).rejects.toBe(reason);
  expect(performance.now() - startMs).toBeLessThan(50_000);
});

test('the deadline holds although a server is silent', async () => {
  server.faults.set({ dns: [{ answer: { kind: 'drop' } }] });

  await expect(propagation({ queryTimeoutMs: 200 }).untilShown(wanted(1000), never)).rejects.toMatchObject({
    code: 'DNS_NOT_PROPAGATED',
  });
  // By UDP and by TCP, twice at most within a second.
  const asked = server.faults.shown().dns as readonly { readonly seen: number }[];
  expect(asked[0]?.seen).toBeLessThanOrEqual(server.nameServers.length * 2 * 3);
});

/** For servers that are silent. */
const listening = { queryTimeoutMs: 1000 };

describe('a network that lets no DNS out', () => {
  test('is told from a delegation that is wrong: no server answers, over UDP nor TCP', async () => {
    server.faults.set({ dns: [{ answer: { kind: 'drop' } }] });
    await present();

    const [first = '', second = ''] = authoritative;
    await expect(propagation(listening).untilShown(atOnce, never)).rejects.toMatchObject({
      code: 'DNS_NOT_PROPAGATED',
      message: `no authoritative server of skylab.test answers this machine at all, neither over UDP nor over TCP: outgoing DNS (port 53) is blocked here, it seems (${first} answered: no answer; ${second} answered: no answer)`,
      hint: expect.stringMatching(/UDP and TCP to port 53.*dns\.authoritative/) as unknown,
    });
  });

  test('is not blamed where one server was heard, though it did not show the value', async () => {
    server.faults.set({
      dns: [
        { server: 0, answer: { kind: 'servfail' } },
        { server: 1, answer: { kind: 'drop' } },
      ],
    });

    await expect(propagation(listening).untilShown(atOnce, never)).rejects.toThrow(
      /is not on every name server .*SERVFAIL; .*no answer/,
    );
  });
});

describe('name servers', () => {
  test('given by name are looked up the way this program does', async () => {
    await present();
    const named = server.nameServers.map(({ port }) => `dns.localhost:${port}`);

    await propagation({ authoritative: named }).untilShown(atOnce, never);
    await expect(
      propagation({ authoritative: ['no-such-server.invalid'] }).untilShown(atOnce, never),
    ).rejects.toMatchObject({ code: 'DNS_NOT_PROPAGATED' });
  });

  test('are taken from the delegation, each of them', async () => {
    const port = await freePort();
    const hosts = ['127.0.0.2', '127.0.0.3'];
    const delegated = await startProvider({ nameServers: hosts.map((host) => ({ host, port })) });
    try {
      await delegated.add({ type: 'TXT', name, content: value });
      const asking = propagation({ authoritative: [], resolvers: [`127.0.0.2:${port}`], port });
      await asking.untilShown(atOnce, never);

      delegated.faults.set({ dns: [{ server: 1, type: 'TXT', answer: { kind: 'servfail' } }] });
      await expect(asking.untilShown(atOnce, never)).rejects.toThrow(
        `ns2.${zoneName} (127.0.0.3) answered: SERVFAIL`,
      );
    } finally {
      await delegated.close();
    }
  });

  describe('with addresses of both families', () => {
    /** Two servers behind one name, `ns.skylab.test`: what the delegation shows of a server with two addresses. */
    const dual = async (changes: { readonly queryTimeoutMs?: number } = {}) => {
      const first = await freePort();
      const both = await startProvider({
        nameServers: [
          { host: '127.0.0.4', port: first, name: `ns.${zoneName}` },
          { host: '::1', port: first, name: `ns.${zoneName}` },
        ],
      });
      await both.add({ type: 'TXT', name, content: value });
      const resolvers = [`127.0.0.4:${first}`];
      const asking = propagation({ authoritative: [], resolvers, port: first, ...changes });
      return { both, asking };
    };

    test('are asked at each: one that lags over IPv6 is waited for, and named', async () => {
      const { both, asking } = await dual();
      try {
        await asking.untilShown(wanted(100_000), never);

        both.faults.set({ dns: [{ server: 1, type: 'TXT', answer: { kind: 'stale' } }] });
        await both.add({ type: 'TXT', name, content: 'a later value' });
        await expect(asking.untilShown({ ...atOnce, value: 'a later value' }, never)).rejects.toThrow(
          `ns.${zoneName} (::1) answered: 1 other value`,
        );
      } finally {
        await both.close();
      }
    });

    test('that say nothing over IPv6 and show the value over IPv4 are not waited for', async () => {
      const { both, asking } = await dual(listening);
      try {
        both.faults.set({ dns: [{ server: 1, answer: { kind: 'drop' } }] });
        const startMs = performance.now();

        await asking.untilShown(wanted(600_000), never);

        // One look over UDP and TCP; more than that only where the machine is busy.
        expect(performance.now() - startMs).toBeLessThan(60_000);
      } finally {
        await both.close();
      }
    });

    test('that have an IPv6 address only are asked there', async () => {
      const port = await freePort();
      const six = await startProvider({ nameServers: [{ host: '::1', port }] });
      try {
        await six.add({ type: 'TXT', name, content: value });
        await propagation({ authoritative: [], resolvers: [`[::1]:${port}`], port }).untilShown(
          wanted(100_000),
          never,
        );

        expect(six.nameServers).toEqual([{ host: '::1', port }]);
      } finally {
        await six.close();
      }
    });
  });

  test('that are not yet those which the provider wants: the error shows both', async () => {
    const port = await freePort();
    const old = await startProvider({
      zones: [zoneName, 'registrar-servers.com'],
      nameServers: [{ host: '127.0.0.5', port, name: 'dns1.registrar-servers.com' }],
    });
    try {
      const asking = propagation({ authoritative: [], resolvers: [`127.0.0.5:${port}`], port });
      const nameServers = ['ada.ns.cloudflare.com', 'bob.ns.cloudflare.com'];

      await expect(asking.untilShown({ ...atOnce, nameServers }, never)).rejects.toMatchObject({
        code: 'DNS_NOT_PROPAGATED',
        message: expect.stringContaining(
          `${zoneName} is delegated to dns1.registrar-servers.com, and the provider wants ada.ns.cloudflare.com, bob.ns.cloudflare.com`,
        ) as unknown,
        hint: expect.stringContaining('at the registrar') as unknown,
      });
    } finally {
      await old.close();
    }
  });

  test('that a resolver finds broken: DNSSEC is named', async () => {
    server.faults.set({ dns: [{ type: 'NS', answer: { kind: 'servfail' } }] });
    const asking = propagation({ authoritative: [], resolvers: [`127.0.0.1:${server.dnsPort}`] });

    await expect(asking.untilShown(wanted(1000), never)).rejects.toMatchObject({
      code: 'DNS_NOT_PROPAGATED',
      hint: expect.stringContaining('DNSSEC') as unknown,
    });
  });

  test('that nobody names are an error of their own', async () => {
    const asking = propagation({ authoritative: [], resolvers: [`127.0.0.1:${server.dnsPort}`] });

    await expect(asking.untilShown({ ...atOnce, zone: 'unknown.test' }, never)).rejects.toMatchObject({
      code: 'DNS_NOT_PROPAGATED',
      message: 'cannot find the name servers of unknown.test (EREFUSED)',
    });
  });
});
