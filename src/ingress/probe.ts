import { createHash, randomBytes, type X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { request, type IncomingHttpHeaders } from 'node:http';
import { connect as connectHttp2 } from 'node:http2';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { within } from '../shared/clock.ts';
import { errnoOf } from '../shared/errors.ts';

/** Where nginx is reached, by whatever name it is asked for. */
export interface Door {
  readonly address: string;
  readonly port: number;
}

interface TlsOptions {
  /** PEM of the only roots that are trusted. Left out: those of Node. */
  readonly roots?: readonly string[];
  readonly protocols?: readonly ('h2' | 'http/1.1')[];
  /** True: nothing is sent to a server whose certificate is not trusted for the name. Default: it is only looked at. */
  readonly verify?: boolean;
  readonly signal: AbortSignal;
}

/** What one TLS handshake showed. An untrusted certificate is a finding, not an error. */
export interface Handshake {
  readonly certificate: X509Certificate;
  /** OpenSSL's name for why the chain is not trusted, such as CERT_HAS_EXPIRED; undefined where it is. */
  readonly distrust: string | undefined;
  /** The protocol that was agreed on by ALPN. */
  readonly protocol: string | undefined;
}

export interface Reply {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
  readonly certificate: X509Certificate;
}

const timeoutMs = 10_000;
const largestBytes = 1024 * 1024;

const openTls = async (door: Door, name: string | undefined, options: TlsOptions): Promise<TLSSocket> => {
  const socket = connectTls({
    host: door.address,
    port: door.port,
    // What a look finds is a finding; nobody sends a secret without asking for verification.
    rejectUnauthorized: options.verify ?? false,
    ALPNProtocols: [...(options.protocols ?? ['http/1.1'])],
    ...(name === undefined ? {} : { servername: name }),
    ...(options.roots === undefined ? {} : { ca: [...options.roots] }),
  });
  try {
    await once(socket, 'secureConnect', { signal: options.signal });
    // Whoever uses the socket listens as well; in between an error must not end the process.
    socket.on('error', () => undefined);
    return socket;
  } catch (error) {
    socket.destroy();
    options.signal.throwIfAborted();
    throw error;
  }
};

/**
 * Uses one connection for one act, within 10 s.
 * @throws Node's network and TLS errors, TimeoutError, or the signal's reason
 */
const over = async <T>(
  door: Door,
  name: string | undefined,
  options: TlsOptions,
  act: (socket: TLSSocket, signal: AbortSignal) => Promise<T>,
): Promise<T> =>
  within(options.signal, timeoutMs, async (signal) => {
    const socket = await openTls(door, name, { ...options, signal });
    try {
      return await act(socket, signal);
    } catch (error) {
      signal.throwIfAborted();
      throw error;
    } finally {
      socket.destroy();
    }
  });

const certificateOf = (socket: TLSSocket): X509Certificate => {
  const certificate = socket.getPeerX509Certificate();
  if (certificate === undefined) throw new Error('the server showed no certificate');
  return certificate;
};

/** Shakes hands for a name (undefined: for none), looks, and hangs up. @throws what {@link over} throws */
export const shakeHands = async (
  door: Door,
  name: string | undefined,
  options: TlsOptions,
): Promise<Handshake> =>
  over(door, name, options, async (socket) => ({
    certificate: certificateOf(socket),
    distrust: socket.authorized ? undefined : String(socket.authorizationError),
    protocol: socket.alpnProtocol === false ? undefined : (socket.alpnProtocol ?? undefined),
  }));

interface Ask {
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/**
 * One GET over a connection of its own: one that was kept alive may belong to a worker with an old configuration.
 * A switch of protocols is a reply too. Bodies are read up to 1 MiB. @throws what {@link over} throws
 */
export const get = async (door: Door, name: string, ask: Ask, options: TlsOptions): Promise<Reply> =>
  over(door, name, options, async (socket, signal) => {
    const certificate = certificateOf(socket);
    return new Promise<Reply>((resolve, reject) => {
      const call = request({
        createConnection: () => socket,
        maxHeaderSize: largestBytes,
        path: ask.path,
        headers: { host: `${name}:${door.port}`, connection: 'close', ...ask.headers },
        signal,
      });
      call.on('error', reject);
      call.on('upgrade', ({ statusCode, headers }) => {
        resolve({ status: statusCode ?? 0, headers, text: '', certificate });
      });
      call.on('response', (response) => {
        let text = '';
        response.setEncoding('utf8');
        response.on('error', reject);
        response.on('data', (chunk: string) => {
          if (text.length < largestBytes) text += chunk;
        });
        response.on('end', () => {
          resolve({ status: response.statusCode ?? 0, headers: response.headers, text, certificate });
        });
      });
      call.end();
    });
  });

/** The status and headers of one GET over a Unix socket, without TLS. @throws what {@link over} throws */
export const getOverSocket = async (
  socketPath: string,
  host: string,
  path: string,
  signal: AbortSignal,
): Promise<{ readonly status: number; readonly headers: IncomingHttpHeaders }> =>
  within(
    signal,
    timeoutMs,
    async (limit) =>
      new Promise((resolve, reject) => {
        const headers = { host, connection: 'close' };
        const call = request({ socketPath, path, headers, signal: limit, agent: false }, (response) => {
          response.resume();
          resolve({ status: response.statusCode ?? 0, headers: response.headers });
        });
        call.on('error', reject);
        call.end();
      }),
  );

/** RFC 6455 §1.3: what a server makes of the client's key, so that no other switch of protocols passes. */
const acceptOf = (key: string): string =>
  createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64');

/** Asks for a WebSocket and hangs up. Accepted: it was one that was opened. @throws what {@link over} throws */
export const openWebSocket = async (
  door: Door,
  name: string,
  path: string,
  options: TlsOptions,
): Promise<{ readonly status: number; readonly accepted: boolean }> => {
  const key = randomBytes(16).toString('base64');
  const headers = {
    connection: 'Upgrade',
    upgrade: 'websocket',
    'sec-websocket-version': '13',
    'sec-websocket-key': key,
  };
  const reply = await get(door, name, { path, headers }, options);
  const accepted = reply.status === 101 && reply.headers['sec-websocket-accept'] === acceptOf(key);
  return { status: reply.status, accepted };
};

/** What a gRPC call came to. `grpcStatus` is undefined where the answer was not gRPC. */
export interface GrpcReply {
  readonly httpStatus: number;
  readonly grpcStatus: string | undefined;
  /** The first message, without its five bytes of framing. */
  readonly message: Buffer;
}

/** The call over one connection. `httpStatus` is 0 where that ended without an answer. */
const callOnce = async (
  door: Door,
  name: string,
  method: string,
  message: Buffer,
  options: TlsOptions,
): Promise<GrpcReply> =>
  over(door, name, { ...options, protocols: ['h2'] }, async (socket, signal) => {
    const session = connectHttp2(`https://${name}:${door.port}`, { createConnection: () => socket });
    try {
      return await new Promise<GrpcReply>((resolve, reject) => {
        session.on('error', reject);
        const stream = session.request(
          { ':method': 'POST', ':path': method, 'content-type': 'application/grpc', te: 'trailers' },
          { signal },
        );
        const fields: Record<string, unknown> = {};
        const chunks: Buffer[] = [];
        stream.on('error', reject);
        stream.on('response', (headers) => Object.assign(fields, headers));
        stream.on('trailers', (trailers) => Object.assign(fields, trailers));
        stream.on('data', (chunk: Buffer) => chunks.push(chunk));
        stream.on('end', () => {
          const status = fields['grpc-status'];
          resolve({
            httpStatus: Number(fields[':status'] ?? 0),
            grpcStatus: typeof status === 'string' ? status : undefined,
            message: Buffer.concat(chunks).subarray(5),
          });
        });
        const framing = Buffer.alloc(5);
        framing.writeUInt32BE(message.length, 1);
        stream.end(Buffer.concat([framing, message]));
      });
    } finally {
      session.destroy();
    }
  });

const isHungUp = (error: unknown): boolean => /^(ECONNRESET|EPIPE|ERR_HTTP2_.*)$/.test(errnoOf(error) ?? '');

/**
 * One unary gRPC call over HTTP/2. `method` is `/package.Service/Method`. An answer that is not gRPC is a reply too.
 * A connection that ends before anything is answered is replaced once, as every client of gRPC does: a reload of nginx ends
 * those on which nothing was asked yet.
 * @throws what {@link over} throws, and where HTTP/2 is not spoken
 * @see https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md
 * @see https://github.com/grpc/proposal/blob/master/A6-client-retries.md#transparent-retries
 */
export const callGrpc = async (
  door: Door,
  name: string,
  method: string,
  message: Buffer,
  options: TlsOptions,
): Promise<GrpcReply> => {
  try {
    const reply = await callOnce(door, name, method, message, options);
    if (reply.httpStatus !== 0) return reply;
  } catch (error) {
    if (!isHungUp(error)) throw error;
  }
  return callOnce(door, name, method, message, options);
};
