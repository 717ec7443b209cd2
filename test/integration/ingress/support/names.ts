import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { decode, encode } from 'dns-packet';

export interface Names {
  /** `127.0.0.1:<port>`. */
  readonly address: string;
  /** Where names point; a name that is not here does not exist. */
  readonly table: Map<string, string>;
  readonly close: () => Promise<void>;
}

/** A name server on loopback whose answers a test changes: what Docker's is to a container. */
export const startNames = async (initial: Readonly<Record<string, string>>): Promise<Names> => {
  const table = new Map(Object.entries(initial));
  const socket = createSocket('udp4');
  socket.on('message', (message, from) => {
    const { id, questions = [] } = decode(message);
    const name = questions[0]?.name ?? '';
    const data = table.get(name);
    const answers = data === undefined ? [] : [{ type: 'A' as const, name, ttl: 600, data }];
    // RCODE 3: no such name.
    const flags = 0x0100 | 0x0080 | (data === undefined ? 3 : 0);
    socket.send(
      encode({ type: 'response', id: id ?? 0, flags, questions, answers }),
      from.port,
      from.address,
    );
  });
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  return {
    address: `127.0.0.1:${socket.address().port}`,
    table,
    async close() {
      socket.close();
      await once(socket, 'close');
    },
  };
};
