import { createSocket } from 'node:dgram';
import { createServer } from 'node:net';

/*
 * Ports for servers that are told where to listen, and for addresses at which nobody is to answer.
 *
 * A port that the system picks and takes back may be somebody else's by the time it is used: every outgoing connection
 * gets one of the same range. So these lie below that range (32768 and up on Linux, net.ipv4.ip_local_port_range), each
 * process has a block of them to itself, and no port is handed out twice. A process owns a block as long as it holds
 * the block's first port; the system takes that back however the process ends.
 */

const firstPort = 20_000;
const blockSize = 64;
const blockCount = 199; // up to 32735

/** True where nobody has the port, over TCP and UDP. 0.0.0.0 can be bound only where no address of this machine has it. */
export const isFree = async (port: number): Promise<boolean> => {
  const tcp = await new Promise<boolean>((done) => {
    const server = createServer();
    server.once('error', () => {
      done(false);
    });
    server.listen(port, '0.0.0.0', () => {
      server.close(() => {
        done(true);
      });
    });
  });
  if (!tcp) return false;
  return new Promise((done) => {
    const socket = createSocket('udp4');
    socket.once('error', () => {
      socket.close();
      done(false);
    });
    socket.bind(port, '0.0.0.0', () => {
      socket.close(() => {
        done(true);
      });
    });
  });
};

/** Holds a port until this process ends. @returns whether it could be had */
const hold = async (port: number): Promise<boolean> =>
  new Promise((done) => {
    const server = createServer((connection) => connection.destroy());
    server.once('error', () => {
      done(false);
    });
    server.listen(port, '127.0.0.1', () => {
      server.unref();
      done(true);
    });
  });

/** Blocks are tried one after the other from a place that differs from process to process. */
let nextBlock = process.pid % blockCount;
let tried = 0;
const claimBlock = async (): Promise<number> => {
  for (; tried < blockCount; tried += 1) {
    const base = firstPort + nextBlock * blockSize;
    nextBlock = (nextBlock + 1) % blockCount;
    if (await hold(base)) return base;
  }
  throw new Error(`all ${blockCount} blocks of ports from ${firstPort} on are taken`);
};

let next = 0;
let end = 0;
const take = async (count: number): Promise<number> => {
  for (let first = next, length = 0; ;) {
    if (next + count - length > end) {
      const base = await claimBlock();
      [next, end] = [base + 1, base + blockSize];
      [first, length] = [next, 0];
    }
    const port = next;
    next += 1;
    if (await isFree(port)) length += 1;
    else [first, length] = [next, 0];
    if (length === count) return first;
  }
};

/** One request at a time. */
let last: Promise<unknown> = Promise.resolve();

/** The first of `count` ports in a row that nobody else has or gets, over TCP and UDP, while this process runs. */
export const freePorts = async (count: number): Promise<number> => {
  const mine = last.then(async () => take(count));
  last = mine.catch(() => undefined);
  return mine;
};

/** A port that nobody else has or gets, over TCP and UDP, while this process runs. */
export const freePort = async (): Promise<number> => freePorts(1);

/** A number below 12,800 that no other call gets, in no process, while this one runs: to tell subnets apart by. */
export const ownNumber = async (): Promise<number> => (await freePort()) - firstPort;
