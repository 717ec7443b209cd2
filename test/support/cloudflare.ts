import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { connect } from 'node:net';
import Cloudflare from 'cloudflare';
import { decode, encode, type Answer, type DecodedPacket, type RecordType } from 'dns-packet';
import {
  startCloudflare,
  type Cloudflare as Provider,
  type CloudflareOptions,
} from '../../sandbox/cloudflare/server.ts';

export const zoneName = 'skylab.test';

/** One token for each thing that a token may or may not do. */
export const tokens = {
  edit: { value: 'edit-token_1', zones: [zoneName] },
  read: { value: 'read-token_1', zones: [zoneName], rights: 'read' },
  other: { value: 'other-token_1', zones: ['other.test'] },
  forbidden: { value: 'forbidden-token_1', zones: ['other.test'], outside: 'forbidden' },
  account: { value: 'cfat_account-token_1', zones: [zoneName], owner: 'account' },
} as const;

/** A DNS provider in this process, with the zones `skylab.test` and `other.test` and all of `tokens`. */
export const startProvider = async (options: Partial<CloudflareOptions> = {}): Promise<Provider> =>
  startCloudflare({ zones: [zoneName, 'other.test'], tokens: Object.values(tokens), ...options });

/** The real SDK, pointed at a provider, without retries of its own. */
export const sdkFor = (provider: Provider, apiToken: string = tokens.edit.value): Cloudflare =>
  new Cloudflare({ apiToken, apiEmail: null, apiKey: null, baseURL: provider.apiUrl, maxRetries: 0 });

/** A decoded answer; dns-packet has `rcode`, its types do not. */
export type DnsAnswer = DecodedPacket & { readonly rcode: string };

interface Ask {
  readonly port: number;
  readonly host?: string;
  readonly name: string;
  readonly type: RecordType;
  /** How long an answer is waited for. Default a minute: a server that answers gets all the time it needs. */
  readonly patienceMs?: number;
  /** Largest UDP answer that is offered by EDNS; left out: no EDNS. */
  readonly udpBytes?: number;
}

const patienceMs = 60_000;

const asked = ({ name, type, udpBytes }: Ask): Buffer => {
  const opt: Answer[] =
    udpBytes === undefined
      ? []
      : [
          {
            type: 'OPT',
            name: '.',
            udpPayloadSize: udpBytes,
            extendedRcode: 0,
            ednsVersion: 0,
            flags: 0,
            flag_do: false,
            options: [],
          },
        ];
  return encode({ type: 'query', id: 4711, flags: 0, questions: [{ name, type }], additionals: opt });
};

/** One UDP query, raw; rejects with an AbortError after its patience. */
export const askUdp = async (ask: Ask): Promise<{ readonly packet: DnsAnswer; readonly bytes: number }> => {
  const socket = createSocket('udp4');
  try {
    socket.send(asked(ask), ask.port, ask.host ?? '127.0.0.1');
    const [bytes] = (await once(socket, 'message', {
      signal: AbortSignal.timeout(ask.patienceMs ?? patienceMs),
    })) as [Buffer];
    return { packet: decode(bytes) as DnsAnswer, bytes: bytes.length };
  } finally {
    socket.close();
  }
};

/** One TCP query, raw, sent in two pieces. */
export const askTcp = async (ask: Ask): Promise<DnsAnswer> => {
  const query = asked(ask);
  const length = Buffer.alloc(2);
  length.writeUInt16BE(query.length);
  const socket = connect(ask.port, ask.host ?? '127.0.0.1');
  socket.setTimeout(ask.patienceMs ?? patienceMs, () => socket.destroy(new Error('no answer over TCP')));
  socket.write(Buffer.concat([length, query.subarray(0, 5)]));
  socket.write(query.subarray(5));
  let received = Buffer.alloc(0);
  for await (const chunk of socket) {
    received = Buffer.concat([received, chunk as Buffer]);
    if (received.length >= 2 && received.length >= 2 + received.readUInt16BE(0)) {
      return decode(received.subarray(2)) as DnsAnswer;
    }
  }
  throw new Error('the connection ended before the answer');
};
