import { once } from 'node:events';
import { request as httpRequest, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { createAuthority } from '../../ingress/support/authority.ts';

/** HTTPS for our names on one port of 127.0.0.1, as nginx does it: the API key never comes in from outside. */
export interface Front {
  readonly port: number;
  /** PEM of the authority that issued its certificate. */
  readonly ca: string;
  /** Says where a name's requests go. */
  readonly route: (name: string, target: string) => void;
  readonly close: () => Promise<void>;
}

const pass = (target: string, request: IncomingMessage, response: ServerResponse): void => {
  const { 'x-api-key': _dropped, ...headers } = request.headers;
  const onward = httpRequest(
    new URL(request.url ?? '/', target),
    { method: request.method, headers: { ...headers, 'x-forwarded-for': '192.0.2.1' } },
    (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(response);
    },
  );
  onward.on('error', () => response.writeHead(502).end());
  request.pipe(onward);
};

export const openFront = async (names: readonly string[]): Promise<Front> => {
  const authority = await createAuthority();
  const { fullchain, key } = await authority.issue(names);
  const targets = new Map<string, string>();
  const server = createServer({ cert: fullchain, key }, (request, response) => {
    const target = targets.get(request.headers.host?.split(':')[0] ?? '');
    if (target === undefined) response.writeHead(404).end();
    else pass(target, request, response);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    ca: authority.root,
    route: (name, target) => void targets.set(name, target),
    async close() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
};
