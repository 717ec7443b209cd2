import { readFileSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import { capture } from './run.mjs';
import { Stop } from './say.mjs';

const oldestEngine = 25;
const oldestCompose = [2, 24, 4];

const usualSocket = '/var/run/docker.sock';

const chosenContext = (env, home) => {
  if (env.DOCKER_CONTEXT !== undefined && env.DOCKER_CONTEXT !== '') return env.DOCKER_CONTEXT;
  try {
    const config = readFileSync(join(env.DOCKER_CONFIG ?? join(home, '.docker'), 'config.json'), 'utf8');
    return JSON.parse(config).currentContext ?? 'default';
  } catch {
    return 'default';
  }
};

/**
 * The socket of the Engine that is ours to install and start: the usual one. Undefined where DOCKER_HOST or a context
 * leads elsewhere: then somebody chose an Engine, and the program itself says whether it can be used.
 */
export const ownSocket = (env, home) => {
  const host = env.DOCKER_HOST;
  if (host !== undefined && host !== '')
    return host === `unix://${usualSocket}` || host === 'unix:///run/docker.sock' ? usualSocket : undefined;
  return ['', 'default'].includes(chosenContext(env, home)) ? usualSocket : undefined;
};

const versionIn = (text) => {
  try {
    return { version: JSON.parse(text).Version ?? '' };
  } catch {
    return { errno: 'EBADMSG' };
  }
};

/** Asks for the version: `{ version }`, or `{ errno }` where there is no answer. */
export const askEngine = async (socketPath, timeoutMs = 5000) =>
  new Promise((resolve) => {
    const call = request({ socketPath, path: '/version', timeout: timeoutMs }, (response) => {
      let text = '';
      response.on('data', (chunk) => (text += chunk));
      response.on('end', () => resolve(versionIn(text)));
    });
    call.on('timeout', () => call.destroy(Object.assign(new Error('no answer'), { code: 'ETIMEDOUT' })));
    call.on('error', (error) => resolve({ errno: error.code ?? 'EIO' }));
    call.end();
  });

const numbers = (version) =>
  version
    .replace(/^v/, '')
    .split(/[.+~-]/)
    .map(Number);
const isOlder = (version, than) => {
  const parts = numbers(version);
  for (const [index, wanted] of than.entries()) {
    const part = parts[index] ?? 0;
    if (part !== wanted) return part < wanted;
  }
  return false;
};

/** @throws {Stop} ENGINE_TOO_OLD, COMPOSE_MISSING, COMPOSE_TOO_OLD */
export const checkVersions = (
  engineVersion,
  askCompose = () => capture('docker', ['compose', 'version', '--short']),
) => {
  if (isOlder(engineVersion, [oldestEngine])) {
    throw new Stop(
      'ENGINE_TOO_OLD',
      `Docker Engine ${engineVersion} is too old, wanted is ${oldestEngine} or later`,
      'update Docker, then run it again',
    );
  }
  const { code, stdout } = askCompose();
  if (code !== 0) {
    throw new Stop(
      'COMPOSE_MISSING',
      'the Docker Engine is here, and Docker Compose is not',
      'install the package docker-compose (Debian), docker-compose-v2 (Ubuntu) or docker-compose-plugin (Docker)',
    );
  }
  const version = stdout.trim();
  if (isOlder(version, oldestCompose)) {
    throw new Stop(
      'COMPOSE_TOO_OLD',
      `Docker Compose ${version} is too old, wanted is ${oldestCompose.join('.')} or later`,
      'update Docker Compose, then run it again',
    );
  }
};
