import { describe, expect, test } from 'vitest';
import { matchJson } from './match.ts';
import { readRecording, recordingNames, type RecordedCall, type RecordingName } from './recording.ts';
import type { Session } from './session.ts';
import { excused, uncovered } from './uncovered.ts';

const isReplayed = (name: RecordingName, call: RecordedCall): boolean => !(call.line in uncovered[name]);

/** Not the last character: in a signature, some of its bits are padding. */
const altered = (token: string): string => {
  const at = token.length - 10;
  return token.slice(0, at) + (token[at] === 'A' ? 'B' : 'A') + token.slice(at + 1);
};

/** Whose credential a call carried. Only the login recording has more than one kind. */
const credentialFor = async (name: RecordingName, call: RecordedCall, session: Session): Promise<string> => {
  if (name === 'login' && call.line === 3) return altered(await session.tokenOf('bob', 'id_token'));
  if (name === 'login' && call.line === 4) return session.tokenOf('bob', 'access_token');
  if (name === 'login' && call.line === 5) return altered(session.serviceToken());
  if (call.auth === 'Token') return session.serviceToken();
  return session.tokenOf(name === 'login' ? 'bob' : 'alice', 'id_token');
};

/** The recorded answer as it should come out here: without what `uncovered.ts` excuses. */
const wantedAnswer = (name: RecordingName, call: RecordedCall, version: string): unknown => {
  const isJson = call.headers['content-type']?.startsWith('application/json') === true;
  const answer: unknown = isJson ? JSON.parse(call.answer) : call.answer;
  for (const one of excused(version).filter((each) => each.recording === name && each.line === call.line)) {
    const holder = one.field
      .slice(0, -1)
      .reduce<unknown>((value, key) => (value as Record<string, unknown>)[key], answer);
    (holder as Record<string, unknown>)[String(one.field.at(-1))] = one.instead;
  }
  return answer;
};

/** Makes a recorded call anew. Returns what differs: status, content type, the final line feed, the body. */
const replay = async (
  name: RecordingName,
  call: RecordedCall,
  session: Session,
): Promise<readonly string[]> => {
  const { bindings, target } = session;
  const authorization =
    call.auth === undefined ? '' : `${call.auth} ${await credentialFor(name, call, session)}`;
  const body = call.body === undefined ? undefined : bindings.live(call.body);
  const got = await session.call(call.method, bindings.live(call.path), body, authorization);
  const wantedType = call.headers['content-type'];
  return [
    ...(got.status === call.status ? [] : [`status: wanted ${call.status}, got ${got.status} ${got.text}`]),
    ...(got.contentType === wantedType ? [] : [`content-type: wanted ${wantedType}, got ${got.contentType}`]),
    ...(got.text.endsWith('\n') === call.answer.endsWith('\n') ? [] : ['the line feed at the end differs']),
    ...matchJson(wantedAnswer(name, call, target.version), got.json, bindings, `${call.method} ${call.path}`),
  ];
};

const walk = (name: RecordingName, session: () => Session): void => {
  for (const call of readRecording(name).filter((each) => isReplayed(name, each))) {
    test(`line ${call.line}: ${call.method} ${call.path} answers ${call.status}`, async () => {
      expect(await replay(name, call, session())).toEqual([]);
    });
  }
};

/** Registers the tests that walk the recordings, each on what the one before left. */
export const recordedWays = (session: () => Session): void => {
  describe('an empty server answers as recorded in bootstrap', () => {
    walk('bootstrap', session);
  });

  describe('on what bootstrap made, it answers as recorded in login', () => {
    walk('login', session);
  });

  describe('on what both made, it answers as recorded in netbird-admin', () => {
    test('alice, who signed in again before this recording, now has the groups of her token', async () => {
      const { bindings, call, tokenOf } = session();
      const bearer = `Bearer ${await tokenOf('alice', 'id_token')}`;

      expect((await call('GET', '/api/users/current', undefined, bearer)).json).toMatchObject({
        auto_groups: [bindings.live('dc16s3i4u9mu85n4mv90')],
      });
    });

    walk('netbird-admin', session);

    test('a setup key is shown whole once, and by its first five characters afterwards', () => {
      const { bindings } = session();
      for (const [whole, masked] of [
        ['<bootstrap:setup-key-2>', '31BB9****'],
        ['<netbird-admin:setup-key-1>', '65135****'],
      ] as const) {
        expect(bindings.match(masked, `${bindings.live(whole).slice(0, 5)}****`)).toBeUndefined();
      }
    });
  });

  describe('what is not replayed', () => {
    test.each(recordingNames)('every line of %s is either replayed or listed with a reason', (name) => {
      const lines = readRecording(name);
      const replayed = lines.filter((call) => isReplayed(name, call)).map(({ line }) => line);
      const listed = Object.keys(uncovered[name]).map(Number);

      expect([...replayed, ...listed].sort((a, b) => a - b)).toEqual(lines.map(({ line }) => line));
      process.stdout.write(`netbird ${name}: ${replayed.length} lines replayed, ${listed.length} not\n`);
      for (const [line, why] of Object.entries(uncovered[name])) {
        process.stdout.write(`not replayed: netbird ${name} ${line}: ${why}\n`);
      }
    });

    test('every excused field is in its line of the recording', () => {
      for (const { recording, line, field, why } of excused('')) {
        const answer: unknown = JSON.parse(readRecording(recording)[line]?.answer ?? 'null');
        const value = field.reduce<unknown>(
          (holder, key) => (holder as Record<string, unknown>)[key],
          answer,
        );

        expect(value).toBeDefined();
        process.stdout.write(`not compared: netbird ${recording} ${line} ${field.join('.')}: ${why}\n`);
      }
    });
  });
};
