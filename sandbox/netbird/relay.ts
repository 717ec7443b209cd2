import { createServer, type Server, type ServerResponse } from 'node:http';
import { checkRelayHealth } from './relay-health.ts';
import { listen, stopListening, type Log, type Running } from './running.ts';
import { StartError } from './start-error.ts';
import { createWebSocketPath, refuseUpgrade } from './websocket.ts';

/** What a relay is started with; the environment of the real one has the same meaning. */
export interface RelayOptions {
  /** `NB_EXPOSED_ADDRESS`: where peers and the health check dial, such as `rels://netbird.example.org:443`. */
  readonly exposedAddress: string;
  /** `NB_AUTH_SECRET`; required, but no token is ever checked with it here. */
  readonly authSecret: string;
  readonly listenAddress: { readonly host: string | undefined; readonly port: number };
  readonly healthListenAddress: { readonly host: string | undefined; readonly port: number };
  /** `SSL_CERT_FILE`: a PEM bundle to trust instead of Node's own; read at every check. */
  readonly trustFile?: string;
  readonly log: Log;
}

/**
 * Starts a stand-in for NetBird's relay: the WebSocket path `/relay`, and a health port whose `/health` dials the
 * exposed address and so proves name, proxy and certificate.
 * @throws {StartError} without an exposed address or a secret, as the real one.
 */
export async function createRelay(options: RelayOptions): Promise<Running> {
  if (options.authSecret === '') throw new StartError('invalid config: auth secret is required');
  if (options.exposedAddress === '') throw new StartError('invalid config: exposed address is required');
  const exposed = exposedUrl(options.exposedAddress);
  options.log(`server will be available on: ${exposed.printed}`);

  const webSocket = createWebSocketPath('/relay');
  const main = createServer((request, response) => {
    if (webSocket.matches(request.url)) webSocket.refuse(response);
    else notFound(response);
  });
  main.on('upgrade', (request, socket, head) => {
    if (webSocket.matches(request.url)) webSocket.accept(request, socket, head);
    else refuseUpgrade(socket);
  });
  const health = healthServer(exposed.dialed, options);
  const port = await listen(main, options.listenAddress.port, options.listenAddress.host);
  const healthPort = await listen(health, options.healthListenAddress.port, options.healthListenAddress.host);
  return {
    ports: { main: port, health: healthPort },
    close: async () => {
      webSocket.close();
      const stopped = Promise.all([stopListening(main), stopListening(health)]);
      main.closeAllConnections();
      health.closeAllConnections();
      await stopped;
    },
  };
}

function healthServer(dialed: URL, options: RelayOptions): Server {
  return createServer((request, response) => {
    if (request.url?.split('?')[0] === '/health') void answerHealth(response, dialed, options);
    else notFound(response);
  });
}

async function answerHealth(response: ServerResponse, dialed: URL, options: RelayOptions): Promise<void> {
  const { isHealthy, isCertificateValid, why } = await checkRelayHealth(dialed, options.trustFile);
  if (!isHealthy) options.log(`health: ${dialed.href} did not answer: ${why}`);
  const document = {
    status: isHealthy ? 'healthy' : 'unhealthy',
    timestamp: new Date().toISOString(),
    listeners: ['ws'],
    certificate_valid: isCertificateValid,
  };
  response.writeHead(isHealthy ? 200 : 503, { 'content-type': 'application/json' });
  response.end(`${JSON.stringify(document)}\n`);
}

function notFound(response: ServerResponse): void {
  response.writeHead(404, { 'content-type': 'text/plain; charset=utf-8' }).end('404 page not found\n');
}

/** Without a scheme the real relay takes `rel://`, that is WebSocket without TLS, and tells peers so. */
function exposedUrl(address: string): { printed: string; dialed: URL } {
  const printed = /^rels?:\/\//.test(address) ? address : `rel://${address}`;
  const [scheme = '', authority = ''] = printed.split('://');
  try {
    return { printed, dialed: new URL(`${scheme === 'rels' ? 'wss' : 'ws'}://${authority}/relay`) };
  } catch {
    throw new StartError(
      `invalid config: ${address} is not an address such as rels://netbird.example.org:443`,
    );
  }
}
