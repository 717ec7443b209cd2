import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { type Bindings, createBindings } from '../support/pocket-id-bindings.ts';
import { type RecordedCall, readRecording, recordedHost } from '../support/pocket-id-recording.ts';
import { type Credential, replayCall } from '../support/pocket-id-replay.ts';
import { type OpenTarget, openTarget, whyNoTarget } from '../support/pocket-id-target.ts';
import { leftOut, uncovered } from '../support/pocket-id-uncovered.ts';

const bootstrap = readRecording('bootstrap');
const login = readRecording('login');

const alice = '<cookie-1>';
const bob = '<cookie-2>';
const firstSecret = '6SSjygMqeF9gleUBhP0pajvDRfc9MCN4';
const secondSecret = 'u1jCnnc1vvkKDKMCAxAmYzHTNkiuQ512';

/** The recordings say how a call was authenticated, not by whom; it is alice's session unless said here. */
const loginCredentials: Readonly<Record<number, Credential>> = {
  10: { bearer: '<jwt-1>' },
  11: { bearer: '<jwt-1>AAAA' },
  15: { bearer: '<jwt-3>' },
  26: { bearer: bob },
  49: { basic: ['conf', 'a-secret-that-was-never-made'] },
  50: { basic: ['conf', firstSecret] },
  53: { basic: ['conf', firstSecret] },
  55: { basic: ['conf', firstSecret] },
  57: { basic: ['conf', firstSecret] },
  58: { basic: ['conf', secondSecret] },
  71: { bearer: bob },
  80: { bearer: bob },
};

const credentialFor = (
  call: RecordedCall,
  special: Readonly<Record<number, Credential>>,
): Credential | undefined => {
  if (call.auth === 'cookie') return { cookie: alice };
  return special[call.line] ?? (call.auth === 'Bearer' ? { bearer: alice } : undefined);
};

const isReplayed = (name: keyof typeof uncovered, call: RecordedCall): boolean =>
  call.host === recordedHost && uncovered[name][call.line] === undefined;

const shortPath = (call: RecordedCall): string => call.path.slice(0, 110);

const reason = whyNoTarget();
if (reason !== undefined)
  process.stderr.write(`skipped, the recordings of Pocket ID need a server: ${reason}\n`);

describe.skipIf(reason !== undefined)('Pocket ID answers as recorded', () => {
  let target: OpenTarget;
  let bindings: Bindings;

  beforeAll(async () => {
    target = await openTarget();
    bindings = createBindings(issuerBindings(target.issuer));
    process.stdout.write(`recordings of Pocket ID against: ${target.kind} at ${target.base}\n`);
  });

  afterAll(async () => {
    await target.close();
  });

  const issuerBindings = (issuer: string): Record<string, string> => ({
    'https://id.lab.test': issuer,
    'https%3A%2F%2Fid.lab.test': encodeURIComponent(issuer),
  });

  describe('in bootstrap.jsonl', () => {
    for (const call of bootstrap.filter((each) => isReplayed('bootstrap', each)))
      test(`line ${call.line}: ${call.method} ${shortPath(call)} answers ${call.status}`, async () => {
        const replay = { target, bindings, clientAddress: '203.0.113.1' };
        expect(await replayCall(call, credentialFor(call, {}), replay)).toEqual([]);
      });
  });

  describe('in login.jsonl, on what bootstrap.jsonl made', () => {
    beforeAll(() => {
      const made = bindings;
      bindings = createBindings({
        ...issuerBindings(target.issuer),
        '<uuid-1>': made.live('<uuid-2>'),
        '<uuid-2>': made.live('<uuid-5>'),
        '<uuid-25>': made.live('<uuid-7>'),
        '<setup-key-1>': made.live('<setup-key-1>'),
        'static-api-user-G7arWe': made.live('static-api-user-G7arWe'),
        // A secret's expiry that was sent, a day ahead as it was then.
        '2026-11-23T04:22:37.934Z': new Date(Date.now() + 24 * 3_600_000).toISOString(),
      });
    });

    for (const call of login.filter((each) => isReplayed('login', each)))
      test(`line ${call.line}: ${call.method} ${shortPath(call)} answers ${call.status}`, async () => {
        const replay = { target, bindings, clientAddress: '203.0.113.2' };
        expect(await replayCall(call, credentialFor(call, loginCredentials), replay)).toEqual([]);
      });
  });
});

describe('what is not replayed', () => {
  const files = [
    ['bootstrap', bootstrap],
    ['login', login],
  ] as const;
  for (const [name, lines] of files)
    test(`every line of ${name}.jsonl is either replayed or listed with a reason`, () => {
      const replayed = lines.filter((call) => isReplayed(name, call)).map((call) => call.line);
      const listed = Object.keys(uncovered[name]).map(Number);
      expect([...replayed, ...listed].toSorted((a, b) => a - b)).toEqual(lines.map((_, index) => index));
      for (const [line, why] of Object.entries(uncovered[name]))
        process.stdout.write(`not replayed: ${name}.jsonl ${line}: ${why}\n`);
    });

  test('what the stand-in leaves out is printed', () => {
    for (const what of leftOut) process.stdout.write(`left out of the stand-in: ${what}\n`);
    expect(leftOut.length).toBeGreaterThan(0);
  });
});
