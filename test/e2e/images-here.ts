import { execFile } from 'node:child_process';
import { chmod, chown, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { catalogue, nodeImage } from '../../src/containers/images/catalogue.ts';
import { imageDeadlineMs, provideImage } from '../../src/containers/images/provide.ts';
import { readRecipes } from '../../src/containers/images/recipes.ts';
import { chooseImages, refsToAskFor, registryOf } from '../../src/containers/images/resolve.ts';
import { effectsFor } from '../support/steps.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));

export interface Ended {
  readonly code: number;
  /** Both streams, the second after the first. */
  readonly text: string;
}

const runFile = async (file: string, args: readonly string[]): Promise<Ended> =>
  new Promise((resolve) => {
    execFile(file, args, { timeout: 120_000, maxBuffer: 16 * 1024 * 1024 }, (error, stdout, stderr) => {
      const code = error === null ? 0 : typeof error.code === 'number' ? error.code : -1;
      resolve({ code, text: `${stdout}${stderr}`.trim() });
    });
  });

/** Runs the docker command; a failure is an answer. */
export const docker = async (...args: readonly string[]): Promise<Ended> => runFile('docker', args);

/** The same, where a failure is a fault of the test. */
export const mustDocker = async (...args: readonly string[]): Promise<string> => {
  const ended = await docker(...args);
  if (ended.code !== 0) throw new Error(`docker ${args.join(' ')}: exit ${ended.code}: ${ended.text}`);
  return ended.text;
};

/** Asks until the answer is true. @throws Error with what was seen last, after the deadline */
export const until = async (
  what: string,
  deadlineMs: number,
  ask: () => Promise<true | string>,
): Promise<void> => {
  const endMs = Date.now() + deadlineMs;
  for (;;) {
    const seen = await ask();
    if (seen === true) return;
    if (Date.now() > endMs) throw new Error(`${what}: not within ${deadlineMs} ms; last seen: ${seen}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
};

/**
 * Builds, where they are not here yet, the images of every service as on a machine to which no registry answers, from
 * this checkout's own sources; says how long each took. Resolves to the refs by service.
 */
export const buildImages = async (signal: AbortSignal): Promise<Readonly<Record<string, string>>> => {
  const installation = await mkdtemp(join(tmpdir(), 'skylab-images-'));
  try {
    const bundled = await runFile(process.execPath, [
      join(root, 'scripts', 'build.mjs'),
      join(installation, 'dist'),
    ]);
    if (bundled.code !== 0) throw new Error(`the bundles cannot be built: ${bundled.text}`);
    await mkdir(join(installation, 'cache'));
    await symlink(join(root, 'compose'), join(installation, 'compose'));

    const services = Object.keys(catalogue).filter((name) => catalogue[name]?.fallback !== undefined);
    const tags = await mustDocker('image', 'ls', '--format', '{{.Repository}}:{{.Tag}}');
    const ours = tags.split('\n').filter((tag) => tag.startsWith('skylab-'));
    const world = { present: new Set(ours), recipes: await readRecipes(services, installation) };
    const wishes = { overrides: {}, standIns: true };
    const asked = [...refsToAskFor(services, world, wishes), nodeImage];
    const registries = new Map(asked.map((ref) => [registryOf(ref), 'not asked in this test']));
    const { images, actions } = chooseImages(services, { ...world, registries }, wishes);

    for (const action of actions) {
      const startedMs = performance.now();
      await provideImage(
        action,
        { installation, cache: join(installation, 'cache') },
        effectsFor(),
        AbortSignal.any([signal, AbortSignal.timeout(imageDeadlineMs[action.kind])]),
      );
      const ms = Math.round(performance.now() - startedMs);
      process.stdout.write(`${action.kind} ${action.ref}: ${ms} ms\n`);
    }
    return Object.fromEntries(images.map((one) => [one.service, one.ref]));
  } finally {
    await rm(installation, { recursive: true, force: true });
  }
};

/** Throw-away containers of the images under test, all named by `prefix`. */
export interface Containers {
  readonly freshName: () => string;
  /** Runs one to its end. */
  readonly once: (ref: string, options: readonly string[], command?: readonly string[]) => Promise<Ended>;
  /** Starts one and returns its name. */
  readonly start: (ref: string, options: readonly string[], command?: readonly string[]) => Promise<string>;
  /** Waits until a command inside succeeds. */
  readonly untilInside: (name: string, ...command: readonly string[]) => Promise<void>;
  /** Stops one and returns how it ended. */
  readonly stop: (name: string) => Promise<{ readonly exit: string; readonly ms: number }>;
  /** Removes all that are left, with their anonymous volumes. */
  readonly clear: () => Promise<void>;
}

export const containersOf = (prefix: string): Containers => {
  let count = 0;
  const freshName = () => `${prefix}-${(count += 1)}`;
  return {
    freshName,
    once: async (ref, options, command = []) =>
      docker('run', '--rm', '--name', freshName(), ...options, ref, ...command),
    start: async (ref, options, command = []) => {
      const name = freshName();
      await mustDocker('run', '-d', '--name', name, ...options, ref, ...command);
      return name;
    },
    untilInside: async (name, ...command) =>
      until(`${command.join(' ')} in ${name}`, 120_000, async () => {
        const { code, text } = await docker('exec', name, ...command);
        return code === 0 || `exit ${code}: ${text}`;
      }),
    stop: async (name) => {
      const startedMs = performance.now();
      await mustDocker('stop', name);
      const ms = performance.now() - startedMs;
      return { exit: await mustDocker('inspect', '-f', '{{.State.ExitCode}}', name), ms };
    },
    clear: async () => {
      const left = await mustDocker('ps', '-aq', '--filter', `name=^${prefix}-`);
      if (left !== '') await mustDocker('rm', '-f', '-v', ...left.split('\n'));
    },
  };
};

/** Makes a file for a container, with the mode and, where this runs as root, the owner that matter inside. */
export const fileFor = async (
  folder: string,
  name: string,
  text: string,
  mode: number,
  uid: number,
): Promise<string> => {
  const path = join(folder, name);
  await rm(path, { force: true });
  await writeFile(path, text);
  await chmod(path, mode);
  if (process.getuid?.() === 0) await chown(path, uid, uid);
  return path;
};
