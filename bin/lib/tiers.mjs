/** The tiers of tests, in the order in which they run; those of a group run side by side. */
export const tiers = [['unit', 'property', 'contract', 'integration'], ['e2e']];

/** Tiers whose tests need no Engine; some of the others' do. */
const withoutEngine = new Set(['unit', 'property', 'contract']);

/** True when what `self-test` is asked for (nothing: everything) has tests with containers. */
export const selfTestNeedsEngine = (asked) =>
  asked.length === 0 || asked.some((name) => !withoutEngine.has(name));
