import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { portConflicts } from '../../../src/containers/docker/conflicts.ts';

/*
 * Who holds a port that a service wants, with an `ss` in front of the real one that says what is to be seen.
 */

const path = process.env['PATH'];
let root: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'skylab-listeners-'));
  process.env['PATH'] = `${root}:${path}`;
});
afterEach(async () => {
  process.env['PATH'] = path;
  await rm(root, { recursive: true, force: true });
});

test.each([
  ['nginx', ['PORT_TAKEN']],
  ['docker-proxy', []],
  ['dockerd', []],
])('a port that %s listens on: %j', async (program, codes) => {
  const line = `tcp LISTEN 0 4096 127.0.0.1:8443 0.0.0.0:* users:(("${program}",pid=7,fd=4))`;
  await writeFile(join(root, 'ss'), `#!/bin/sh\necho '${line}'\n`);
  await chmod(join(root, 'ss'), 0o755);
  const ports = [{ address: '127.0.0.1', port: 8443, protocol: 'tcp' }];
  const conflicts = await portConflicts(
    'skylab-lab',
    [{ service: 'nginx', ports }],
    async () => Promise.resolve([]),
    AbortSignal.timeout(60_000),
  );

  expect(conflicts.map((one) => one.code)).toEqual(codes);
});
