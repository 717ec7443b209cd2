import type { Settings } from '../settings/settings.ts';
import type { Owner } from '../shared/files.ts';
import type { Effects } from './effects.ts';
import type { Fact, Facts } from './facts.ts';

export type AreaName =
  | 'containers'
  | 'postgres'
  | 'dns'
  | 'acme'
  | 'private'
  | 'ingress'
  | 'oidc'
  | 'netbird';

/** What only one step at a time may use. */
export type Exclusive = 'compose' | 'cloudflare' | 'certificates' | 'postgres' | 'pocket-id' | 'netbird';

/** One change to the world. Areas extend it with what their `apply` needs. */
export interface Step {
  readonly kind: string;
  /** The same for the same change in every round, such as `start postgres`; shown to people. */
  readonly id: string;
  /** What was seen and what is wanted, in one line. */
  readonly why: string;
  readonly needs: readonly Fact[];
  readonly uses: readonly Exclusive[];
  readonly impact: 'none' | 'reload' | 'restart' | 'remove';
  readonly deadlineMs: number;
  /** True where the world could not be seen yet, so the step is expected and not known. */
  readonly assumed?: boolean;
}

/** A secret inside a file that is rendered: its name in the secret store, never its value. */
export interface SecretRef {
  readonly secret: string;
  /** `url`: percent-encoded, as a part of a URL. */
  readonly as?: 'url';
}

/**
 * Text that depends on what the service's own image turned out to be: a stand-in never gets the name of real data.
 */
export interface ByImageKind {
  readonly real: string;
  readonly standIn: string;
}

/** One file that a service reads, in `services/<service>/current/<path>`. */
export interface ServiceFile {
  readonly service: string;
  readonly path: string;
  /** Text with references to secrets where their values go; containers fills them in when it writes the file. */
  readonly content: readonly (string | SecretRef | ByImageKind)[];
  /** The container's user that reads it. */
  readonly reader: Owner;
  /** True: the service notices a new version by itself, so a change does not recreate its container. */
  readonly reloads: boolean;
}

/** Something that must outlive us; backup, restore and `down --volumes` read these. */
export interface Keep {
  readonly what: 'volume' | 'folder' | 'secret';
  /** Name of the volume or secret, or absolute path of the folder. */
  readonly name: string;
  readonly why: string;
}

/**
 * One outside system: what should be, what is, and the steps between. Every area has the same rooms
 * (desired, observe, plan, apply, render, proof, adapter).
 */
export interface Area<Desired, World, S extends Step> {
  readonly name: AreaName;
  /** Pure. Secrets are references, never values. */
  readonly desired: (settings: Settings) => Desired;
  /** Reads only, and total: "absent" and "unreachable (why)" are values; it throws only when aborted or for a bug. */
  readonly observe: (desired: Desired, signal: AbortSignal) => Promise<World>;
  readonly facts: (desired: Desired, world: World) => Facts;
  /** Pure: the whole difference, empty when nothing is left to do. */
  readonly plan: (desired: Desired, world: World) => readonly S[];
  /** One function per kind of step: idempotent, and safe to be killed at any instruction. */
  readonly apply: {
    readonly [K in S['kind']]: (
      step: Extract<S, { kind: K }>,
      effects: Effects,
      signal: AbortSignal,
    ) => Promise<void>;
  };
  readonly files: (desired: Desired) => readonly ServiceFile[];
  readonly keeps: (desired: Desired) => readonly Keep[];
}

/** What one look at an area showed. */
export interface Observation {
  readonly facts: Facts;
  readonly steps: readonly Step[];
}

/** An area with its settings filled in: all that the loop needs to know. */
export interface BoundArea {
  readonly name: AreaName;
  readonly look: (signal: AbortSignal) => Promise<Observation>;
  readonly run: (step: Step, effects: Effects, signal: AbortSignal) => Promise<void>;
}

/** Fills the settings into an area. */
export const bind = <Desired, World, S extends Step>(
  area: Area<Desired, World, S>,
  settings: Settings,
): BoundArea => {
  const desired = area.desired(settings);
  return {
    name: area.name,
    async look(signal) {
      const world = await area.observe(desired, signal);
      return { facts: area.facts(desired, world), steps: area.plan(desired, world) };
    },
    async run(step, effects, signal) {
      const kind = step.kind as S['kind'];
      await area.apply[kind](step as Extract<S, { kind: S['kind'] }>, effects, signal);
    },
  };
};
