import type { Check } from '../../orchestrator/report/check.ts';
import { errnoOf, isStackError } from '../../shared/errors.ts';
import type { Http } from '../../shared/http.ts';
import type { DesiredIngress } from '../desired.ts';
import type { ObservePorts } from '../observe.ts';

/** The CA of the private names, as the proof uses it. */
export interface LocalCa {
  /** Its certificate, PEM. */
  readonly root: string;
  /** The domains it may sign for, as its certificate says. */
  readonly permitted: readonly string[];
  /** A certificate by it for any name, which is kept nowhere. PEM. */
  readonly signFor: (name: string) => Promise<{ readonly chainPem: string; readonly keyPem: string }>;
}

export interface TlsProofPorts extends ObservePorts {
  /** PEM of the only roots that certificates may chain to; read at each proof. */
  readonly trustedRoots: (signal: AbortSignal) => Promise<readonly string[]>;
  readonly http: Pick<Http, 'call'>;
  /** The key this program uses at Pocket ID; undefined where there is none yet. */
  readonly identityKey: () => Promise<string | undefined>;
  /** The CA of the private names; undefined where it or its key is not there. */
  readonly localCa: () => Promise<LocalCa | undefined>;
}

/** What one check came to. */
export interface Finding {
  readonly status: Check['status'];
  readonly detail: string;
  readonly fix?: string;
}

export const passed = (detail: string): Finding => ({ status: 'passed', detail });
export const skipped = (detail: string): Finding => ({ status: 'skipped', detail });
export const failed = (detail: string, fix: string): Finding => ({ status: 'failed', detail, fix });
export const either = (holds: boolean, detail: string, fix: string): Finding =>
  holds ? passed(detail) : failed(detail, fix);

export const textOf = (error: unknown): string => {
  const text = error instanceof Error ? error.message : String(error);
  return `${errnoOf(error) ?? ''} ${text}`.trim();
};

export const again = 'npm run up puts configuration and certificate in place';
export const logsOf = (service: string): string => `npm run -s logs -- --service ${service} shows why`;

/** What all checks of one proof share. */
export interface Proof {
  readonly desired: DesiredIngress;
  readonly ports: TlsProofPorts;
  readonly roots: readonly string[];
  readonly signal: AbortSignal;
}

/** Runs one check; what it throws is what the server did wrong. */
export const check = async (
  { signal }: Proof,
  id: string,
  title: string,
  service: string,
  act: () => Promise<Finding>,
): Promise<Check> => {
  const base = { id, title, required: true };
  try {
    return { ...base, ...(await act()) };
  } catch (error) {
    signal.throwIfAborted();
    if (isStackError(error)) throw error;
    return { ...base, ...failed(textOf(error), logsOf(service)) };
  }
};
