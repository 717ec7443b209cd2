import { existsSync } from 'node:fs';
import { chmod, mkdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { createTestHost, runProgram, type TestHost } from '../../support/host.ts';
import { complaint, filesBelow, halfWritten, withoutVariables } from './support.ts';

/*
 * A storage root that is full, read-only, or not ours. The Engine is away, so nothing but the disk is written.
 */

const nowhere = { DOCKER_HOST: 'unix:///nowhere/docker.sock' };

/** Empty where file systems can be mounted here, else why not. */
const cannotMount = async (): Promise<string> => {
  const { code, stderr } = await runProgram('unshare', ['--mount', 'true']);
  return code === 0 ? '' : stderr.trim();
};
const why = process.getuid?.() === 0 ? await cannotMount() : 'this user is not root';
if (why !== '') process.stderr.write(`the tests of a full or read-only disk are skipped: ${why}\n`);

let host: TestHost;
let root: string;
beforeAll(async () => {
  host = await createTestHost('disk');
  root = join(host.folder, 'state');
  await mkdir(root);
});
afterAll(async () => host.remove());

const mount = async (...options: readonly string[]): Promise<void> => {
  const { code, stderr } = await runProgram('mount', [...options, root]);
  expect([code, stderr]).toEqual([0, '']);
};

const failure = (text: string): string => {
  const lines = text.split('\n');
  const at = lines.findIndex((line) => line.startsWith('error[DISK_'));
  return lines.slice(at, at + 4).join('\n');
};

describe.skipIf(why !== '')('a storage root', () => {
  afterEach(async () => {
    await runProgram('umount', [root]);
  });

  test('that is full from the start is said, and nothing is left there', async () => {
    await mount('-t', 'tmpfs', '-o', 'size=4k', 'none');
    await runProgram('sh', ['-c', `head -c 4096 /dev/zero > ${root}/other`]);
    const up = await host.run(['up'], nowhere);

    expect(up.code).toBe(3);
    expect(complaint(host, up)).toMatchInlineSnapshot(`
      "error[DISK_FULL]: cannot write <state>/run.lock: no space left (ENOSPC)
        fix: free some space, then run it again: df -h <state>
        see: docs/errors.md#disk_full"
    `);
    expect(await filesBelow(root)).toEqual(['other']);
  });

  test('that gets full in the middle is said, leaves nothing half-written, and is gone on with', async () => {
    await mount('-t', 'tmpfs', '-o', 'size=24k', 'none');
    const up = await host.run(['up'], nowhere);

    expect(up.code).toBe(3);
    // How many secrets fit is the file system's.
    const which = /(\/secrets\/)[\w-]+(?=: no space)/;
    expect(withoutVariables(host, failure(up.stderr)).replace(which, '$1<secret>')).toMatchInlineSnapshot(`
      "error[DISK_FULL]: cannot write <state>/secrets/<secret>: no space left (ENOSPC)
        fix: free some space, then run it again: df -h <state>/secrets
        see: docs/errors.md#disk_full
        while: make secrets"
    `);
    expect(await halfWritten(root)).toEqual([]);
    const secrets = join(host.state, 'secrets');
    const made = await filesBelow(secrets);
    expect(made.length).toBeGreaterThan(0);
    for (const name of made) expect((await stat(join(secrets, name))).size).toBeGreaterThan(20);
    const first = await readFile(join(secrets, made[0] ?? ''), 'utf8');

    await mount('-o', 'remount,size=10m');
    await host.run(['up'], nowhere);

    expect((await filesBelow(secrets)).length).toBeGreaterThan(made.length);
    expect(await readFile(join(secrets, made[0] ?? ''), 'utf8')).toBe(first);
  });

  test('that is read-only is said, and looking still works', async () => {
    await mount('-t', 'tmpfs', '-o', 'ro', 'none');
    const up = await host.run(['up'], nowhere);
    const document = await host.run(['down', '--json'], nowhere);
    const status = await host.run(['status'], nowhere);

    expect(up.code).toBe(3);
    expect(complaint(host, up)).toMatchInlineSnapshot(`
      "error[DISK_READ_ONLY]: cannot write <state>: the file system is read-only (EROFS)
        fix: mount it writable, or set storage.root to a folder that is
        see: docs/errors.md#disk_read_only"
    `);
    expect(JSON.parse(document.stdout)).toMatchObject({ error: { code: 'DISK_READ_ONLY' } });
    expect(status.code).toBe(0);
    expect(existsSync(host.state)).toBe(false);
  });
});

test.skipIf(process.getuid?.() !== 0)('a storage root of another user is said (needs root)', async () => {
  const other = await createTestHost('foreign');
  await chmod(other.folder, 0o755);
  await mkdir(join(other.folder, 'state'), { mode: 0o755 });
  const nobody = ['--reuid=65534', '--regid=65534', '--clear-groups'];
  const cli = [process.execPath, join(process.cwd(), 'dist/cli.js')];
  try {
    const up = await runProgram('setpriv', [...nobody, ...cli, 'up'], {
      ...other.env,
      ...nowhere,
      HOME: other.folder,
    });

    expect(up.code).toBe(3);
    expect(complaint(other, up)).toMatchInlineSnapshot(`
      "error[DISK_DENIED]: cannot write <state>: this user may not (EACCES)
        fix: run it as the user who owns <folder>/state, or as root
        see: docs/errors.md#disk_denied"
    `);
  } finally {
    await other.remove();
  }
});

test('a storage root that is a file is said', async () => {
  const other = await createTestHost('file');
  await other.change((settings) => {
    settings['storage'] = { root: other.settingsFile };
  });
  const up = await other.run(['up'], nowhere);
  await other.remove();

  expect(up.code).toBe(3);
  expect(complaint(other, up)).toMatchInlineSnapshot(`
    "error[DISK_READ_ONLY]: cannot write <settings file>/<project>: a file stands where a folder should be (ENOTDIR)
      fix: move that file away, or set storage.root to a folder
      see: docs/errors.md#disk_read_only"
  `);
});
