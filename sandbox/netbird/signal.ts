import type { ServerResponse } from 'node:http';
import type { Http2ServerResponse } from 'node:http2';
import { openDualPort } from './dual-http.ts';
import { answerGrpc, isGrpc, type GrpcService } from './grpc.ts';
import type { Running } from './running.ts';
import { createWebSocketPath, refuseUpgrade } from './websocket.ts';

export interface SignalOptions {
  /** 0 takes any free port. */
  readonly port: number;
  /** Absent: every address. */
  readonly host?: string;
}

/** `Send` takes any message for any receiver: the real server drops what nobody is connected for, and says nothing. */
const service: GrpcService = {
  name: 'signalexchange.SignalExchange',
  methods: { Send: () => Buffer.alloc(0) },
  // Every device holds one of these, and is registered for as long as it is open.
  streams: {
    ConnectStream: {
      needs: 'x-wiretrustee-peer-id',
      headers: { 'x-wiretrustee-peer-registered': '1' },
    },
  },
};

/** Starts a stand-in for NetBird's signal server: gRPC `Send` and `ConnectStream`, and the WebSocket path of browsers, on one port. */
export async function createSignal(options: SignalOptions): Promise<Running> {
  const webSocket = createWebSocketPath('/ws-proxy/signal');
  const server = await openDualPort(
    {
      http1: (request, response) => {
        if (webSocket.matches(request.url)) webSocket.refuse(response);
        else refuseOtherThanGrpc(request.method, response);
      },
      http2: (request, response) => {
        if (isGrpc(request)) void answerGrpc(service, request, response);
        else refuseOtherThanGrpc(request.method, response);
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

function refuseOtherThanGrpc(
  method: string | undefined,
  response: ServerResponse | Http2ServerResponse,
): void {
  response.statusCode = 405;
  response.setHeader('allow', 'POST');
  response.setHeader('content-type', 'text/plain; charset=utf-8');
  response.end(`invalid gRPC request method "${method ?? ''}"\n`);
}
