import { readdir, rm } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { createTestHost, runProgram, type TestHost } from '../support/host.ts';

/*
 * A sandbox of the bench's own, and the two states that a cold start begins with.
 */

export interface World {
  readonly host: TestHost;
  /** Runs docker compose on the same files, variables and project as the orchestrator: src/containers/compose.ts. */
  readonly compose: (files: readonly string[], args: readonly string[]) => Promise<void>;
  /** Ids of the containers, to see that nothing was recreated. */
  readonly containers: () => Promise<string>;
  /** Takes containers, volumes, network and state away; what `up` finds on a new machine with warm images. */
  readonly empty: () => Promise<void>;
  /** The same, and puts back what `up` had written for the services: files, secrets, variables, certificate. */
  readonly prepared: () => Promise<void>;
}

const must = async (file: string, args: readonly string[], env: Readonly<Record<string, string>>) => {
  const { code, stdout, stderr } = await runProgram(file, args, env);
  if (code !== 0) throw new Error(`${file} ${args.join(' ')} ended with ${String(code)}: ${stderr}`);
  return stdout;
};

/** Runs `up` until it takes no step. */
export const converge = async (host: TestHost): Promise<void> => {
  for (let round = 0; round < 5; round += 1) {
    const { code, stdout, stderr } = await host.run(['up']);
    if (code !== 0) throw new Error(`up ended with ${String(code)}: ${stderr}`);
    if (isConverged(stdout)) return;
  }
  throw new Error('up still takes steps after five runs: something else changes this machine');
};

/** True for what a run prints that found nothing to do. */
export const isConverged = (stdout: string): boolean => stdout.startsWith('everything is as wanted');

/** Keeps ids and tokens out of what a cold start begins with: what they name is gone with the volumes. */
const isOfOneLife = (name: string): boolean => name.startsWith('id-') || name === 'netbird-service-token';

const keep = async (host: TestHost, kept: string): Promise<void> => {
  const state = join(host.folder, 'state');
  await must('cp', ['-a', state, kept], host.env);
  for (const name of await readdir(kept)) {
    if (!name.startsWith('netbird')) continue;
    for (const inner of await readdir(join(kept, name)))
      await rm(join(kept, name, inner), { recursive: true });
  }
  const secrets = join(kept, host.project, 'secrets');
  for (const name of await readdir(secrets)) if (isOfOneLife(name)) await rm(join(secrets, name));
};

/** Makes the sandbox and brings it up once. */
export const createWorld = async (): Promise<World> => {
  const host = await createTestHost('bench');
  const kept = join(host.folder, 'kept');
  const state = join(host.folder, 'state');
  const filter = ['--filter', `label=com.docker.compose.project=${host.project}`];
  const list = async (what: string, more: readonly string[] = []) =>
    (await must('docker', [what, 'ls', '-q', ...more, ...filter], host.env)).split('\n').filter(Boolean);

  const empty = async () => {
    const containers = await list('container', ['-a']);
    if (containers.length > 0) await must('docker', ['rm', '-f', ...containers], host.env);
    const volumes = await list('volume');
    if (volumes.length > 0) await must('docker', ['volume', 'rm', ...volumes], host.env);
    const networks = await list('network');
    if (networks.length > 0) await must('docker', ['network', 'rm', ...networks], host.env);
    await rm(state, { recursive: true, force: true });
  };
  try {
    await converge(host);
    await keep(host, kept);
  } catch (error) {
    await host.remove();
    throw error;
  }
  return {
    host,
    async compose(files, args) {
      const folder = resolve('compose');
      const own = join(host.folder, 'hosts', host.name, 'compose.yaml');
      const all = [join(folder, 'compose.yaml'), own, ...files].flatMap((file) => ['-f', file]);
      const envFile = join(host.state, 'compose.env');
      const project = ['--project-name', host.project, '--project-directory', folder, '--env-file', envFile];
      await must('docker', ['compose', ...project, ...all, ...args], host.env);
    },
    containers: async () => (await list('container')).sort().join(' '),
    empty,
    async prepared() {
      await empty();
      await must('cp', ['-a', kept, state], host.env);
    },
  };
};
