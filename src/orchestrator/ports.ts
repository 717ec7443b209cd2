import type { Effects } from './effects.ts';

/*
 * What one area offers to another, as types only. areas.ts hands the implementations over.
 */

export interface ExecResult {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a program inside a service's running container (given by containers; used by postgres and ingress). */
export interface ContainerExec {
  /**
   * @throws {StackError} ENGINE_UNREACHABLE, ENGINE_FAILED; SERVICE_UNHEALTHY where the service has no running container
   */
  readonly exec: (
    service: string,
    argv: readonly string[],
    options: { readonly user?: string; readonly stdin?: string | Uint8Array; readonly signal: AbortSignal },
  ) => Promise<ExecResult>;
}

/** A TXT record that exists at the provider. */
export interface TxtRecord {
  readonly id: string;
  readonly zoneId: string;
  readonly name: string;
  readonly value: string;
}

/** TXT records for ACME's DNS-01 (given by dns; used by acme). Only records with our comment are ever removed. */
export interface TxtPort {
  /**
   * Where a record of that name really has to stand: the name itself, or where an alias record of exactly that name leads
   * (a delegation of `_acme-challenge`). `domain` is the zone. @throws {StackError} DNS_API_*, ZONE_NOT_FOUND, RECORD_CONFLICT
   */
  readonly locate: (
    name: string,
    signal: AbortSignal,
  ) => Promise<{ readonly name: string; readonly domain: string }>;
  /** Creates the record, or adopts an identical one. @throws {StackError} DNS_API_*, ZONE_NOT_FOUND */
  readonly present: (
    name: string,
    value: string,
    comment: string,
    effects: Effects,
    signal: AbortSignal,
  ) => Promise<TxtRecord>;
  /** Removes it; one that is gone already is fine. */
  readonly remove: (record: TxtRecord, effects: Effects, signal: AbortSignal) => Promise<void>;
  /** Ours that still exist: TXT records below `domain` whose comment starts with the prefix. */
  readonly leftovers: (
    domain: string,
    commentPrefix: string,
    signal: AbortSignal,
  ) => Promise<readonly TxtRecord[]>;
  /**
   * Waits until every authoritative server of the name shows the value.
   * @throws {StackError} DNS_NOT_PROPAGATED, which names the server that lags and what it said
   */
  readonly untilPropagated: (
    name: string,
    value: string,
    timeoutMs: number,
    signal: AbortSignal,
  ) => Promise<void>;
}
