import { Client, credentials, Metadata, type ServiceError, type StatusObject } from '@grpc/grpc-js';

/** How a unary call ended: a message, or a status with its text. */
export type GrpcAnswer =
  | { readonly status: 0; readonly message: Buffer }
  | { readonly status: number; readonly details: string };

const deadlineMs = 30_000;

/** Makes one unary call without TLS, message bytes in, message bytes out. `url` is the server's http:// address. */
export const callGrpc = async (url: string, method: string, message: Buffer): Promise<GrpcAnswer> => {
  const client = new Client(new URL(url).host, credentials.createInsecure());
  const asIs = (bytes: Buffer): Buffer => bytes;
  try {
    return await new Promise<GrpcAnswer>((resolve) => {
      const answered = (error: ServiceError | null, answer?: Buffer): void => {
        if (error === null) resolve({ status: 0, message: answer ?? Buffer.alloc(0) });
        else resolve({ status: error.code, details: error.details });
      };
      client.makeUnaryRequest(method, asIs, asIs, message, { deadline: Date.now() + deadlineMs }, answered);
    });
  } finally {
    client.close();
  }
};

/** How a stream began: the headers of its answer, or the status that refused it. */
export type GrpcBeginning =
  | { readonly headers: Readonly<Record<string, unknown>> }
  | { readonly status: number; readonly details: string };

/** Opens a stream in both directions without TLS, and ends it as soon as it has begun. */
export const beginStream = async (
  url: string,
  method: string,
  headers: Readonly<Record<string, string>>,
): Promise<GrpcBeginning> => {
  const client = new Client(new URL(url).host, credentials.createInsecure());
  const metadata = new Metadata();
  for (const [name, value] of Object.entries(headers)) metadata.set(name, value);
  const asIs = (bytes: Buffer): Buffer => bytes;
  try {
    const deadline = Date.now() + deadlineMs;
    const stream = client.makeBidiStreamRequest(method, asIs, asIs, metadata, { deadline });
    return await new Promise<GrpcBeginning>((resolve) => {
      // A refusal comes as headers, status and error: the status is what counts, and it comes at once.
      stream.on('error', () => undefined);
      stream.on('status', ({ code, details }: StatusObject) => {
        resolve({ status: code, details });
      });
      stream.on('metadata', (answer: Metadata) => {
        if (answer.get('x-wiretrustee-peer-registered').length > 0) resolve({ headers: answer.getMap() });
      });
    }).finally(() => {
      stream.cancel();
    });
  } finally {
    client.close();
  }
};

/** A protobuf field that holds bytes or text, up to 127 bytes long. */
export const field = (number: number, content: string): Buffer =>
  Buffer.concat([Buffer.from([(number << 3) | 2, content.length]), Buffer.from(content)]);
