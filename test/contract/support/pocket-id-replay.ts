import { createLocalJWKSet, type JSONWebKeySet } from 'jose';

import type { Bindings } from './pocket-id-bindings.ts';
import { matchJson, matchText } from './pocket-id-match.ts';
import type { RecordedCall } from './pocket-id-recording.ts';
import { matchToken } from './pocket-id-tokens.ts';

/** The server under test. */
export interface Target {
  /** Where it is dialled; the issuer may be another address. */
  readonly base: string;
  readonly apiKey: string;
}

/** Who makes a call, in recorded values: a session or token, or a client and its secret. */
export type Credential =
  | { readonly bearer: string }
  | { readonly cookie: string }
  | { readonly basic: readonly [string, string] };

interface Replay {
  readonly target: Target;
  readonly bindings: Bindings;
  /** Counted by the server's rate limits as this client. */
  readonly clientAddress: string;
}

/** Headers that the recording keeps: each is compared where recorded and must be absent where not. */
const comparedHeaders = [
  'access-control-allow-origin',
  'cache-control',
  'content-type',
  'location',
  'retry-after',
  'set-cookie',
  'www-authenticate',
];

const credentialHeaders = (
  call: RecordedCall,
  credential: Credential | undefined,
  { target, bindings }: Replay,
): Record<string, string> => {
  if (call.auth === 'api-key') return { 'X-API-Key': target.apiKey };
  if (credential === undefined) return {};
  if ('bearer' in credential) return { Authorization: `Bearer ${bindings.live(credential.bearer)}` };
  if ('cookie' in credential) return { Cookie: `__Host-access_token=${bindings.live(credential.cookie)}` };
  const [id, secret] = credential.basic;
  return { Authorization: `Basic ${Buffer.from(`${id}:${bindings.live(secret)}`).toString('base64')}` };
};

const matchHeader = (
  name: string,
  recorded: string | undefined,
  live: string | undefined,
  bindings: Bindings,
): readonly string[] => {
  if (recorded === undefined)
    return live === undefined ? [] : [`header ${name}: not in the recording, got ${live}`];
  if (live === undefined) return [`header ${name}: missing`];
  // What is left to wait shrinks by the second.
  if (name === 'retry-after')
    return Number(live) >= 1 && Number(live) <= Number(recorded)
      ? []
      : [`header ${name}: wanted 1 to ${recorded}, got ${live}`];
  return matchText(recorded, live, bindings, `header ${name}`);
};

const matchHeaders = (call: RecordedCall, response: Response, bindings: Bindings): readonly string[] =>
  comparedHeaders.flatMap((name) => {
    const recorded = call.headers?.[name];
    const text = Array.isArray(recorded) ? recorded.join('\n') : (recorded as string | undefined);
    const live =
      name === 'set-cookie' ? response.headers.getSetCookie() : [response.headers.get(name) ?? []].flat();
    return matchHeader(name, text, live.length === 0 ? undefined : live.join('\n'), bindings);
  });

const matchTokens = async (
  call: RecordedCall,
  answer: unknown,
  { target, bindings }: Replay,
): Promise<readonly string[]> => {
  if (call.tokens === undefined) return [];
  const response = await fetch(`${target.base}/.well-known/jwks.json`);
  const keys = createLocalJWKSet((await response.json()) as JSONWebKeySet);
  const live = answer as Readonly<Record<string, string>>;
  const differences: string[] = [];
  for (const token of call.tokens)
    differences.push(
      ...(await matchToken(token, live[token.name] ?? '', live['access_token'] ?? '', keys, bindings)),
    );
  return differences;
};

/** Makes a recorded call anew and returns everything in which the answer differs from the recorded one. */
export const replayCall = async (
  call: RecordedCall,
  credential: Credential | undefined,
  replay: Replay,
): Promise<readonly string[]> => {
  const { target, bindings, clientAddress } = replay;
  const response = await fetch(`${target.base}${bindings.live(call.path)}`, {
    method: call.method,
    redirect: 'manual',
    headers: {
      ...credentialHeaders(call, credential, replay),
      ...(call.type === undefined ? {} : { 'Content-Type': call.type }),
      'X-Forwarded-For': clientAddress,
    },
    ...(call.body === undefined ? {} : { body: bindings.live(call.body) }),
  });
  const text = await response.text();
  if (response.status !== call.status)
    return [`status: wanted ${call.status}, got ${response.status}: ${text}`];
  const differences = matchHeaders(call, response, bindings);
  const isJson = (response.headers.get('content-type') ?? '').startsWith('application/json');
  if (!isJson) return [...differences, ...matchText(call.answer ?? '', text, bindings, 'body')];
  const answer: unknown = JSON.parse(text);
  const recorded: unknown = JSON.parse(call.answer ?? 'null');
  return [
    ...differences,
    ...matchJson(recorded, answer, bindings, 'body'),
    ...(await matchTokens(call, answer, replay)),
  ];
};
