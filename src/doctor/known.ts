import { isStackError } from '../shared/errors.ts';
import { zoneView } from './zone.ts';
import { examineToken } from './token.ts';
import type { Known, StackView } from './view.ts';

const once = <T>(act: () => Promise<T>): (() => Promise<T>) => {
  let looking: Promise<T> | undefined;
  return async () => {
    looking ??= act();
    return looking;
  };
};

/** Shared looks end with `signal`, not with the time of the examination that happened to ask first. */
export const knownOf = (stack: StackView, signal: AbortSignal): Known => {
  const containers = once(async () => stack.containers(signal));
  return {
    token: once(async () => examineToken(stack.token, stack.settings.domain, signal)),
    zone: once(async () => zoneView(stack, signal)),
    containers,
    async running() {
      try {
        return (await containers()).some((one) => one.state === 'running');
      } catch (error) {
        if (isStackError(error)) return false;
        throw error;
      }
    },
    served: once(async () => stack.served.report(signal)),
  };
};
