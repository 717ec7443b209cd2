import type { Http2ServerRequest, Http2ServerResponse } from 'node:http2';

/** gRPC status codes that the stand-in gives. @see https://grpc.github.io/grpc/core/md_doc_statuscodes.html */
const grpcStatus = { ok: 0, failedPrecondition: 9, unimplemented: 12, internal: 13 } as const;

/** A unary method: the answer's message for a request's message, both as protobuf bytes. */
type GrpcMethod = (message: Buffer) => Buffer;

/** A call that stays open until the client ends it and carries no message, only headers in both directions. */
export interface GrpcStream {
  /** A request without this header is refused with failed_precondition. */
  readonly needs: string;
  /** What the answer begins with. */
  readonly headers: Readonly<Record<string, string>>;
}

/** Methods by their name, of one service. */
export interface GrpcService {
  readonly name: string;
  readonly methods: Readonly<Record<string, GrpcMethod>>;
  readonly streams?: Readonly<Record<string, GrpcStream>>;
}

const frameHeaderBytes = 5;

/** True for a request that carries gRPC, whatever its subtype (`application/grpc+proto`). */
export const isGrpc = (request: Http2ServerRequest): boolean =>
  request.headers['content-type']?.startsWith('application/grpc') === true;

/** Answers one gRPC call over HTTP/2: a length-prefixed message, then `grpc-status` as a trailer; or an open stream. */
export async function answerGrpc(
  service: GrpcService,
  request: Http2ServerRequest,
  response: Http2ServerResponse,
): Promise<void> {
  const path = request.url;
  const [, serviceName = '', methodName = ''] = path.split('/');
  if (path.split('/').length !== 3) {
    return refuse(response, grpcStatus.unimplemented, `malformed method name: "${path}"`);
  }
  if (serviceName !== service.name) {
    return refuse(response, grpcStatus.unimplemented, `unknown service ${serviceName}`);
  }
  const { streams = {} } = service;
  const stream = Object.hasOwn(streams, methodName) ? streams[methodName] : undefined;
  if (stream !== undefined) return open(stream, request, response);
  const method = Object.hasOwn(service.methods, methodName) ? service.methods[methodName] : undefined;
  if (method === undefined) {
    const message = `unknown method ${methodName} for service ${serviceName}`;
    return refuse(response, grpcStatus.unimplemented, message);
  }
  const frame = await read(request);
  if (frame.length < frameHeaderBytes || frame.readUInt32BE(1) !== frame.length - frameHeaderBytes) {
    return refuse(response, grpcStatus.internal, 'the request is not one whole gRPC message');
  }
  return give(response, method(frame.subarray(frameHeaderBytes)));
}

function open(stream: GrpcStream, request: Http2ServerRequest, response: Http2ServerResponse): void {
  if (request.headers[stream.needs] === undefined) {
    refuse(response, grpcStatus.failedPrecondition, `missing connection header: ${stream.needs}`);
    return;
  }
  request.resume();
  response.writeHead(200, { 'content-type': 'application/grpc', ...stream.headers });
}

async function read(request: Http2ServerRequest): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

function give(response: Http2ServerResponse, message: Buffer): void {
  const header = Buffer.alloc(frameHeaderBytes);
  header.writeUInt32BE(message.length, 1);
  end(response, Buffer.concat([header, message]), { 'grpc-status': String(grpcStatus.ok) });
}

function refuse(response: Http2ServerResponse, status: number, message: string): void {
  const trailers = { 'grpc-status': String(status), 'grpc-message': percentEncoded(message) };
  end(response, Buffer.alloc(0), trailers);
}

function end(response: Http2ServerResponse, body: Buffer, trailers: Record<string, string>): void {
  // Headers first and on their own: an answer without a body would otherwise end with them and lose its trailers.
  response.writeHead(200, { 'content-type': 'application/grpc' });
  response.addTrailers(trailers);
  response.end(body);
}

/** Everything outside printable ASCII, and the percent sign, as percent escapes (gRPC over HTTP/2, "Status-Message"). */
const percentEncoded = (message: string): string =>
  message.replaceAll(/[^\u0020-\u0024\u0026-\u007e]/gu, (character) =>
    [...Buffer.from(character)]
      .map((byte) => `%${byte.toString(16).toUpperCase().padStart(2, '0')}`)
      .join(''),
  );
