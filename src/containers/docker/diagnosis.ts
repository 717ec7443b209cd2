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
