import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { provideImage } from '../../../src/containers/images/provide.ts';
import { effectsFor } from '../../support/steps.ts';

/*
 * A pull that fails, with a docker command that says what the real one says then.
 */

let root: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'skylab-pull-'));
});
afterEach(async () => {
  await rm(root, { recursive: true, force: true });
});

const pullThat = async (says: string) => {
  await writeFile(join(root, 'docker'), `#!/bin/sh\ncat >&2 <<'END'\n${says}\nEND\nexit 1\n`);
  await chmod(join(root, 'docker'), 0o755);
  const env = { PATH: `${root}:${process.env['PATH']}` };
  return provideImage(
    { kind: 'pull', ref: 'nginx:1', needs: [] },
    { installation: root, cache: root, env },
    effectsFor(),
    AbortSignal.timeout(60_000),
  );
};

describe('a pull', () => {
  test.each([
    'Error response from daemon: Get "https://registry-1.docker.io/v2/": net/http: TLS handshake timeout',
    'Error response from daemon: Get "https://registry-1.docker.io/v2/": context deadline exceeded (Client.Timeout exceeded while awaiting headers)',
    'read tcp 192.0.2.7:41234->192.0.2.1:443: read: connection reset by peer',
    'error pulling image configuration: download failed after attempts=6: unexpected EOF',
    'dial tcp: lookup registry-1.docker.io: Temporary failure in name resolution',
  ])('that broke off is to be tried again in a moment: %s', async (says) => {
    await expect(pullThat(says)).rejects.toMatchObject({ code: 'IMAGE_UNAVAILABLE', retryAfterMs: 2000 });
  });

  test.each([
    'Error response from daemon: manifest for nginx:1 not found: manifest unknown: manifest unknown',
    'Error response from daemon: pull access denied for nginx, repository does not exist',
    'Error response from daemon: Get "https://127.0.0.1:1/v2/": dial tcp 127.0.0.1:1: connect: connection refused',
  ])('that the registry refused is not: %s', async (says) => {
    await expect(pullThat(says)).rejects.toMatchObject({
      code: 'IMAGE_UNAVAILABLE',
      message: expect.stringContaining(says) as unknown,
      retryAfterMs: undefined,
    });
  });
});
