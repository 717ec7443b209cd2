import { randomBytes } from 'node:crypto';
import { openDualPort, type AnyRequest, type AnyResponse } from '../dual-http.ts';
import { answerGrpc, isGrpc, type GrpcService } from '../grpc.ts';
import { bytesField, varintField } from '../protobuf.ts';
import type { Log, Running } from '../running.ts';
import { createWebSocketPath, refuseUpgrade } from '../websocket.ts';
import { pageNotFound, type Answer } from './answers.ts';
import { readManagementConfig } from './config.ts';
import { createIdTokenVerifier } from './id-token.ts';
import { answerRest } from './rest.ts';
import { createSeal } from './seal.ts';
import { openStore } from './store.ts';
import type { World } from './world.ts';

/** What a management server is started with; the flags of the real one have the same meaning. */
export interface ManagementOptions {
  /** Path of management.json. */
  readonly configPath: string;
  readonly dataDirectory: string;
  /** 0 takes any free port. */
  readonly port: number;
  /** Absent: every address. */
  readonly host?: string;
  readonly accountDomain: string;
  readonly dnsDomain: string;
  /** `--idp-sign-key-refresh-enabled`: as if the file had it on. */
  readonly refreshKeys?: boolean;
  /** What `{{ .NAME }}` in management.json stands for. */
  readonly variables: Readonly<Record<string, string | undefined>>;
  readonly log: Log;
  readonly now?: () => Date;
}

const largestBodyBytes = 1_048_576;

/**
 * Starts a stand-in for NetBird's management server: REST under `/api`, gRPC (GetServerKey, isHealthy) and the
 * WebSocket path of browsers, all on one port.
 * @throws {StartError} a configuration or data directory that the real server would not start or survive with.
 */
export async function createManagement(options: ManagementOptions): Promise<Running> {
  const read = readManagementConfig(options.configPath, options.variables);
  const config = { ...read, refreshKeys: read.refreshKeys || options.refreshKeys === true };
  const world: World = {
    store: openStore(options.dataDirectory),
    seal: createSeal(config.encryptionKey),
    accountDomain: options.accountDomain,
    dnsDomain: options.dnsDomain,
    disableDefaultPolicy: config.disableDefaultPolicy,
    now: options.now ?? (() => new Date()),
  };
  const verify = await createIdTokenVerifier(config, options.log);
  const service = managementService();
  const webSocket = createWebSocketPath('/ws-proxy/management');

  const rest = (request: AnyRequest, response: AnyResponse): void => {
    void answerOver(request, response, (body) =>
      answerRest(
        {
          method: request.method ?? '',
          url: request.url ?? '',
          authorization: request.headers.authorization,
          body,
        },
        world,
        verify,
        options.log,
      ),
    );
  };
  const server = await openDualPort(
    {
      http1: (request, response) => {
        if (webSocket.matches(request.url)) webSocket.refuse(response);
        else rest(request, response);
      },
      http2: (request, response) => {
        if (isGrpc(request)) void answerGrpc(service, request, response);
        else rest(request, response);
      },
      upgrade: (request, socket, head) => {
        if (webSocket.matches(request.url)) webSocket.accept(request, socket, head);
        else refuseUpgrade(socket);
      },
    },
    options.port,
    options.host,
  );
  return {
    ports: { main: server.port },
    close: async () => {
      webSocket.close();
      await server.close();
    },
  };
}

/** The key is new at every start, as the real server's is. Its `expiresAt` has no meaning there either. */
function managementService(): GrpcService {
  const key = randomBytes(32).toString('base64');
  const expiresAt = Buffer.concat([varintField(1, 60), varintField(2, 999_999_999)]);
  const answer = Buffer.concat([bytesField(1, Buffer.from(key)), bytesField(2, expiresAt)]);
  return {
    name: 'management.ManagementService',
    methods: { GetServerKey: () => answer, isHealthy: () => Buffer.alloc(0) },
  };
}

async function answerOver(
  request: AnyRequest,
  response: AnyResponse,
  handle: (body: string) => Promise<Answer>,
): Promise<void> {
  const body = await readBody(request).catch(() => undefined);
  const answer = body === undefined ? pageNotFound : await handle(body);
  const bytes = Buffer.from(answer.body);
  response.statusCode = answer.status;
  response.setHeader('content-type', answer.contentType);
  response.setHeader('content-length', bytes.length);
  response.setHeader('vary', 'Origin');
  response.end(bytes);
}

async function readBody(request: AnyRequest): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request) {
    size += (chunk as Buffer).length;
    if (size > largestBodyBytes) throw new Error('the body is too large');
    chunks.push(chunk as Buffer);
  }
  return Buffer.concat(chunks).toString('utf8');
}
