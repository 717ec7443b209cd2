import { mkdtemp, realpath, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import type dockerCompose from 'docker-compose';
import type { IDockerComposeOptions, IDockerComposeResult } from 'docker-compose';
import { run } from '../shared/exec.ts';
import { digestOf, readText } from '../shared/files.ts';
import { errnoOf } from '../shared/errors.ts';
import { endpointEnv, type Endpoint } from './docker/endpoint.ts';
import { checkComposeVersion, explainCompose, explainComposeFiles } from './docker/failures.ts';
import { keepModel, parseModel, readModel, type ComposeModel } from './docker/model.ts';

/** What every call of Compose is about. */
export interface ComposeProject {
  readonly name: string;
  /** Absolute; relative paths in the files start here. */
  readonly folder: string;
  readonly files: readonly string[];
  readonly profiles: readonly string[];
  readonly envFile: string;
  /** What Compose said is kept here, where the folder above it exists. */
  readonly cache: string;
}

/**
 * The docker compose command. What changes something goes through the docker-compose package; everything throws only
 * StackError (COMPOSE_*, ENGINE_*, PORT_TAKEN, SUBNET_TAKEN, IMAGE_UNAVAILABLE, DISK_*, DEADLINE) or the signal's reason.
 */
export interface Compose {
  /** What the files say with these variables; asked again only when files, variables or Compose itself have changed. */
  readonly model: (
    project: ComposeProject,
    variables: Readonly<Record<string, string>>,
    signal: AbortSignal,
  ) => Promise<ComposeModel>;
  /** Creates, recreates and starts these services and nothing else. */
  readonly up: (
    project: ComposeProject,
    services: readonly string[],
    timeoutMs: number,
    signal: AbortSignal,
  ) => Promise<void>;
  /** Stops these services; the containers stay. */
  readonly stop: (
    project: string,
    services: readonly string[],
    timeoutMs: number,
    signal: AbortSignal,
  ) => Promise<void>;
  /** Removes containers and networks of a project, never a volume; needs no Compose file. */
  readonly down: (project: string, timeoutMs: number, signal: AbortSignal) => Promise<void>;
}

type Env = Readonly<Record<string, string | undefined>>;

const configTimeoutMs = 30_000;

/** The caller's environment without what would change the meaning of the files: Compose prefers it to the env file. */
const childEnv = (env: Env, endpoint: Endpoint): Record<string, string> => {
  const passed = ['PATH', 'HOME', 'USER', 'LANG', 'TMPDIR', 'XDG_RUNTIME_DIR', 'DOCKER_CONFIG'];
  const found = passed.flatMap((name) => {
    const value = env[name];
    return value === undefined ? [] : [[name, value] as const];
  });
  return { ...Object.fromEntries(found), ...endpointEnv(endpoint) };
};

/** What the docker command is, as far as it can be told without running it: a new one has another size or time. */
const fingerprint = async (env: Env): Promise<string> => {
  const plugin = join('cli-plugins', 'docker-compose');
  const candidates = [
    ...(env['PATH'] ?? '').split(delimiter).map((folder) => join(folder, 'docker')),
    join(env['DOCKER_CONFIG'] ?? join(env['HOME'] ?? '/', '.docker'), plugin),
    ...['/usr/local/lib', '/usr/local/libexec', '/usr/lib', '/usr/libexec'].map((folder) =>
      join(folder, 'docker', plugin),
    ),
  ];
  const seen = await Promise.all(
    candidates.map(async (path) => {
      try {
        const [real, { size, mtimeMs }] = await Promise.all([realpath(path), stat(path)]);
        return `${real}:${size}:${mtimeMs}`;
      } catch {
        return '';
      }
    }),
  );
  return seen.join('\n');
};

/** Files that bring in further files say more than their own text shows. */
const readsOthers = /^\s*(extends|include|env_file)\s*:/m;

/**
 * The package has no way to end its child, so a shell in between writes down its own number and gives way to `timeout`,
 * which hands a SIGINT on to docker. Compose must not wait for an answer that nobody gives: no standard input.
 */
const wrapper = 'echo $$ >"$0"; limit=$1; shift; exec timeout -s INT -k 10 "$limit" docker "$@" </dev/null';

const interrupt = async (pidFile: string): Promise<void> => {
  const pid = Number(await readText(pidFile));
  if (!Number.isSafeInteger(pid) || pid <= 1) return;
  try {
    process.kill(pid, 'SIGINT');
  } catch (error) {
    if (errnoOf(error) !== 'ESRCH') throw error;
  }
};

const isResult = (value: unknown): value is IDockerComposeResult =>
  typeof value === 'object' && value !== null && 'exitCode' in value && 'err' in value;

interface Options {
  readonly endpoint: () => Promise<Endpoint>;
  readonly env: Env;
}

/** The calls that are there however the package was loaded: as it is, bundled, or by a test runner. */
type Calls = Pick<typeof dockerCompose, 'upMany' | 'stopMany' | 'downAll'>;

interface Change {
  readonly doing: string;
  readonly global: readonly string[];
  readonly files: readonly string[];
  readonly timeoutMs: number;
}

/** Talks to docker compose, which is sent to the same Engine as our own calls. */
export const createCompose = ({ endpoint, env }: Options): Compose => {
  const remembered = new Map<string, Promise<ComposeModel>>();

  const globalArgs = (project: ComposeProject): string[] => [
    '--project-name',
    project.name,
    '--project-directory',
    project.folder,
    ...project.profiles.flatMap((profile) => ['--profile', profile]),
  ];

  const ask = async (
    project: ComposeProject,
    variables: Readonly<Record<string, string>>,
    signal: AbortSignal,
  ): Promise<ComposeModel> => {
    const all = { ...childEnv(env, await endpoint()), ...variables };
    const pairs = Object.entries(all).map(([name, value]) => `${name}=${value}`);
    // `env -i`, because variables of the caller's shell would win over those of the stack.
    const docker = async (...args: readonly string[]) =>
      run('env', ['-i', ...pairs, 'docker', 'compose', ...args], { timeoutMs: configTimeoutMs, signal });
    const files = project.files.flatMap((file) => ['-f', file]);
    const config = [...globalArgs(project), '--env-file', '/dev/null', ...files, 'config'];
    const [version, json, hashes] = await Promise.all([
      docker('version', '--short'),
      docker(...config, '--format', 'json'),
      docker(...config, '--hash', '*'),
    ]);
    checkComposeVersion(version);
    for (const one of [json, hashes])
      if (one.exitCode !== 0) throw explainComposeFiles(one.exitCode, one.stderr);
    return parseModel(json.stdout, hashes.stdout);
  };

  const model: Compose['model'] = async (project, variables, signal) => {
    const texts = await Promise.all(project.files.map(async (file) => (await readText(file)) ?? ''));
    const { name, folder, profiles, files } = project;
    const key = digestOf(
      JSON.stringify([name, folder, profiles, files, texts, variables, await fingerprint(env)]),
    );
    const file = join(project.cache, `compose-${key}.json`);
    const cacheable = !texts.some((text) => readsOthers.test(text));
    const lookUp = async (): Promise<ComposeModel> => {
      const known = cacheable ? await readModel(file) : undefined;
      if (known !== undefined) return known;
      const fresh = await ask(project, variables, signal);
      if (cacheable) await keepModel(file, fresh);
      return fresh;
    };
    const found = remembered.get(key) ?? lookUp();
    remembered.set(key, found);
    try {
      return await found;
    } catch (error) {
      remembered.delete(key);
      throw error;
    }
  };

  const change = async (
    { doing, global, files, timeoutMs }: Change,
    signal: AbortSignal,
    call: (compose: Calls, options: IDockerComposeOptions) => Promise<IDockerComposeResult>,
  ): Promise<void> => {
    signal.throwIfAborted();
    const { default: compose } = await import('docker-compose');
    const folder = await mkdtemp(join(tmpdir(), 'skylab-compose-'));
    const pidFile = join(folder, 'pid');
    const stop = () => void interrupt(pidFile);
    signal.addEventListener('abort', stop);
    try {
      await call(compose, {
        cwd: folder,
        config: [...files],
        composeOptions: [...global],
        env: childEnv(env, await endpoint()),
        executable: {
          executablePath: 'sh',
          options: ['-c', wrapper, pidFile, String(Math.ceil(timeoutMs / 1000))],
        },
      });
    } catch (error) {
      signal.throwIfAborted();
      if (isResult(error)) throw explainCompose(doing, error.exitCode ?? undefined, error.err || error.out);
      throw error;
    } finally {
      signal.removeEventListener('abort', stop);
      await rm(folder, { recursive: true, force: true });
    }
  };

  return {
    model,
    async up(project, services, timeoutMs, signal) {
      const doing = `start ${services.join(', ')}`;
      const global = [...globalArgs(project), '--env-file', project.envFile];
      // No --no-deps: Compose 2.26 then leaves depends_on out of the service, and its hash is another one than `config`
      // says. What a service depends on is healthy before this is called.
      const commandOptions = ['--no-build', '--pull', 'never', '--remove-orphans=false', '--quiet-pull'];
      await change({ doing, global, files: project.files, timeoutMs }, signal, async (compose, options) =>
        compose.upMany([...services], { ...options, commandOptions }),
      );
    },
    async stop(project, services, timeoutMs, signal) {
      const doing = `stop ${services.join(', ')}`;
      const global = ['--project-name', project];
      await change({ doing, global, files: [], timeoutMs }, signal, async (compose, options) =>
        compose.stopMany(options, ...services),
      );
    },
    async down(project, timeoutMs, signal) {
      const global = ['--project-name', project];
      const what = { doing: 'take the stack down', global, files: [], timeoutMs };
      await change(what, signal, async (compose, options) => compose.downAll(options));
    },
  };
};
