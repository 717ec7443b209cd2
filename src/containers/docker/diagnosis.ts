import type { ErrorCode } from '../../shared/error-codes.ts';
import { StackError } from '../../shared/errors.ts';
import type { Inspection } from './answers.ts';

interface Cause {
  readonly pattern: RegExp;
  readonly code: ErrorCode;
  readonly says: string;
  readonly hint: string;
}

/** What programs say when they refuse data, and what it means. */
const causes: readonly Cause[] = [
  {
    pattern: /initialized by PostgreSQL version (\d+)|database files are incompatible with server/,
    code: 'DATA_FOREIGN',
    says: 'its data was written by another major version of PostgreSQL',
    hint: 'set postgres.image back to that version; to move on, dump there and restore here (pg_dumpall)',
  },
  {
    pattern: /newer than application version|downgrades are not allowed|ALLOW_DOWNGRADE/,
    code: 'DATA_FOREIGN',
    says: 'its database was written by a newer version, or by a stand-in',
    hint: 'run at least the version that wrote it: images.overrides in settings.yaml',
  },
  {
    pattern: /holds the data of a real/,
    code: 'DATA_FOREIGN',
    says: 'a stand-in met the data of the real server, and left it alone',
    hint: 'give the stand-in a database of its own, or bring the real image to this machine',
  },
  {
    pattern: /failed to decrypt private key|cipher: message authentication failed/,
    code: 'ENCRYPTION_KEY_CHANGED',
    says: 'its data was sealed with another key than the one it has now',
    hint: 'put the secret back from a backup; the data itself is whole',
  },
];

/** So many ends of a container while we wait, and it will not get better by itself. */
const tooManyEnds = 3;
/**
 * Longer than two rounds of a health check, each its interval and its timeout (compose.yaml: 10 s and 10 s): the round in
 * which the service got well may still be told as failed, and then the next one has to end.
 */
const unhealthyForMs = 45_000;

/** Why it is no use to wait any longer; undefined while it is. `ends`: how often it has ended since we wait. Pure. */
export const wrongWith = (
  { status }: Pick<Inspection, 'status'>,
  ends: number,
  unhealthyMs: number,
): string | undefined => {
  if (status === 'exited' || status === 'dead') return 'does not stay up';
  if (ends >= tooManyEnds) return 'ends again and again';
  return unhealthyMs > unhealthyForMs ? 'does not become healthy' : undefined;
};

const shown = 12;

const seenOf = ({ status, exitCode, outOfMemory, health, checks, error }: Inspection): string => {
  if (outOfMemory) return 'it ran out of memory';
  if (error !== '') return error;
  if (status === 'restarting' || status === 'exited' || status === 'dead')
    return `it ended with exit code ${exitCode}`;
  const last = checks.at(-1);
  return health === 'unhealthy' && last !== undefined && last !== ''
    ? `its health check says: ${last.split('\n')[0]}`
    : `it is ${status} and ${health}`;
};

/** Why a service does not become healthy, from what was seen of it and the last lines of its log. */
export const diagnose = (
  service: string,
  when: string,
  inspection: Inspection,
  log: readonly string[],
): StackError => {
  // The newest line that says it: older ones may be of a start that failed for another reason.
  const cause = log
    .toReversed()
    .map((line) => causes.find((one) => one.pattern.test(line)))
    .find((one) => one !== undefined);
  const lines = log.slice(-shown);
  const tail = lines.length === 0 ? '' : `\n${lines.map((line) => `  | ${line}`).join('\n')}`;
  const data = { service, exitCode: inspection.exitCode, restarts: inspection.restarts, lines };
  if (cause !== undefined)
    return new StackError(cause.code, `${service} does not start: ${cause.says}${tail}`, {
      hint: cause.hint,
      data,
    });
  return new StackError('SERVICE_UNHEALTHY', `${service} ${when}: ${seenOf(inspection)}${tail}`, {
    hint: `the lines above are the end of its log; all of it: npm run -s logs -- --service ${service}`,
    data,
  });
};
