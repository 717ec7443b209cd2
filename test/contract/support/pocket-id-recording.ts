import { readFileSync } from 'node:fs';

/** One call to the real server and what it answered; lines of other servers carry no answer. */
export interface RecordedCall {
  /** Place in the whole recording, which holds the calls to every server. */
  readonly line: number;
  readonly method: string;
  readonly host: string;
  readonly path: string;
  readonly auth?: 'api-key' | 'Bearer' | 'Basic' | 'cookie';
  readonly type?: string;
  readonly body?: string;
  readonly status: number;
  readonly headers?: Readonly<Record<string, string | readonly string[]>>;
  readonly answer?: string;
  readonly tokens?: readonly RecordedToken[];
}

/** A JWT of an answer, decoded. */
export interface RecordedToken {
  readonly name: string;
  readonly head: Readonly<Record<string, unknown>>;
  readonly body: Readonly<Record<string, unknown>>;
}

export const recordedHost = 'id.lab.test';

/** All lines of a recording, in order. */
export const readRecording = (name: 'bootstrap' | 'login'): readonly RecordedCall[] => {
  const file = new URL(`../recordings/pocket-id/${name}.jsonl`, import.meta.url);
  const lines = readFileSync(file, 'utf8').split('\n');
  return lines.filter((line) => line !== '').map((line) => JSON.parse(line) as RecordedCall);
};
