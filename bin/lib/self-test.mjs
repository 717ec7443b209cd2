import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { stripVTControlCharacters } from 'node:util';
import { install } from './apt.mjs';
import { installedPackages } from './machine.mjs';
import { passThrough } from './run.mjs';
import { say, Stop } from './say.mjs';
import { tiers } from './tiers.mjs';

/** Programs of Debian's that tests run for real; tests that lack one are skipped and say so. */
const testPackages = ['postgresql', 'age'];

const checks = ['check:format', 'check:lint', 'check:types', 'check:unused'];

const nothing = { passed: 0, failed: 0, skipped: 0, failures: [] };
const sum = (a, b) => ({
  passed: a.passed + b.passed,
  failed: a.failed + b.failed,
  skipped: a.skipped + b.skipped,
  failures: [...a.failures, ...b.failures],
});

/** What failed, as it is said once more before the last line: the output in between is long. */
const failuresIn = (root, report) =>
  report.testResults.flatMap(({ name, status, message, assertionResults }) => {
    const file = relative(root, name);
    const failed = assertionResults.filter((test) => test.status === 'failed');
    if (failed.length === 0) return status === 'failed' ? [`${file}\n${message}`] : [];
    return failed.map((test) => `${file} > ${test.fullName}\n${test.failureMessages.join('\n')}`);
  });

/** A failure in at most twenty lines, without the colours of the runner. */
const shortened = (failure) => stripVTControlCharacters(failure).split('\n').slice(0, 20).join('\n    ');

const runChecks = async (root) => {
  let total = nothing;
  for (const check of checks) {
    const code = await passThrough('npm', ['run', '-s', check], { cwd: root });
    say(`${code === 0 ? 'passed' : 'FAILED'}: ${check}`);
    const failures = code === 0 ? [] : [check];
    total = sum(total, { ...nothing, [code === 0 ? 'passed' : 'failed']: 1, failures });
  }
  return total;
};

const runTests = async (root, projects, env, files = []) => {
  const folder = mkdtempSync(join(tmpdir(), 'skylab-test-'));
  const report = join(folder, 'report.json');
  const chosen = projects.flatMap((project) => ['--project', project]);
  const args = [
    join(root, 'node_modules', 'vitest', 'vitest.mjs'),
    'run',
    ...files,
    ...chosen,
    '--reporter=default',
    '--reporter=json',
    `--outputFile.json=${report}`,
  ];
  const code = await passThrough(process.execPath, args, { cwd: root, env: { ...process.env, ...env } });
  try {
    const read = JSON.parse(readFileSync(report, 'utf8'));
    const { numPassedTests: passed, numFailedTests: failed, numPendingTests: skipped } = read;
    // A file that could not be loaded and an error nobody caught fail no single test.
    const hidden = code !== 0 && failed === 0;
    return { passed, failed: hidden ? 1 : failed, skipped, failures: failuresIn(root, read) };
  } catch {
    return { ...nothing, failed: 1, failures: [`${projects.join(', ')}: the tests left no report`] };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
};

const installTestPackages = () => {
  if (process.env.SKYLAB_INSTALL !== 'yes' || process.getuid?.() !== 0) return;
  const missing = testPackages.filter((name) => installedPackages([name]).length === 0);
  if (missing.length === 0) return;
  say(`Programs for the tests, from Debian's packages:\n  ${missing.join(' ')}`);
  try {
    install(missing, undefined);
  } catch (error) {
    if (!(error instanceof Stop)) throw error;
    say(`  not installed: ${error.message}`);
  }
};

/**
 * `self-test`: checks, then every tier; ends with the line `N passed, N failed`. `self-test kills` runs all
 * kills, `self-test bench` the bench, `self-test unit property …` only those tiers.
 */
export const selfTest = async (root, [what, ...more]) => {
  if (what === 'bench')
    return passThrough(process.execPath, [join(root, 'scripts', 'bench.mjs'), ...more], { cwd: root });
  installTestPackages();
  let total;
  if (what === 'kills') {
    total = await runTests(root, ['e2e'], { SKYLAB_KILLS: 'all' }, ['test/e2e/kills.test.ts']);
  } else if (what !== undefined) {
    total = await runTests(root, [what, ...more], {});
  } else {
    total = await runChecks(root);
    for (const projects of tiers) total = sum(total, await runTests(root, projects, {}));
  }
  for (const failure of total.failures) say(`FAILED: ${shortened(failure)}`);
  say(`${total.skipped} skipped`);
  process.stdout.write(`${total.passed} passed, ${total.failed} failed\n`);
  return total.failed === 0 && total.passed > 0 ? 0 : 1;
};
