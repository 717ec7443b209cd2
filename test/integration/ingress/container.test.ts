import { execFile } from 'node:child_process';
import { chmod, chown, mkdir, mkdtemp, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { desiredIngress, type DesiredIngress } from '../../../src/ingress/desired.ts';
import { get } from '../../../src/ingress/probe.ts';
import { renderIngress } from '../../../src/ingress/render.ts';
import { digestOf } from '../../../src/shared/files.ts';
import { freePort } from '../../support/ports.ts';
import { testSettings } from '../../support/settings.ts';
import { textOfFile } from '../../unit/ingress/conf-syntax.ts';
import { createAuthority } from './support/authority.ts';
import { until } from './support/nginx.ts';

const run = promisify(execFile);
const docker = async (...args: readonly string[]): Promise<string> =>
  (await run('docker', [...args], { timeout: 60_000 })).stdout.trim();

/** The image of the stack's nginx, where an Engine has one. */
const findImage = async (): Promise<string | undefined> => {
  try {
    const lines = await docker('image', 'ls', '--format', '{{.Repository}}:{{.Tag}}');
    return lines.split('\n').find((line) => /^(nginx:1\.(2[6-9]|[3-9]\d)|skylab-local\/nginx:)/.test(line));
  } catch {
    return undefined;
  }
};

const image = await findImage();
const isRoot = process.getuid?.() === 0;
const skipped = image === undefined || !isRoot;
if (skipped) process.stdout.write('skipped: no Engine with an image of nginx, or not root\n');

/** The container as compose.yaml describes it: its own user, nothing writable but /tmp, no capability. */
describe.skipIf(skipped)('nginx in its container', () => {
  let folder: string;
  let desired: DesiredIngress;
  let id = '';
  let version = 0;

  const swapIn = async (parent: string, files: Readonly<Record<string, string>>): Promise<void> => {
    version += 1;
    const place = join(parent, `v${version}`);
    await mkdir(place, { recursive: true });
    for (const [name, text] of Object.entries(files)) {
      await writeFile(join(place, name), text, { mode: 0o400 });
      await chown(join(place, name), 1000, 1000);
    }
    await chown(place, 1000, 1000);
    await symlink(`v${version}`, join(parent, 'new'));
    await rename(join(parent, 'new'), join(parent, 'current'));
  };
  const putFiles = async (wanted: DesiredIngress) =>
    swapIn(
      join(folder, 'files'),
      Object.fromEntries(renderIngress(wanted, digestOf).files.map((file) => [file.path, textOfFile(file)])),
    );
  const served = async () =>
    get(
      { address: '127.0.0.1', port: desired.port },
      desired.mesh,
      { path: '/.well-known/skylab-ingress' },
      { signal: AbortSignal.timeout(10_000) },
    ).catch(() => undefined);

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'skylab-ingress-'));
    await chmod(folder, 0o755);
    const settings = testSettings(folder, '', 'lab');
    desired = { ...desiredIngress(settings), port: await freePort() };
    const { fullchain, key } = await (await createAuthority()).issue([...desired.names]);
    await putFiles(desired);
    await swapIn(join(folder, 'certificates', desired.domain), {
      'fullchain.pem': fullchain,
      'key.pem': key,
    });
    const name = basename(folder);
    await docker('network', 'create', name);
    const options = [
      `--detach --name ${name} --network ${name} --pull never --user 1000:1000 --read-only --tmpfs /tmp`,
      '--cap-drop ALL --security-opt no-new-privileges:true --memory 256m',
      `--volume ${join(folder, 'files')}:/etc/skylab:ro`,
      `--volume ${join(folder, 'certificates')}:/etc/skylab-certificates:ro`,
      `--publish 127.0.0.1:${desired.port}:${desired.port}`,
    ];
    const command = ['sh', '/etc/skylab/current/run.sh'];
    id = await docker('run', ...options.flatMap((line) => line.split(' ')), image ?? '', ...command);
    await until('nginx answers', async () => (await served()) !== undefined);
  });
  afterAll(async () => {
    const name = basename(folder);
    await docker('rm', '--force', name).catch(() => undefined);
    await docker('network', 'rm', name).catch(() => undefined);
    await rm(folder, { recursive: true, force: true });
  });

  test('passes the health check that compose.yaml makes', async () => {
    const health = ['curl', '-fsS', '-o', '/dev/null', 'http://127.0.0.1:8081/healthz'];

    await expect(docker('exec', id, ...health)).resolves.toBe('');
  });

  test('answers 502 for services that are not there, and logs it on its output', async () => {
    const reply = await get(
      { address: '127.0.0.1', port: desired.port },
      desired.identity,
      { path: '/?code=query-secret' },
      { signal: AbortSignal.timeout(20_000) },
    );

    expect(reply.status).toBe(502);
    // The line comes through the Engine, after the answer.
    await until('the request is logged', async () =>
      (await run('docker', ['logs', id])).stdout.includes(`"GET ${desired.identity}/ HTTP/1.1" 502`),
    );
    const { stdout, stderr } = await run('docker', ['logs', id]);
    expect(stdout + stderr).not.toContain('query-secret');
    expect(stderr).not.toMatch(/\[(warn|alert|emerg)\]/);
  });

  test('takes up swapped files through the mount', async () => {
    const wanted = { ...desired, strictTransport: !desired.strictTransport };
    await putFiles(wanted);

    await until('the new version is served', async () => {
      const reply = await served();
      return reply?.headers['x-skylab-config'] === renderIngress(wanted, digestOf).version;
    });
    expect(await docker('inspect', '--format', '{{.RestartCount}} {{.State.Running}}', id)).toBe('0 true');
  });

  test('can be asked whether it would take what is mounted', async () => {
    const command = 'exec nginx -e stderr -t -q -c "$1" >/dev/null';
    const file = '/etc/skylab/current/nginx.conf';

    await expect(docker('exec', id, 'sh', '-c', command, 'sh', file)).resolves.toBe('');
  });

  test('ends in order when it is stopped', async () => {
    await docker('stop', '--time', '15', id);

    expect(await docker('inspect', '--format', '{{.State.ExitCode}}', id)).toBe('0');
  });
});
