import { X509Certificate } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { digestOf } from '../shared/files.ts';
import type { DesiredIngress } from './desired.ts';
import { copiesOf, frontHeader, renderFront, socketOf } from './doors/front.ts';
import { staleCopies, type ReadPair } from './doors/hand-over.ts';
import { get, getOverSocket, type Door } from './probe.ts';
import { markerHeader, markerPath } from './render.ts';

/** What nginx showed for one name, or why it showed nothing. */
export type Served =
  | {
      /** Undefined where it was asked without TLS. */
      readonly serial: string | undefined;
      readonly version: string | undefined;
      /** Version of the other nginx's virtual hosts, where the answer came through them. */
      readonly front?: string | undefined;
    }
  | { readonly silent: string };

/** What nginx serves for one name, and what it should. */
export interface ServedName {
  readonly name: string;
  /** Serial number of the stored certificate in hex; undefined where there is none. */
  readonly stored: string | undefined;
  readonly seen: Served;
}

/** What is to be seen of the nginx that holds the port, and of what it reads. */
export interface FrontWorld {
  /** The file with its virtual hosts is as wanted. */
  readonly isWritten: boolean;
  /** Files with a certificate that are not what the store has. */
  readonly stale: readonly string[];
  /** What comes through it. */
  readonly served: readonly ServedName[];
}

/** The certificates in the store, and what nginx serves. */
export interface IngressWorld {
  /** By our own nginx: at its port, or over its socket where another one holds the port. */
  readonly served: readonly ServedName[];
  readonly front?: FrontWorld;
}

export interface ObservePorts {
  /** The text of a file of this host; undefined where there is none. */
  readonly readText: (path: string) => Promise<string | undefined>;
}

/** What looking at another nginx takes besides. */
export interface FrontPorts extends ObservePorts {
  readonly readPair: ReadPair;
}

/** Where a host's nginx is reached from here. */
export const doorOf = (desired: DesiredIngress): Door => ({
  address: desired.dialAddress,
  port: desired.port,
});

/** Serial number in hex, as Node writes it, of the first certificate in a PEM text; undefined where it is none. */
const serialOf = (pem: string | undefined): string | undefined => {
  try {
    return pem === undefined ? undefined : new X509Certificate(pem).serialNumber;
  } catch {
    return undefined;
  }
};

/** The serial number of a certificate in the store; undefined where there is none that can be read. */
export const storedSerial = async (file: string, ports: ObservePorts): Promise<string | undefined> =>
  serialOf(await ports.readText(file));

/** Every name that has a virtual host, with the file of its certificate. */
const allNames = (desired: DesiredIngress): readonly { readonly name: string; readonly file: string }[] => [
  ...desired.names.map((name) => ({ name, file: desired.certificateFile })),
  ...desired.privateNames.map(({ name }) => ({ name, file: desired.privateCertificateFile })),
];

const textHeader = (headers: IncomingHttpHeaders, name: string): string | undefined => {
  const value = headers[name];
  return typeof value === 'string' ? value : undefined;
};

const quietly = async (signal: AbortSignal, look: () => Promise<Served>): Promise<Served> => {
  try {
    return await look();
  } catch (error) {
    signal.throwIfAborted();
    return { silent: error instanceof Error ? error.message : String(error) };
  }
};

const atPort = async (desired: DesiredIngress, name: string, signal: AbortSignal): Promise<Served> =>
  quietly(signal, async () => {
    const { headers, certificate } = await get(doorOf(desired), name, { path: markerPath }, { signal });
    return {
      serial: certificate.serialNumber,
      version: textHeader(headers, markerHeader),
      front: textHeader(headers, frontHeader),
    };
  });

const overSocket = async (socket: string, name: string, signal: AbortSignal): Promise<Served> =>
  quietly(signal, async () => {
    const { headers } = await getOverSocket(socket, name, markerPath, signal);
    return { serial: undefined, version: textHeader(headers, markerHeader) };
  });

const lookAt = async (
  desired: DesiredIngress,
  ports: ObservePorts,
  look: (name: string) => Promise<Served>,
): Promise<readonly ServedName[]> =>
  Promise.all(
    allNames(desired).map(async ({ name, file }) => {
      const [stored, seen] = await Promise.all([storedSerial(file, ports), look(name)]);
      return { name, stored, seen };
    }),
  );

/** Asks nginx for every name at once, over connections of their own; changes nothing. */
export const observeIngress = async (
  desired: DesiredIngress,
  ports: FrontPorts,
  signal: AbortSignal,
): Promise<IngressWorld> => {
  const { front } = desired;
  const throughPort = lookAt(desired, ports, async (name) => atPort(desired, name, signal));
  if (front === undefined) return { served: await throughPort };
  const [served, outside, text, stale] = await Promise.all([
    lookAt(desired, ports, async (name) => overSocket(socketOf(front), name, signal)),
    throughPort,
    ports.readText(front.file),
    staleCopies(front.folder, copiesOf(desired), ports.readPair),
  ]);
  const isWritten = text === renderFront(desired, front, digestOf).text;
  return { served, front: { isWritten, stale: stale.map(({ file }) => file), served: outside } };
};
