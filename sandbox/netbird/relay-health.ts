import { readFileSync } from 'node:fs';
import { WebSocket } from 'ws';

/** What dialing the exposed address showed. A certificate is only valid where one was asked for and accepted. */
export interface RelayHealth {
  readonly isHealthy: boolean;
  readonly isCertificateValid: boolean;
  readonly why: string;
}

const dialTimeoutMs = 5000;

/** Opens a WebSocket to `address` and closes it again. `trustFile` is a PEM bundle to trust instead of Node's own. */
export async function checkRelayHealth(address: URL, trustFile: string | undefined): Promise<RelayHealth> {
  try {
    await dial(address, trustFile === undefined ? {} : { ca: readFileSync(trustFile) });
    return { isHealthy: true, isCertificateValid: address.protocol === 'wss:', why: '' };
  } catch (error) {
    return { isHealthy: false, isCertificateValid: false, why: error instanceof Error ? error.message : '' };
  }
}

async function dial(address: URL, trust: { readonly ca?: Buffer }): Promise<void> {
  const socket = new WebSocket(address, { handshakeTimeout: dialTimeoutMs, ...trust });
  await new Promise<void>((resolve, reject) => {
    socket.once('open', resolve);
    socket.once('error', reject);
  });
  socket.on('error', () => {});
  socket.terminate();
}
