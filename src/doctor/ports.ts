import type { PublishedPort } from '../containers/docker/answers.ts';
import { overlaps, parseListeners, type WantedPort } from '../containers/docker/conflicts.ts';
import { run } from '../shared/exec.ts';

/** Who holds a port of this host. */
export type Holder =
  | {
      readonly kind: 'container';
      readonly name: string;
      readonly project: string | undefined;
      readonly service: string | undefined;
    }
  | { readonly kind: 'program'; readonly name: string; readonly pid: number | undefined }
  /** Something does, and this user may not see what. */
  | { readonly kind: 'unknown' };

export interface PortsView {
  /** What `ss -Hlntup` says; undefined where there is no such program. */
  readonly listeners: (signal: AbortSignal) => Promise<string | undefined>;
  /** Ports that containers publish; empty where there is no Engine. */
  readonly published: (signal: AbortSignal) => Promise<readonly PublishedPort[]>;
}

/** The listeners of this host; names of programs of others only for root. */
export const systemListeners = async (signal: AbortSignal): Promise<string | undefined> => {
  const outcome = await run('ss', ['-Hlntup'], { timeoutMs: 5000, signal });
  return outcome.exitCode === 0 ? outcome.stdout : undefined;
};

/** Who holds each of these ports; undefined for a port that is free. Looks only: no port is tried. */
export const holdersOf = async (
  ports: readonly WantedPort[],
  view: PortsView,
  signal: AbortSignal,
): Promise<readonly (Holder | undefined)[]> => {
  const [text, published] = await Promise.all([view.listeners(signal), view.published(signal)]);
  const listeners = parseListeners(text ?? '');
  return ports.map((port): Holder | undefined => {
    const container = published.find((one) => overlaps(port, one));
    if (container !== undefined) {
      const { container: name, project, service } = container;
      return { kind: 'container', name, project, service };
    }
    const listener = listeners.find((one) => overlaps(port, one));
    if (listener === undefined) return undefined;
    if (listener.program === '') return { kind: 'unknown' };
    return { kind: 'program', name: listener.program, pid: listener.pid };
  });
};

/** Who holds one port. */
export const holderOf = async (
  port: WantedPort,
  view: PortsView,
  signal: AbortSignal,
): Promise<Holder | undefined> => (await holdersOf([port], view, signal))[0];

export const holderText = (holder: Holder): string => {
  switch (holder.kind) {
    case 'container':
      return `the container ${holder.name}`;
    case 'program':
      return holder.pid === undefined ? holder.name : `${holder.name} (process ${holder.pid})`;
    case 'unknown':
      return 'a program that this user may not see (sudo ss -lntup shows it)';
  }
};
