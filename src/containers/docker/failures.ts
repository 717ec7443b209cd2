import { ZodError } from 'zod';
import type { Outcome } from '../../shared/exec.ts';
import { errnoOf, isAbort, isStackError, StackError } from '../../shared/errors.ts';
import type { Endpoint } from './endpoint.ts';

const oldestCompose = [2, 24, 4] as const;

/** Any failure of a call as one of ours; the signal's reason passes through. */
export const explainEngine = (
  error: unknown,
  endpoint: Endpoint,
  doing: string,
  signal?: AbortSignal,
): unknown => {
  if (signal?.aborted === true) return signal.reason;
  if (isStackError(error) || isAbort(error) || !(error instanceof Error)) return error;
  const data = { endpoint: endpoint.url, errno: errnoOf(error) };
  if ('statusCode' in error && typeof error.statusCode === 'number') {
    const said = error.message.replace(/^\(HTTP code \d+\) /, '').trim();
    return new StackError('ENGINE_FAILED', `the Engine refused to ${doing}: ${said}`, {
      hint: 'the log of the Engine says more: journalctl -u docker',
      data: { ...data, status: error.statusCode },
      cause: error,
    });
  }
  if (data.errno === 'EACCES' || data.errno === 'EPERM') {
    return new StackError('ENGINE_DENIED', `this user may not talk to the Engine at ${endpoint.url}`, {
      hint: 'run it as root, or join the group and log in again: sudo usermod -aG docker $USER',
      data,
      cause: error,
    });
  }
  if (data.errno !== undefined && connectionErrors.has(data.errno)) {
    return new StackError(
      'ENGINE_UNREACHABLE',
      `the Engine at ${endpoint.url} does not answer (${data.errno})`,
      { hint: 'start it: sudo systemctl start docker', data, cause: error },
    );
  }
  if (!(error instanceof ZodError)) return error;
  return new StackError('ENGINE_FAILED', `the Engine's answer to "${doing}" is not of the known form`, {
    hint: 'its version may be one that this program does not know: docker version',
    data: { ...data, issues: error.issues.slice(0, 3) },
    cause: error,
  });
};

/** How a connection fails, as Node names it: no socket, nobody behind it, gone in the middle. */
const connectionErrors: ReadonlySet<string> = new Set([
  'ENOENT',
  'ENOTSOCK',
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  'ENOTFOUND',
  'EAI_AGAIN',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'ENETUNREACH',
]);

const lastLines = (text: string, count: number): readonly string[] =>
  text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '')
    .slice(-count);

/** What Compose said about its files. The Engine has no part in that. */
export const explainComposeFiles = (exitCode: number | undefined, text: string): StackError => {
  const lines = lastLines(text, 8);
  return new StackError('COMPOSE_FAILED', `docker compose cannot read its files:\n  ${lines.join('\n  ')}`, {
    hint: "what Compose says above is the cause; check compose.yaml in the host's folder",
    data: { exitCode, lines },
  });
};

/** Relay ports lie where outgoing connections get theirs, so one may be somebody's for a moment. */
const portAgainAfterMs = 1000;

/** What Compose said when it failed to change something, as an error that names the cause where it is known. */
export const explainCompose = (doing: string, exitCode: number | undefined, text: string): StackError => {
  const lines = lastLines(text, 8);
  const said = lines.join('\n  ');
  const data = { exitCode, lines };
  if (exitCode === 124 || exitCode === 137)
    return new StackError('DEADLINE', `docker compose did not ${doing} in time:\n  ${said}`, {
      hint: 'run npm run up again; it goes on where it stopped',
      data,
    });
  const [, code, says, hint] = causes.find(([pattern]) => pattern.test(text)) ?? [
    undefined,
    'COMPOSE_FAILED' as const,
    `exit ${exitCode}`,
    'what Compose says above is the cause; compose/ and the folder of the host hold its files',
  ];
  return new StackError(code, `docker compose could not ${doing}: ${says}:\n  ${said}`, {
    hint,
    data,
    ...(code === 'PORT_TAKEN' ? { retryAfterMs: portAgainAfterMs } : {}),
  });
};

const causes = [
  [
    /permission denied while trying to connect/i,
    'ENGINE_DENIED',
    'this user may not talk to the Engine',
    'run it as root, or join the group docker and log in again',
  ],
  [
    /cannot connect to the docker daemon|error during connect|connection reset by peer|\bEOF\b$/im,
    'ENGINE_UNREACHABLE',
    'the Engine does not answer',
    'start it: sudo systemctl start docker',
  ],
  [
    /port is already allocated|address already in use|failed to bind (host )?port/i,
    'PORT_TAKEN',
    'a port is held by another program',
    'find it with: sudo ss -lntup',
  ],
  [
    /pool overlaps with other one|invalid pool request/i,
    'SUBNET_TAKEN',
    'the subnet overlaps with another network',
    'choose another network.subnet in settings.yaml',
  ],
  [/no space left on device/i, 'DISK_FULL', 'the disk is full', 'free some space: docker system df'],
  [
    /read-only file system/i,
    'DISK_READ_ONLY',
    'a file system is read-only',
    'mount it writable, or set storage.root to a folder that is',
  ],
  [
    /no such image|pull access denied|manifest unknown/i,
    'IMAGE_UNAVAILABLE',
    'an image is not on this machine',
    'run npm run up again; it fetches or builds what is missing',
  ],
] as const;

const missing = (outcome: Outcome): StackError =>
  new StackError(
    'COMPOSE_MISSING',
    `docker compose does not run (${lastLines(outcome.stderr, 1)[0] ?? ''})`,
    {
      hint: 'install it: sudo apt-get install docker-compose (Debian trixie) or docker-compose-plugin (docker.com)',
      data: { exitCode: outcome.exitCode },
    },
  );

/** @throws {StackError} COMPOSE_MISSING, COMPOSE_TOO_OLD */
export const checkComposeVersion = (outcome: Outcome): void => {
  const found = /^v?(\d+)\.(\d+)\.(\d+)/.exec(outcome.stdout.trim());
  if (outcome.exitCode !== 0 || found === null) throw missing(outcome);
  const numbers = found.slice(1).map(Number);
  const firstOther = oldestCompose.findIndex((wanted, index) => numbers[index] !== wanted);
  if (firstOther === -1 || (numbers[firstOther] ?? 0) > (oldestCompose[firstOther] ?? 0)) return;
  const version = outcome.stdout.trim();
  throw new StackError(
    'COMPOSE_TOO_OLD',
    `Docker Compose ${version} is older than the ${oldestCompose.join('.')} that this stack needs`,
    { hint: 'upgrade Docker Compose: docs/errors.md#compose_too_old', data: { version } },
  );
};
