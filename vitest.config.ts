import { defineConfig } from 'vitest/config';

/** One project a tier, with a limit far above what a test takes on a busy machine: the fast ones run anywhere, `integration` needs Debian's servers, `e2e` needs an Engine. */
const tier = (name: string, include: string[], timeoutMs: number, serial: boolean) => ({
  test: {
    name,
    include,
    testTimeout: timeoutMs,
    hookTimeout: timeoutMs,
    fileParallelism: !serial,
    sequence: { shuffle: { tests: false, files: !serial } },
  },
});

export default defineConfig({
  test: {
    retry: 0,
    projects: [
      tier('unit', ['test/unit/**/*.test.ts', 'test/*.test.ts'], 120_000, false),
      tier('property', ['test/property/**/*.test.ts'], 300_000, false),
      tier('contract', ['test/contract/**/*.test.ts'], 180_000, false),
      tier('integration', ['test/integration/**/*.test.ts'], 300_000, false),
      tier('e2e', ['test/e2e/**/*.test.ts'], 600_000, true),
    ],
  },
});
