import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { createDoctorView } from '../../../src/doctor/create.ts';
import { examine } from '../../../src/doctor/examine.ts';
import { examinationsOf } from '../../../src/doctor/list.ts';
import { StackError } from '../../../src/shared/errors.ts';

const signal = new AbortController().signal;
const noSettings = { broken: new StackError('SETTINGS_INVALID', 'none', { hint: 'none' }) };
/** An Engine that says its version, and nothing else. */
const engine = createServer((_request, response) => {
  response.setHeader('content-type', 'application/json');
  response.end(JSON.stringify({ Version: '29.0.0' }));
});
let folder = '';

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'skylab-doctor-'));
  engine.listen(join(folder, 'docker.sock'));
  await once(engine, 'listening');
});
afterEach(async () => {
  vi.unstubAllEnvs();
  engine.closeAllConnections();
  engine.close();
  await once(engine, 'close');
  await rm(folder, { recursive: true, force: true });
});

/** What doctor says of Engine and Compose where the program `docker` is this script. */
const lookWith = async (script: string, change: { readonly timeoutMs?: number } = {}) => {
  await writeFile(join(folder, 'docker'), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  vi.stubEnv('PATH', `${folder}:${process.env['PATH'] ?? ''}`);
  const env = { DOCKER_HOST: `unix://${join(folder, 'docker.sock')}` };
  const { view, close } = createDoctorView(noSettings, { env, home: folder }, signal);
  const all = examinationsOf(view).filter((one) => one.id === 'engine');
  try {
    return await examine(
      all.map((one) => ({ ...one, ...change })),
      signal,
    );
  } finally {
    close();
  }
};

describe('a docker compose', () => {
  test('that is slow, as the first call after a start is, counts by what it answers', async () => {
    // It takes longer than doctor once waited for it.
    expect(await lookWith('sleep 10.5; echo 2.40.3')).toMatchObject([{ id: 'engine', status: 'passed' }]);
  });

  test('that does not answer in time is not said to be missing', async () => {
    expect(await lookWith('exec sleep 60', { timeoutMs: 500 })).toMatchObject([
      { id: 'engine', status: 'skipped', detail: 'no result within 0.5 s' },
    ]);
  });

  test('that is missing is said to be', async () => {
    expect(await lookWith(`echo "docker: 'compose' is not a docker command." >&2; exit 1`)).toMatchObject([
      { id: 'engine', status: 'failed', detail: expect.stringContaining('does not run') as string },
    ]);
  });
});
