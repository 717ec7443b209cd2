import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import type Dockerode from 'dockerode';
import type { ContainerExec, ExecResult } from '../orchestrator/ports.ts';
import { within } from '../shared/clock.ts';
import { isAbort, StackError } from '../shared/errors.ts';
import {
  readContainers,
  readImages,
  readInspection,
  readNetworks,
  readPublishedPorts,
  type Container,
  type Inspection,
  type Network,
  type PublishedPort,
} from './docker/answers.ts';
import type { Endpoint } from './docker/endpoint.ts';
import { explainEngine } from './docker/failures.ts';
import { askRegistry } from './images/engine.ts';
import { collect, endOf, splitLines } from './docker/streams.ts';

/** The Docker Engine, as far as this program needs it. Everything throws only ENGINE_* or the signal's reason. */
export interface Engine {
  /** @throws {StackError} ENGINE_MISSING, ENGINE_UNREACHABLE, ENGINE_DENIED, ENGINE_TOO_OLD */
  readonly check: (signal: AbortSignal) => Promise<void>;
  readonly containers: (project: string, signal: AbortSignal) => Promise<readonly Container[]>;
  /** undefined where it is gone. */
  readonly inspect: (id: string, signal: AbortSignal) => Promise<Inspection | undefined>;
  /** The last lines of both streams, in order. */
  readonly lastLines: (id: string, lines: number, signal: AbortSignal) => Promise<readonly string[]>;
  readonly exec: (
    id: string,
    argv: readonly string[],
    options: { readonly user?: string; readonly stdin?: string | Uint8Array; readonly signal: AbortSignal },
  ) => Promise<ExecResult>;
  readonly restart: (id: string, signal: AbortSignal) => Promise<void>;
  /** Stops and removes a container, never a volume; one that is gone already is fine. */
  readonly remove: (id: string, signal: AbortSignal) => Promise<void>;
  readonly networks: (signal: AbortSignal) => Promise<readonly Network[]>;
  readonly publishedPorts: (signal: AbortSignal) => Promise<readonly PublishedPort[]>;
  /** Every name of an image on this machine, and the id it stands for. */
  readonly images: (signal: AbortSignal) => Promise<ReadonlyMap<string, string>>;
  /** True when the registry of this image answers; else why it does not. */
  readonly askRegistry: (ref: string, signal: AbortSignal) => Promise<true | string>;
  readonly hasVolume: (name: string, signal: AbortSignal) => Promise<boolean>;
  /** The folder in which it keeps images, containers and volumes, as the Engine's machine names it. */
  readonly dataRoot: (signal: AbortSignal) => Promise<string>;
  /** Removes a volume with all that is in it; one that is gone already is fine. */
  readonly removeVolume: (name: string, signal: AbortSignal) => Promise<void>;
}

const oldestEngine = 25;
/** For what takes an Engine milliseconds; after a silence the next call waits no longer than a moment. */
const answerTimeoutMs = { first: 15_000, afterSilence: 1000 } as const;

/** Talks to the Engine at an endpoint. dockerode is loaded with the first call. */
export const createEngine = (findEndpoint: () => Promise<Endpoint>): Engine => {
  let client: Promise<Dockerode> | undefined;
  let isSilent = false;
  const connect = async (endpoint: Endpoint): Promise<Dockerode> => {
    const { default: Docker } = await import('dockerode');
    // Every field is given, because dockerode fills the missing ones from DOCKER_HOST.
    if (endpoint.url.startsWith('unix://')) {
      const options = { socketPath: endpoint.url.slice('unix://'.length), host: undefined };
      return new Docker(options);
    }
    const { hostname, port, protocol } = new URL(endpoint.url);
    const folder = endpoint.certificates;
    if (folder === undefined)
      return new Docker({ host: hostname, port, protocol: protocol === 'https:' ? 'https' : 'http' });
    const [ca, cert, key] = await Promise.all(
      ['ca.pem', 'cert.pem', 'key.pem'].map(async (file) => readFile(join(folder, file), 'utf8')),
    );
    return new Docker({ host: hostname, port, protocol: 'https', ca, cert, key });
  };

  const call = async <T>(
    doing: string,
    signal: AbortSignal,
    act: (docker: Dockerode) => Promise<T>,
  ): Promise<T> => {
    signal.throwIfAborted();
    const endpoint = await findEndpoint();
    try {
      client ??= connect(endpoint);
      return await act(await client);
    } catch (error) {
      throw explainEngine(error, endpoint, doing, signal);
    }
  };
  /** The same for what an Engine answers at once; one that takes the call and stays silent is as good as none. */
  const ask = async <T>(
    doing: string,
    signal: AbortSignal,
    act: (docker: Dockerode, abortSignal: AbortSignal) => Promise<T>,
  ): Promise<T> =>
    call(doing, signal, async (docker) => {
      const limitMs = isSilent ? answerTimeoutMs.afterSilence : answerTimeoutMs.first;
      try {
        const answer = await within(signal, limitMs, async (limited) => act(docker, limited));
        isSilent = false;
        return answer;
      } catch (error) {
        if (signal.aborted || !isAbort(error)) throw error;
        isSilent = true;
        throw new StackError(
          'ENGINE_UNREACHABLE',
          `the Engine takes calls and does not answer them: no answer to "${doing}" in ${answerTimeoutMs.first / 1000} s`,
          {
            hint: 'see what it is at: journalctl -u docker; if it hangs: sudo systemctl restart docker',
            cause: error,
          },
        );
      }
    });
  /** A call where 304 (already so) and 404 (gone) are what was wanted. */
  const settle = async (
    doing: string,
    signal: AbortSignal,
    act: (docker: Dockerode) => Promise<unknown>,
  ): Promise<void> => {
    await call(doing, signal, async (docker) => {
      try {
        await act(docker);
      } catch (error) {
        if (!isStatus(error, 304) && !isStatus(error, 404)) throw error;
      }
    });
  };

  const list = async (docker: Dockerode, filters: Record<string, string[]>, abortSignal: AbortSignal) =>
    docker.listContainers({ all: true, filters, abortSignal });

  return {
    async check(signal) {
      const { Version: version } = await ask('say its version', signal, async (docker, abortSignal) =>
        (docker as unknown as Versioned).version({ abortSignal }),
      );
      if (Number.parseInt(version, 10) < oldestEngine) {
        throw new StackError(
          'ENGINE_TOO_OLD',
          `Docker Engine ${version} is older than the ${oldestEngine}.0 that this stack needs`,
          { hint: 'upgrade Docker: docs/errors.md#engine_too_old', data: { version, needed: oldestEngine } },
        );
      }
    },

    async containers(project, signal) {
      const label = [`com.docker.compose.project=${project}`];
      return ask('list containers', signal, async (docker, abortSignal) => {
        // The list does not show health as a field; asking for the healthy ones does.
        const [all, healthy] = await Promise.all([
          list(docker, { label }, abortSignal),
          list(docker, { label, status: ['running'], health: ['healthy', 'none'] }, abortSignal),
        ]);
        return readContainers(all, healthy);
      });
    },

    async inspect(id, signal) {
      return ask('inspect a container', signal, async (docker, abortSignal) => {
        try {
          return readInspection(await docker.getContainer(id).inspect({ abortSignal }));
        } catch (error) {
          if (isStatus(error, 404)) return undefined;
          throw error;
        }
      });
    },

    async lastLines(id, lines, signal) {
      return call('show a log', signal, async (docker) => {
        const options = {
          stdout: true,
          stderr: true,
          tail: lines,
          follow: false,
          abortSignal: signal,
        } as const;
        const stream = new PassThrough().end(await docker.getContainer(id).logs(options));
        const all: string[] = [];
        const [stdout, stderr] = [splitLines((line) => all.push(line)), splitLines((line) => all.push(line))];
        docker.modem.demuxStream(stream, stdout, stderr);
        await endOf(stream, signal);
        stdout.end();
        stderr.end();
        return all.slice(-lines);
      });
    },

    async exec(id, argv, { user, stdin, signal }) {
      return call(`run ${argv[0] ?? 'a program'} in a container`, signal, async (docker) => {
        const exec = await docker.getContainer(id).exec({
          Cmd: [...argv],
          AttachStdin: stdin !== undefined,
          AttachStdout: true,
          AttachStderr: true,
          ...(user === undefined ? {} : { User: user }),
          abortSignal: signal,
        });
        const stream = await exec.start({ hijack: true, stdin: true, abortSignal: signal });
        const [stdout, stderr] = [collect(), collect()];
        docker.modem.demuxStream(stream, stdout.into, stderr.into);
        stream.end(stdin ?? '');
        await endOf(stream, signal);
        const { ExitCode } = await exec.inspect({ abortSignal: signal });
        return { exitCode: ExitCode ?? -1, stdout: stdout.text(), stderr: stderr.text() };
      });
    },

    async restart(id, signal) {
      await settle('restart a container', signal, async (docker) =>
        docker.getContainer(id).restart({ abortSignal: signal }),
      );
    },

    async remove(id, signal) {
      await settle('stop a container', signal, async (docker) =>
        docker.getContainer(id).stop({ abortSignal: signal }),
      );
      await settle('remove a container', signal, async (docker) =>
        docker.getContainer(id).remove({ abortSignal: signal }),
      );
    },

    async networks(signal) {
      return ask('list networks', signal, async (docker, abortSignal) =>
        readNetworks(await docker.listNetworks({ abortSignal })),
      );
    },

    async publishedPorts(signal) {
      return ask('list containers', signal, async (docker, abortSignal) =>
        readPublishedPorts(await list(docker, {}, abortSignal)),
      );
    },

    async images(signal) {
      return ask('list images', signal, async (docker, abortSignal) =>
        readImages(await docker.listImages({ abortSignal })),
      );
    },

    async askRegistry(ref, signal) {
      return call('ask a registry', signal, async (docker) => askRegistry(docker, ref, signal));
    },

    async removeVolume(name, signal) {
      await settle('remove a volume', signal, async (docker) =>
        docker.getVolume(name).remove({ abortSignal: signal }),
      );
    },

    async hasVolume(name, signal) {
      return ask('look for a volume', signal, async (docker, abortSignal) => {
        try {
          await docker.getVolume(name).inspect({ abortSignal });
          return true;
        } catch (error) {
          if (isStatus(error, 404)) return false;
          throw error;
        }
      });
    },

    async dataRoot(signal) {
      const { DockerRootDir: folder } = await ask(
        'say where its data is',
        signal,
        async (docker, abortSignal) => (docker as unknown as Versioned).info({ abortSignal }),
      );
      return folder;
    },
  };
};

/** dockerode passes the option on; its types leave it out. */
interface Versioned {
  readonly version: (options: { readonly abortSignal: AbortSignal }) => Promise<{ readonly Version: string }>;
  readonly info: (options: {
    readonly abortSignal: AbortSignal;
  }) => Promise<{ readonly DockerRootDir: string }>;
}

const isStatus = (error: unknown, status: number): boolean =>
  error instanceof Error && 'statusCode' in error && error.statusCode === status;

/** Runs programs in the running container of a service. */
export const createContainerExec = (engine: Engine, project: string): ContainerExec => ({
  async exec(service, argv, options) {
    const all = await engine.containers(project, options.signal);
    const running = all.find((one) => one.service === service && one.state === 'running' && !one.oneOff);
    if (running === undefined) {
      throw new StackError('SERVICE_UNHEALTHY', `${service} has no running container`, {
        hint: 'start it: npm run up',
        data: { service },
      });
    }
    return engine.exec(running.id, argv, options);
  },
});
