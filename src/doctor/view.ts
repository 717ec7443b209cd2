import type { networkInterfaces } from 'node:os';
import type { PublishedPort, Container } from '../containers/docker/answers.ts';
import type { DnsView, ZoneView } from '../dns/wire/resolve.ts';
import type { TokenReader } from '../dns/wire/token-reader.ts';
import type { Report } from '../orchestrator/report/check.ts';
import type { Settings } from '../settings/settings.ts';
import type { StackError } from '../shared/errors.ts';
import type { Http } from '../shared/http.ts';
import type { FoundAddress } from '../dns/observe.ts';
import type { StunView } from './stun.ts';
import type { TokenFinding } from './token.ts';

/** Free room on the file system of a path. `files`: free and all inodes; all is 0 where it does not count them. */
export interface Room {
  readonly freeBytes: number;
  readonly freeFiles: number;
  readonly files: number;
}

/** This machine, as far as doctor looks at it. */
export interface MachineView {
  /** The room at a path, or at the nearest folder above it that exists. */
  readonly room: (path: string) => Promise<Room>;
  /** The text of a file such as /proc/meminfo; undefined where there is none. */
  readonly readText: (path: string) => Promise<string | undefined>;
  readonly interfaces: () => ReturnType<typeof networkInterfaces>;
  readonly listeners: (signal: AbortSignal) => Promise<string | undefined>;
  readonly nowMs: () => number;
}

/** The Engine, as far as doctor looks at it. @throws {StackError} ENGINE_*, COMPOSE_* */
export interface EngineView {
  readonly check: (signal: AbortSignal) => Promise<void>;
  readonly dataRoot: (signal: AbortSignal) => Promise<string>;
  readonly publishedPorts: (signal: AbortSignal) => Promise<readonly PublishedPort[]>;
}

/** Certificates and routes as nginx serves them. */
export interface ServedView {
  /** What verify-tls finds. @throws {StackError} PROOF_NOT_STARTED where nothing listens */
  readonly report: (signal: AbortSignal) => Promise<Report>;
  /** First and last instant of the certificate that is served. */
  readonly dates: (signal: AbortSignal) => Promise<{ readonly fromMs: number; readonly toMs: number }>;
}

/** `kind`: upstream, built (here) or stand-in. `id`: what the name stands for here; undefined where it is not here yet. */
export type WantedImage =
  | { readonly ref: string; readonly kind: string; readonly id: string | undefined }
  /** It is neither here, nor to be pulled, nor to be built. */
  | { readonly ref: string; readonly gone: string };

/** What hangs on valid settings. */
export interface StackView {
  readonly settings: Settings;
  /** The containers of this stack; empty where it is not up. */
  readonly containers: (signal: AbortSignal) => Promise<readonly Container[]>;
  /** The sum of the memory limits of all services. */
  readonly memoryLimitBytes: () => Promise<number>;
  /** By service: the image that `up` would take now. A service of the host's own override is left out. */
  readonly wantedImages: (
    services: readonly string[],
    signal: AbortSignal,
  ) => Promise<Readonly<Record<string, WantedImage>>>;
  readonly token: TokenReader;
  /** DNS as the settings have it asked. */
  readonly dns: () => Promise<DnsView>;
  /** The servers of dns.authoritative; empty where the delegation names them. */
  readonly authoritative: () => Promise<DnsView['resolvers']>;
  /** The address that our names should lead to. */
  readonly wantedAddress: (signal: AbortSignal) => Promise<FoundAddress>;
  /** Address of the ACME directory, and of our account there once there is one. */
  readonly directory: string;
  readonly account: () => Promise<string | undefined>;
  /** For the stack's own names, by the roots that its certificates chain to. */
  readonly publicHttp: Pick<Http, 'call'>;
  readonly served: ServedView;
  /** Redirect addresses of the client as Pocket ID has them; undefined where there is no client. @throws {StackError} IDENTITY_* */
  readonly redirects: (
    signal: AbortSignal,
  ) => Promise<{ readonly callbacks: readonly string[]; readonly logouts: readonly string[] } | undefined>;
  readonly stun: StunView;
}

/** What several examinations look at, looked up once and only when asked for. */
export interface Known {
  readonly token: () => Promise<TokenFinding>;
  readonly zone: () => Promise<ZoneView>;
  /** @throws {StackError} ENGINE_* */
  readonly containers: () => Promise<readonly Container[]>;
  /** True where a container of the stack runs; false, too, where the Engine does not answer. */
  readonly running: () => Promise<boolean>;
  /** What verify-tls finds. @throws {StackError} PROOF_NOT_STARTED */
  readonly served: () => Promise<Report>;
}

/** All that doctor looks at. Nothing in it writes. */
export interface DoctorView {
  readonly machine: MachineView;
  readonly engine: EngineView;
  /** For the outside, with the system's own roots. */
  readonly http: Pick<Http, 'call'>;
  /** DNS as this system has it asked. */
  readonly systemDns: DnsView;
  /** The stack of the host, or what keeps its settings from being read. */
  readonly stack: (StackView & { readonly known: Known }) | { readonly broken: StackError };
}
