import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';

/*
 * `self-test` over a vitest that reports what the test says, in a folder of its own.
 */

let root: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'skylab-self-'));
  await mkdir(join(root, 'node_modules', 'vitest'), { recursive: true });
});
afterEach(async () => rm(root, { recursive: true, force: true }));

interface Result {
  readonly passed?: number;
  readonly failed?: number;
  readonly skipped?: number;
  readonly exitCode?: number;
  readonly testResults?: readonly object[];
}

/** What vitest reports for the tiers it is called with, by the first of them; none: it breaks before it reports. */
const vitestReports = async (results: Readonly<Record<string, Result>>): Promise<void> =>
  writeFile(
    join(root, 'node_modules', 'vitest', 'vitest.mjs'),
    `import { appendFileSync, writeFileSync } from 'node:fs';
     const args = process.argv.slice(2);
     const tiers = args.flatMap((arg, index) => (args[index - 1] === '--project' ? [arg] : []));
     const files = args.filter((arg) => arg.endsWith('.test.ts'));
     appendFileSync('calls', [...tiers, ...files, process.env.SKYLAB_KILLS ?? ''].join(' ').trim() + '\\n');
     const result = ${JSON.stringify(results)}[tiers[0]];
     if (result === undefined) process.exit(1);
     const { passed = 0, failed = 0, skipped = 0, exitCode = failed > 0 ? 1 : 0, testResults = [] } = result;
     const file = args.find((arg) => arg.startsWith('--outputFile.json=')).split('=')[1];
     writeFileSync(file, JSON.stringify({ numPassedTests: passed, numFailedTests: failed, numPendingTests: skipped, testResults }));
     process.exit(exitCode);`,
  );

const selfTest = async (...asked: readonly string[]) => {
  const script =
    `import { selfTest } from '${process.cwd()}/bin/lib/self-test.mjs';` +
    `process.exitCode = await selfTest('${root}', ${JSON.stringify(asked)});`;
  const { code, stdout, stderr } = await new Promise<{ code: number; stdout: string; stderr: string }>(
    (resolve) => {
      const options = { cwd: root, env: { ...process.env, SKYLAB_INSTALL: 'no' }, timeout: 60_000 };
      execFile(process.execPath, ['--input-type=module', '--eval', script], options, (error, text, said) => {
        resolve({ code: typeof error?.code === 'number' ? error.code : 0, stdout: text, stderr: said });
      });
    },
  );
  return { code, stderr, lastLine: stdout.trimEnd().split('\n').at(-1) };
};
const calls = async () => (await readFile(join(root, 'calls'), 'utf8')).trim().split('\n');

describe('self-test', () => {
  test('runs the tiers that are named and ends with one line', async () => {
    await vitestReports({ unit: { passed: 7, skipped: 1 } });

    expect(await selfTest('unit', 'property')).toMatchObject({ code: 0, lastLine: '7 passed, 0 failed' });
    expect(await calls()).toEqual(['unit property']);
  });

  test.each<[string, Result | undefined, string]>([
    ['a test fails', { passed: 6, failed: 1 }, '6 passed, 1 failed'],
    ['a file cannot be loaded, which is no test', { passed: 6, exitCode: 1 }, '6 passed, 1 failed'],
    ['vitest breaks before it reports', undefined, '0 passed, 1 failed'],
    ['nothing ran at all', {}, '0 passed, 0 failed'],
  ])('is no success where %s', async (_what, result, lastLine) => {
    await vitestReports(result === undefined ? {} : { unit: result });

    expect(await selfTest('unit')).toMatchObject({ code: 1, lastLine });
  });

  test('says what failed once more before the last line', async () => {
    const one = { name: join(root, 'test/a.test.ts'), status: 'failed', message: 'cannot be loaded' };
    const two = {
      fullName: 'works',
      status: 'failed',
      failureMessages: ['\u001b[31mwanted 1\u001b[39m', 'saw 2'],
    };
    const other = { name: join(root, 'test/b.test.ts'), status: 'failed', message: '' };
    const testResults = [
      { ...one, assertionResults: [] },
      { ...other, assertionResults: [two, { fullName: 'is fine', status: 'passed', failureMessages: [] }] },
    ];
    await vitestReports({ unit: { passed: 1, failed: 2, testResults } });

    expect((await selfTest('unit')).stderr).toMatch(
      /FAILED: test\/a\.test\.ts\n +cannot be loaded\nFAILED: test\/b\.test\.ts > works\n +wanted 1\n +saw 2\n0 skipped\n$/,
    );
  });

  test('runs every kill when asked for kills', async () => {
    await vitestReports({ e2e: { passed: 3 } });

    expect(await selfTest('kills')).toMatchObject({ code: 0, lastLine: '3 passed, 0 failed' });
    expect(await calls()).toEqual(['e2e test/e2e/kills.test.ts all']);
  });

  test('adds up checks and all tiers where nothing is named', async () => {
    await writeFile(
      join(root, 'package.json'),
      JSON.stringify({
        scripts: {
          'check:format': 'true',
          'check:lint': 'false',
          'check:types': 'true',
          'check:unused': 'true',
        },
      }),
    );
    await vitestReports({ unit: { passed: 10 }, e2e: { passed: 5, skipped: 2 } });

    expect(await selfTest()).toMatchObject({ code: 1, lastLine: '18 passed, 1 failed' });
    expect(await calls()).toEqual(['unit property contract integration', 'e2e']);
  });
});
