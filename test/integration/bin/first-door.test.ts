import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';

/*
 * bin/skylab.mjs in a copy of its own, before a program that prints its arguments, with an npm and a build script that
 * write down that they were called.
 */

interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

let root: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'skylab-door-'));
  await cp('bin', join(root, 'bin'), { recursive: true });
  for (const name of ['src', 'sandbox', 'scripts', 'path']) await mkdir(join(root, name));
  await writeFile(join(root, 'package.json'), '{"type":"module"}');
  await writeFile(join(root, 'package-lock.json'), '{"lockfileVersion":3}');
  await writeFile(join(root, 'src', 'cli.ts'), 'one');
  await npm('mkdir -p node_modules');
  await build(
    "writeFileSync('dist/cli.js', 'console.log(JSON.stringify([process.pid, ...process.argv.slice(2)]))');",
  );
});
afterEach(async () => rm(root, { recursive: true, force: true }));

const npm = async (lines: string): Promise<void> => {
  const path = join(root, 'path', 'npm');
  await writeFile(path, `#!/bin/sh\necho "npm $1" >>calls\n${lines}\n`);
  await chmod(path, 0o755);
};
const build = async (lines: string): Promise<void> =>
  writeFile(
    join(root, 'scripts', 'build.mjs'),
    [
      "import { appendFileSync, mkdirSync, writeFileSync } from 'node:fs';",
      "appendFileSync('calls', 'build\\n');",
      "mkdirSync('dist', { recursive: true });",
      lines,
    ].join('\n'),
  );
const calls = async (): Promise<readonly string[]> =>
  (await readFile(join(root, 'calls'), 'utf8').catch(() => '')).split('\n').filter((line) => line !== '');

const start = (args: readonly string[], nodeOptions: readonly string[] = []) => {
  // What npm leaves behind for tests that it runs is none of this call's.
  const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith('npm_'));
  const env = {
    ...Object.fromEntries(inherited),
    PATH: `${join(root, 'path')}:${process.env['PATH'] ?? ''}`,
  };
  const child = spawn(process.execPath, [...nodeOptions, join(root, 'bin', 'skylab.mjs'), ...args], {
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (chunk: Buffer) => {
    stdout += chunk.toString();
  });
  child.stderr.on('data', (chunk: Buffer) => {
    stderr += chunk.toString();
  });
  const ended = once(child, 'close').then(([code]): Ended => ({
    code: code as number | null,
    stdout,
    stderr,
  }));
  return { child, ended, said: () => stderr };
};
const skylab = async (...args: readonly string[]): Promise<Ended> => start(args).ended;

describe('the first door', () => {
  test('installs and builds on the first run, and hands over in the same process with the same arguments', async () => {
    const { child, ended } = start(['status', '--json', '--host', 'a b']);
    const { code, stdout, stderr } = await ended;

    expect(code).toBe(0);
    expect(await calls()).toEqual(['npm ci', 'build']);
    expect(stderr).toBe('installing packages (npm ci)\nbuilding\n');
    expect(JSON.parse(stdout)).toEqual([child.pid, 'status', '--json', '--host', 'a b']);
  });

  test('does neither the second time, and says nothing', async () => {
    await skylab('status');

    const { stderr } = await skylab('status');

    expect(stderr).toBe('');
    expect(await calls()).toEqual(['npm ci', 'build']);
  });

  test.each([
    ['a source', 'src/cli.ts', ['build']],
    ["the sandbox's sources", 'sandbox/new.ts', ['build']],
    ['the lock file', 'package-lock.json', ['npm ci', 'build']],
  ])('does again what follows from %s when it changes', async (_what, path, wanted) => {
    await skylab('status');
    await writeFile(join(root, path), 'changed');

    await skylab('status');

    expect(await calls()).toEqual(['npm ci', 'build', ...wanted]);
  });

  test('builds again where a build was broken off, although the sources are what they were', async () => {
    await skylab('status');
    await writeFile(join(root, 'src', 'cli.ts'), 'two');
    const good = await readFile(join(root, 'scripts', 'build.mjs'), 'utf8');
    await writeFile(join(root, 'scripts', 'build.mjs'), `${good}\nthrow new Error('half-way');`);
    const broken = await skylab('status');
    await writeFile(join(root, 'src', 'cli.ts'), 'one');
    await writeFile(join(root, 'scripts', 'build.mjs'), good);

    await skylab('status');

    expect(broken).toMatchObject({ code: 1, stderr: expect.stringContaining('half-way') as unknown });
    expect(await calls()).toEqual(['npm ci', 'build', 'build', 'build']);
  });

  test('installs once where two runs come at the same time', async () => {
    // The installation takes until one of the two has said that it waits for the other.
    await npm('while [ ! -e go-on ]; do sleep 0.05; done; mkdir -p node_modules');
    const runs = [start(['status']), start(['plan'])];
    const waits = 'waiting for another run that installs or builds';
    while (!runs.some(({ said }) => said().includes(waits)))
      await new Promise((resolve) => setTimeout(resolve, 20));
    await writeFile(join(root, 'go-on'), '');
    const both = await Promise.all(runs.map(async ({ ended }) => ended));

    expect(both.map(({ code }) => code)).toEqual([0, 0]);
    expect(await calls()).toEqual(['npm ci', 'build']);
    expect(both.filter(({ stderr }) => stderr.includes(waits))).toHaveLength(1);
  });

  test('takes over from a run that was killed while it installed', async () => {
    await npm('exec sleep 30');
    const killed = start(['status']);
    while (!(await calls()).includes('npm ci')) await new Promise((resolve) => setTimeout(resolve, 20));
    killed.child.kill('SIGKILL');
    await npm('mkdir -p node_modules');

    const { code } = await skylab('status');

    expect(code).toBe(0);
    expect(await calls()).toEqual(['npm ci', 'npm ci', 'build']);
  });

  test('says what npm said where the packages cannot be had, for programs too', async () => {
    await npm('echo "npm error network getaddrinfo ENOTFOUND registry.example" >&2; exit 1');

    const { code, stdout, stderr } = await skylab('status', '--json');

    expect(code).toBe(3);
    expect(stderr).toContain(
      'error[PACKAGES_MISSING]: the packages could not be installed: npm error network',
    );
    expect(stderr).toContain('see: docs/errors.md#packages_missing');
    expect(JSON.parse(stdout)).toMatchObject({ error: { code: 'PACKAGES_MISSING' } });
    expect(await calls()).toEqual(['npm ci']);
  });

  test('refuses a Node that is too old before anything else', async () => {
    const older =
      "Object.defineProperty(process, 'versions', { value: { ...process.versions, node: '20.18.1' } })";
    const { code, stderr } = await start(
      ['status'],
      ['--import', `data:text/javascript,${encodeURIComponent(older)}`],
    ).ended;

    expect(code).toBe(64);
    expect(stderr).toContain('Node 20.18.1 is too old, wanted is 20.19 or later');
    expect(await calls()).toEqual([]);
  });
});
