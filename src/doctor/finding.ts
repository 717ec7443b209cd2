import type { Check } from '../orchestrator/report/check.ts';

/** What one look came to. `detail`: what was seen, the cause where it failed, the reason where it was skipped. */
export interface Finding extends Pick<Check, 'status' | 'detail' | 'fix' | 'confirm'> {
  /** True for what could not be looked at: what builds on it is not looked at either. */
  readonly blocks?: boolean;
}

export const passed = (detail: string): Finding => ({ status: 'passed', detail });
/** There is nothing to check here; what builds on it goes on. */
export const skipped = (detail: string): Finding => ({ status: 'skipped', detail });
/** It could not be looked at, and nobody knows. */
export const unknown = (detail: string): Finding => ({ status: 'skipped', detail, blocks: true });
/** `fix`: what to do. `confirm`: how to see that it is mended. */
export const failed = (detail: string, fix: string, confirm: string): Finding => ({
  status: 'failed',
  detail,
  fix,
  confirm,
});
