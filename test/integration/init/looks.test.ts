import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { mkdir, rm } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { encode, decode, type Packet } from 'dns-packet';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { zoneName } from '../../support/cloudflare.ts';
import { createFirstTime, type FirstTime } from './support.ts';

/*
 * What init looks at after each answer: one thing is wrong at a time, and that look says so, with the way out.
 */

let machine: FirstTime;
beforeAll(async () => {
  machine = await createFirstTime();
});
afterAll(async () => machine.remove());
beforeEach(async () => {
  await rm(machine.hosts, { recursive: true });
  await mkdir(machine.hosts);
});

/** Runs it with some answers exchanged; the checks that failed, by their name, with what was seen and the way out. */
const failing = async (
  changed: Readonly<Record<string, string>>,
  more: readonly string[] = [],
): Promise<Readonly<Record<string, string>>> => {
  const words = machine.answers.map((word, index) => changed[machine.answers[index - 1] ?? ''] ?? word);
  const { code, stdout } = await machine.run([...words, ...more, '--json']);
  const { checks, written } = JSON.parse(stdout) as {
    readonly written: boolean;
    readonly checks: readonly {
      readonly id: string;
      readonly status: string;
      readonly detail: string;
      readonly fix?: string;
    }[];
  };
  const failed = checks.filter(({ status }) => status === 'failed');
  expect([code, written]).toEqual(failed.length === 0 ? [0, true] : [2, false]);
  return Object.fromEntries(failed.map(({ id, detail, fix = '' }) => [id, `${detail} | ${fix}`]));
};

/** A resolver that knows these records, and answers anything else with an empty answer. */
const startResolver = async (records: Readonly<Record<string, string>>) => {
  const socket = createSocket('udp4');
  socket.on('message', (message, from) => {
    const query = decode(message);
    const [question] = query.questions ?? [];
    const data = records[`${question?.type ?? ''} ${question?.name ?? ''}`];
    const answers =
      question === undefined || data === undefined
        ? []
        : [{ type: question.type as 'A', name: question.name, ttl: 60, data }];
    const answer: Packet = {
      type: 'response',
      id: query.id ?? 0,
      // Recursion desired and available (RFC 1035 section 4.1.1).
      flags: 0x0180,
      questions: query.questions ?? [],
      answers,
    };
    socket.send(encode(answer), from.port, from.address);
  });
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  return { use: `dns.resolvers=["127.0.0.1:${socket.address().port}"]`, close: () => socket.close() };
};

describe('a look of init', () => {
  test('finds nothing wrong where nothing is', async () => {
    expect(await failing({})).toEqual({});
  });

  test('sees that somebody has the port of STUN', async () => {
    const socket = createSocket('udp4');
    socket.bind(machine.stunPort, '127.0.0.1');
    await once(socket, 'listening');
    const failed = await failing({});
    socket.close();

    expect(failed).toEqual({
      'init.stun-port': expect.stringMatching(
        `^UDP ${machine.stunPort} is held by .* \\| .*stop that program`,
      ),
    });
  });

  test('sees that nobody is on the port where an nginx is said to be, and takes it where somebody is', async () => {
    expect(await failing({ '--front-door': 'behind' })).toEqual({
      'init.port': `nobody holds TCP ${machine.port}, and behind means that an nginx does | start that nginx, or choose own`,
    });

    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const failed = await failing({ '--front-door': 'behind', '--port': String(port) });
    server.close();
    expect(failed).toEqual({});
  });

  test('sees that this machine does not have the address', async () => {
    expect(await failing({ '--bind': '203.0.113.77' })).toEqual({
      'init.bind': expect.stringMatching(
        /^no network interface of this machine has 203\.0\.113\.77, found: .* \| take one of those/,
      ),
    });
  });

  test('sees a router that hides addresses of the network at home', async () => {
    const resolver = await startResolver({ 'A 1-1-1-1.sslip.io': '1.1.1.1' });
    const failed = await failing({}, ['--set', resolver.use]);
    resolver.close();

    expect(failed['init.rebind']).toMatch(
      /^192-168-1-1\.sslip\.io leads to 192\.168\.1\.1, and this system's resolver says an empty answer: .* \| except .* from DNS rebind protection/,
    );
  });

  test('sees a domain whose name servers are not those of its zone yet', async () => {
    const resolver = await startResolver({ [`NS ${zoneName}`]: 'dns1.registrar-servers.com' });
    const failed = await failing({}, ['--set', resolver.use]);
    resolver.close();

    expect(failed['init.zone']).toMatch(
      /dns1\.registrar-servers\.com.* \| at Namecheap: Domain List, Manage, Nameservers, Custom DNS; enter ns1\./,
    );
  });
});
