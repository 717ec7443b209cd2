import type { Server } from 'node:net';
import type { AddressInfo } from 'node:net';

/** One running role of the stand-in. `close` ends every open connection and resolves when the ports are free again. */
export interface Running {
  /** The ports that were opened, by purpose; useful when 0 was asked for. */
  readonly ports: Readonly<Record<string, number>>;
  close(): Promise<void>;
}

/** Writes one line of a role's log. Lines never hold a secret. */
export type Log = (line: string) => void;

/** Opens `server` and gives the port it got. Without a host it listens on every address, IPv6 included where there is one. */
export async function listen(server: Server, port: number, host: string | undefined): Promise<number> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen({ port, ...(host === undefined ? {} : { host }) }, () => {
      server.off('error', reject);
      resolve();
    });
  });
  return (server.address() as AddressInfo).port;
}

/** Stops accepting and resolves when the port is free; open connections are the caller's to end. */
export async function stopListening(server: Server): Promise<void> {
  await new Promise<void>((resolve) => {
    server.close(() => resolve());
  });
}
