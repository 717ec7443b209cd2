import type { StackError } from '../../shared/errors.ts';
import type { AreaName, Step } from '../area.ts';
import type { Fact, Why } from '../facts.ts';

/** Everything that can be said while the loop runs. Reporters turn it into lines, a live list, or JSON. */
export type Event =
  | { readonly type: 'looking' }
  | { readonly type: 'started'; readonly area: AreaName; readonly step: Step }
  | { readonly type: 'done'; readonly area: AreaName; readonly step: Step; readonly durationMs: number }
  | {
      readonly type: 'failed';
      readonly area: AreaName;
      readonly step: Step;
      readonly error: StackError;
      readonly willRetry: boolean;
    }
  | { readonly type: 'effect'; readonly kind: string; readonly what: string; readonly number: number };

export interface Unmet {
  readonly fact: Fact;
  readonly why: Why;
}

export type Emit = (event: Event) => void;
