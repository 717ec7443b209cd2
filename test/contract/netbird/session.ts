import { randomUUID } from 'node:crypto';
import { createBindings, type Bindings } from './bindings.ts';
import { readTokens, type RecordedToken } from './recording.ts';
import { openTarget, type Target } from './target.ts';

/** What a call came back with; `json` is the body read as JSON, or the text where it is none. */
export interface Answer {
  readonly status: number;
  readonly contentType: string | null;
  readonly text: string;
  readonly json: unknown;
}

/** One walk on one server: what one group of tests leaves behind, the next begins with. */
export interface Session {
  readonly target: Target;
  readonly bindings: Bindings;
  /** A recorded person's token, signed anew. */
  readonly tokenOf: (person: RecordedToken['person'], name: RecordedToken['name']) => Promise<string>;
  /** The token of the service user, once the bootstrap recording has made it. */
  readonly serviceToken: () => string;
  /** Calls with an `Authorization` header as given, or as the service user. */
  readonly call: (method: string, path: string, body?: unknown, authorization?: string) => Promise<Answer>;
}

/** Opens the server under test and the people who will come to it. */
export const openSession = async (): Promise<Session> => {
  const target = await openTarget();
  const bindings = createBindings();
  const subjects = { alice: randomUUID(), bob: randomUUID() };
  bindings.bind('<uuid:alice>', subjects.alice);
  bindings.bind('<uuid:bob>', subjects.bob);
  const serviceToken = (): string => bindings.live('<bootstrap:pat-1>');
  return {
    target,
    bindings,
    serviceToken,
    tokenOf: (person, name) => {
      const recorded = readTokens().find((one) => one.person === person && one.name === name);
      if (recorded === undefined) throw new Error(`no ${name} of ${person} in tokens.jsonl`);
      return target.issuer.reissue(recorded, subjects[person]);
    },
    call: async (method, path, body, authorization = `Token ${serviceToken()}`) => {
      const response = await fetch(target.url + path, {
        method,
        headers: {
          ...(authorization === '' ? {} : { authorization }),
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        },
        ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
      });
      const contentType = response.headers.get('content-type');
      const text = await response.text();
      return { status: response.status, contentType, text, json: documentOf(text, contentType) };
    },
  };
};

const documentOf = (text: string, contentType: string | null): unknown =>
  contentType?.startsWith('application/json') === true ? JSON.parse(text) : text;
