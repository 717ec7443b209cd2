import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Effects } from '../../orchestrator/effects.ts';
import { StackError } from '../../shared/errors.ts';
import { run, type Outcome } from '../../shared/exec.ts';
import { ensureDirectory } from '../../shared/files.ts';
import type { ImageAction } from './resolve.ts';

interface Place {
  /** The root of this program's files. */
  readonly installation: string;
  /** Folder for a tar of about 300 MB while the base is made. */
  readonly cache: string;
  /** Added to the environment of `docker`, such as DOCKER_HOST. */
  readonly env?: Readonly<Record<string, string>>;
}

/** How long each kind of action may take, in milliseconds. */
export const imageDeadlineMs = { pull: 900_000, 'make-base': 600_000, build: 300_000 } as const;

const workPrefix = 'base-';

/** The last lines that say what is wrong; the last of all where none does so openly. */
const lastLines = (text: string): string => {
  const lines = text.trim().split('\n');
  const errors = lines.filter((line) => /^(E:|error\b)/i.test(line));
  return (errors.length > 0 ? errors : lines).slice(-4).join(' | ');
};

/** What a line or a registry says that may be better in a moment, and what it says of the image itself. */
const passing = /time-?out|timed out|deadline exceeded|connection reset|\bEOF\b|temporary failure/i;
const refused = /not found|denied|unauthorized|manifest unknown/i;
const pullAgainAfterMs = 2000;

const must = (outcome: Outcome, what: string, hint: string, retryAfterMs?: number): void => {
  if (outcome.exitCode === 0) return;
  const seen = outcome.errno ?? `exit ${outcome.exitCode ?? 'by a signal'}`;
  throw new StackError('IMAGE_UNAVAILABLE', `${what} failed (${seen}): ${lastLines(outcome.stderr)}`, {
    hint,
    data: { what, exitCode: outcome.exitCode, errno: outcome.errno },
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
  });
};

const makeBase = async (ref: string, place: Place, signal: AbortSignal): Promise<void> => {
  const probe = await run('mmdebstrap', ['--version'], { timeoutMs: 10_000, signal });
  if (probe.errno === 'ENOENT') {
    throw new StackError(
      'IMAGE_UNAVAILABLE',
      `the image ${ref} has to be built here, and mmdebstrap is not installed`,
      {
        hint: 'install the Debian package mmdebstrap, or make a registry reachable, then run it again',
        data: { ref, package: 'mmdebstrap' },
      },
    );
  }
  await ensureDirectory(place.cache, 0o700);
  // A run that was killed left its tar behind.
  for (const name of await readdir(place.cache)) {
    if (name.startsWith(workPrefix)) await rm(join(place.cache, name), { recursive: true, force: true });
  }
  const folder = await mkdtemp(join(place.cache, workPrefix));
  try {
    const tar = join(folder, 'base.tar');
    const script = join(place.installation, 'compose', 'images', 'base', 'build.sh');
    const made = await run('sh', [script, tar], { timeoutMs: imageDeadlineMs['make-base'], signal });
    must(
      made,
      'mmdebstrap',
      'it needs Debian packages from the network and 1 GB of free disk; then run it again',
    );
    const imported = await run('docker', ['import', tar, ref], {
      timeoutMs: imageDeadlineMs.build,
      signal,
      ...(place.env === undefined ? {} : { env: place.env }),
    });
    must(imported, `docker import ${ref}`, 'look at the log of the Docker service and at df -h');
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
};

/** The folder with what a Dockerfile copies: dist/ for the renewer, dist/sandbox/ for stand-ins, else its own. */
const contextOf = (action: Extract<ImageAction, { kind: 'build' }>, place: Place, own: string): string => {
  const [first] = action.recipe.bundles;
  if (first === undefined) return own;
  const dist = join(place.installation, 'dist');
  return first.startsWith('sandbox/') ? join(dist, 'sandbox') : dist;
};

/**
 * Brings one image to this machine; safe to repeat.
 * @throws {StackError} IMAGE_UNAVAILABLE with the last lines of what failed; to be tried again where a pull broke off
 * @throws the signal's reason when aborted
 */
export const provideImage = async (
  action: ImageAction,
  place: Place,
  effects: Effects,
  signal: AbortSignal,
): Promise<void> => {
  const env = place.env === undefined ? {} : { env: place.env };
  switch (action.kind) {
    case 'pull':
      await effects.perform('engine', `pull ${action.ref}`, async () => {
        const options = { timeoutMs: imageDeadlineMs.pull, signal, ...env };
        const outcome = await run('docker', ['pull', '--quiet', action.ref], options);
        const isPassing = passing.test(outcome.stderr) && !refused.test(outcome.stderr);
        must(
          outcome,
          `docker pull ${action.ref}`,
          'check the network and the name of the image, then run it again',
          isPassing ? pullAgainAfterMs : undefined,
        );
      });
      return;
    case 'make-base':
      await effects.perform('engine', `make ${action.ref}`, async () => makeBase(action.ref, place, signal));
      return;
    case 'build': {
      const own = join(place.installation, 'compose', 'images', action.recipe.folder);
      const args = [
        '--file',
        join(own, 'Dockerfile'),
        '--build-arg',
        `BASE=${action.from}`,
        '--tag',
        action.ref,
      ];
      await effects.perform('engine', `build ${action.ref}`, async () => {
        // The builder `default` is the Engine's own: only that one starts from an image that no registry has.
        const outcome = await run(
          'docker',
          [
            'buildx',
            'build',
            '--builder=default',
            '--network=none',
            '--quiet',
            ...args,
            contextOf(action, place, own),
          ],
          { timeoutMs: imageDeadlineMs.build, signal, ...env },
        );
        must(
          outcome,
          `docker buildx build of ${action.ref}`,
          'it needs docker-buildx; see the lines above, then run it again',
        );
      });
      return;
    }
    default:
      action satisfies never;
  }
};
