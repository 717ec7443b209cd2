import { resolveBy, textsOf, type ZoneView } from '../dns/wire/resolve.ts';
import { findDelegation } from './delegation.ts';
import type { StackView } from './view.ts';

/** Servers of the zone: those of the settings, else those that the delegation names. */
export const zoneView = async (stack: StackView, signal: AbortSignal): Promise<ZoneView> => {
  const [view, given] = await Promise.all([stack.dns(), stack.authoritative()]);
  if (given.length > 0) return { view, authoritative: given };
  const delegation = await findDelegation(view, stack.settings.domain, signal);
  const found = await Promise.all(
    (delegation?.nameServers ?? []).map(async (name) => {
      const reply = await resolveBy(view, { name, type: 'A' }, signal);
      return textsOf(reply?.answers ?? [], 'A');
    }),
  );
  return { view, authoritative: found.flat().map((address) => ({ address, port: view.port })) };
};
