import { readFileSync } from 'node:fs';

/** One call to the real server and what it answered. */
export interface RecordedCall {
  /** Its place among NetBird's lines of the recording, from 0. */
  readonly line: number;
  readonly method: string;
  readonly path: string;
  readonly auth?: 'Bearer' | 'Token';
  readonly type?: string;
  readonly body?: string;
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly answer: string;
}

/** A token that the real issuer gave, decoded. */
export interface RecordedToken {
  readonly person: 'alice' | 'bob';
  readonly name: 'id_token' | 'access_token';
  readonly head: Readonly<Record<string, string>>;
  readonly body: Readonly<Record<string, unknown>>;
}

/** In the order they were recorded, each on what the one before had left. */
export const recordingNames = ['bootstrap', 'login', 'netbird-admin'] as const;
export type RecordingName = (typeof recordingNames)[number];

const linesOf = (name: string): readonly string[] => {
  const file = new URL(`../recordings/netbird/${name}.jsonl`, import.meta.url);
  return readFileSync(file, 'utf8').trimEnd().split('\n');
};

/** Placeholders are numbered anew in each recording; these stand for the same user in all of them. */
const people: Readonly<Record<string, string>> = {
  'bootstrap:uuid-2': 'uuid:alice',
  'login:uuid-1': 'uuid:alice',
  'netbird-admin:uuid-1': 'uuid:alice',
  'login:uuid-2': 'uuid:bob',
  'netbird-admin:uuid-3': 'uuid:bob',
  'bootstrap:uuid-13': 'uuid:service-user',
  'login:uuid-31': 'uuid:service-user',
  'netbird-admin:uuid-2': 'uuid:service-user',
};

/** A text of a recording with its placeholders told apart from those of the others: `<login:pat-1>`, `<uuid:alice>`. */
const scoped = (name: RecordingName, text: string): string =>
  text.replaceAll(/<([a-z-]+-\d+)>/g, (_, placeholder: string) => {
    const full = `${name}:${placeholder}`;
    return `<${people[full] ?? full}>`;
  });

/** NetBird's lines of a recording, in order. */
export const readRecording = (name: RecordingName): readonly RecordedCall[] =>
  linesOf(name).map((text, line) => ({
    ...(JSON.parse(scoped(name, text)) as Omit<RecordedCall, 'line'>),
    line,
  }));

/** The claims with which the recorded people came. */
export const readTokens = (): readonly RecordedToken[] =>
  linesOf('tokens').map((text) => JSON.parse(text) as RecordedToken);
