import { join } from 'node:path';
import * as z from 'zod';
import { digestOf, readText } from '../../shared/files.ts';
import { StackError } from '../../shared/errors.ts';

/** Where the Engine listens; the docker command is sent to the same one. */
export interface Endpoint {
  /** `unix:///path` or `tcp://host:port`. */
  readonly url: string;
  /** Folder with ca.pem, cert.pem and key.pem, where the connection is encrypted. */
  readonly certificates: string | undefined;
}

type Env = Readonly<Record<string, string | undefined>>;

/**
 * Where the Engine listens, found the way the docker command finds it: DOCKER_HOST, then DOCKER_CONTEXT, then the
 * context of its configuration, then the usual socket.
 * @throws {StackError} ENGINE_UNREACHABLE where the context is unknown or leads to another machine by SSH
 */
export const findEndpoint = async (env: Env, home: string): Promise<Endpoint> => {
  const certificatesOf = (folder: string | undefined) =>
    env['DOCKER_TLS_VERIFY'] === undefined || env['DOCKER_TLS_VERIFY'] === ''
      ? undefined
      : (folder ?? join(home, '.docker'));
  const given = env['DOCKER_HOST'];
  if (given !== undefined && given !== '')
    return local({ url: given, certificates: certificatesOf(env['DOCKER_CERT_PATH']) });

  const folder = env['DOCKER_CONFIG'] ?? join(home, '.docker');
  const config = await readJson(join(folder, 'config.json'), z.looseObject({ currentContext: z.string() }));
  const context = env['DOCKER_CONTEXT'] ?? config?.currentContext ?? 'default';
  if (context === '' || context === 'default')
    return { url: 'unix:///var/run/docker.sock', certificates: undefined };

  const key = digestOf(context);
  const meta = await readJson(
    join(folder, 'contexts', 'meta', key, 'meta.json'),
    z.looseObject({ Endpoints: z.looseObject({ docker: z.looseObject({ Host: z.string() }) }) }),
  );
  if (meta === undefined) {
    throw new StackError('ENGINE_UNREACHABLE', `the docker context "${context}" does not exist`, {
      hint: 'choose another one: docker context use default',
      data: { context },
    });
  }
  const tls = join(folder, 'contexts', 'tls', key, 'docker');
  const encrypted = (await readText(join(tls, 'ca.pem'))) !== undefined;
  return local({ url: meta.Endpoints.docker.Host, certificates: encrypted ? tls : undefined });
};

const readJson = async <T>(path: string, schema: z.ZodType<T>): Promise<T | undefined> => {
  const text = await readText(path);
  if (text === undefined) return undefined;
  try {
    return schema.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined;
  }
};

/** The stack's files are mounted from this machine, so its Engine has to be here too. */
const local = (endpoint: Endpoint): Endpoint => {
  if (/^(unix|tcp|https?):\/\//.test(endpoint.url)) return endpoint;
  throw new StackError('ENGINE_UNREACHABLE', `the Engine at ${endpoint.url} is not on this machine`, {
    hint: 'run this on the machine of that Engine, or unset DOCKER_HOST and choose docker context use default',
    data: { endpoint: endpoint.url },
  });
};

/** How the docker command is told to talk to the same Engine. */
export const endpointEnv = (endpoint: Endpoint): Readonly<Record<string, string>> => ({
  DOCKER_HOST: endpoint.url,
  ...(endpoint.certificates === undefined
    ? {}
    : { DOCKER_TLS_VERIFY: '1', DOCKER_CERT_PATH: endpoint.certificates }),
});
