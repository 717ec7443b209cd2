import type { Redactor } from '../shared/redact.ts';

export type EffectKind = 'http' | 'file' | 'compose' | 'exec' | 'engine';

/**
 * The one gate to the outside: every write passes through it. It counts, it tells what is done with secrets taken out,
 * and a test can end the process right before or right after the n-th effect.
 */
export interface Effects {
  /** `what` is for people, such as `POST /api/users`. The act is one write that can be repeated. */
  readonly perform: <T>(kind: EffectKind, what: string, act: () => Promise<T>) => Promise<T>;
  readonly count: () => number;
}

/** Where a test ends the process: before or after the n-th effect, counted from 1; with a kind, the n-th of that kind. */
export interface KillPoint {
  readonly when: 'before' | 'after';
  readonly at: number;
  readonly kind?: EffectKind;
}

interface Options {
  readonly redactor: Redactor;
  readonly onEffect?: (kind: EffectKind, what: string, number: number) => void;
  readonly killPoint?: KillPoint;
  readonly kill?: () => void;
}

/** Reads `before:7`, `after:7` or `after:compose:2`; undefined for anything else. */
export const parseKillPoint = (text: string | undefined): KillPoint | undefined => {
  const match = /^(before|after):(?:(http|file|compose|exec|engine):)?([1-9]\d*)$/.exec(text ?? '');
  if (match === null) return undefined;
  const kind = match[2] as EffectKind | undefined;
  return {
    when: match[1] as KillPoint['when'],
    at: Number(match[3]),
    ...(kind === undefined ? {} : { kind }),
  };
};

export const createEffects = (options: Options): Effects => {
  let count = 0;
  const counts = new Map<EffectKind, number>();
  const { killPoint } = options;
  const killIf = (when: KillPoint['when'], kind: EffectKind, number: number, ofKind: number) => {
    if (killPoint?.when !== when || killPoint.at !== (killPoint.kind === undefined ? number : ofKind)) return;
    if (killPoint.kind === undefined || killPoint.kind === kind) options.kill?.();
  };
  return {
    async perform(kind, what, act) {
      count += 1;
      const number = count;
      const ofKind = (counts.get(kind) ?? 0) + 1;
      counts.set(kind, ofKind);
      options.onEffect?.(kind, options.redactor.clean(what), number);
      killIf('before', kind, number, ofKind);
      const result = await act();
      killIf('after', kind, number, ofKind);
      return result;
    },
    count: () => count,
  };
};
