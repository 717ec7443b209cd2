import type { Change } from '../settings/edit.ts';
import { editSettings, settingIn } from '../settings/edit.ts';
import { parseSettings } from '../settings/load.ts';
import { placeholdersIn } from '../settings/placeholders.ts';
import { isStackError } from '../shared/errors.ts';
import { emptySettings } from './template.ts';

/*
 * What init asks for, as texts, and how it stands in the settings. What the schema says of an answer is what a person
 * reads: there is no second set of rules here.
 */

export const answerIds = [
  'domain',
  'username',
  'email',
  'firstName',
  'reach',
  'port',
  'bind',
  'door',
  'token',
  'tokenFile',
  'tokenEnv',
] as const;
export type AnswerId = (typeof answerIds)[number];
export type Answers = Readonly<Partial<Record<AnswerId, string>>>;

/** Where a token in a sops file stands: relative to the folder of the host, and the key in it. */
const sopsSource = { sops: 'secrets/secrets.yaml', key: 'acme/cloudflare_token' } as const;

export const paths: Readonly<Record<AnswerId, readonly string[]>> = {
  domain: ['domain'],
  username: ['identity', 'admin', 'username'],
  email: ['identity', 'admin', 'email'],
  firstName: ['identity', 'admin', 'first_name'],
  reach: ['reachability', 'mode'],
  port: ['reachability', 'port'],
  bind: ['reachability', 'bind'],
  door: ['ingress', 'mode'],
  token: ['cloudflare', 'token'],
  tokenFile: ['cloudflare', 'token', 'file'],
  tokenEnv: ['cloudflare', 'token', 'env'],
};

/** True where an answer means something beside the others. */
export const applies = (id: AnswerId, answers: Answers): boolean => {
  if (id === 'port') return answers.reach !== 'public';
  if (id === 'tokenFile') return answers.token === 'file';
  if (id === 'tokenEnv') return answers.token === 'env';
  return true;
};

const tokenPlaces = ['sops', 'file', 'env'];

/** `{sops, key}`, `{file}` or `{env}`; a word that is none of them is refused before. */
const sourceOf = ({ token, tokenFile, tokenEnv }: Answers, sops: object): unknown => {
  if (token === 'sops') return sops;
  if (token === 'file') return tokenFile === undefined ? undefined : { file: tokenFile };
  if (token === 'env') return tokenEnv === undefined ? undefined : { env: tokenEnv };
  return token;
};

const portOf = (text: string): unknown => (/^\d{1,9}$/.test(text) ? Number(text) : text);

/** The settings that answers stand for. `sops`: where a sops file is kept already, if it is. */
export const changesOf = (answers: Answers, sops: object = sopsSource): readonly Change[] => {
  const plain = (['domain', 'username', 'email', 'firstName', 'reach', 'bind', 'door'] as const).map(
    (id) => [id, answers[id]] as const,
  );
  const port = answers.reach === 'public' ? 443 : answers.port && portOf(answers.port);
  const all = [...plain, ['port', port] as const, ['token', sourceOf(answers, sops)] as const];
  return all.flatMap(([id, value]) => (value === undefined ? [] : [{ path: paths[id], value }]));
};

const textOf = (value: unknown): string | undefined => {
  if (typeof value === 'number') return String(value);
  return typeof value === 'string' && placeholdersIn(value).length === 0 ? value : undefined;
};

/** What a settings file without these fields means. */
const unsaid: Answers = { door: 'own', port: '443', bind: '127.0.0.1' };

/** The answers that a settings file gives already; what is still to be filled in is left out. @throws {StackError} SETTINGS_INVALID */
export const answersIn = (text: string): { readonly answers: Answers; readonly sops: object } => {
  const answers: Partial<Record<AnswerId, string>> = {};
  for (const id of answerIds) {
    const value = settingIn(text, paths[id]);
    const answer = value === undefined ? unsaid[id] : textOf(value);
    if (answer !== undefined && id !== 'token') answers[id] = answer;
  }
  const source = settingIn(text, paths.token);
  if (typeof source !== 'object' || source === null) return { answers, sops: sopsSource };
  const token = tokenPlaces.find((kind) => kind in source);
  if (token !== undefined) answers.token = token;
  return { answers, sops: token === 'sops' ? source : sopsSource };
};

/** Answers that are right, so that one can be judged by itself. */
const right: Answers = {
  domain: 'example.org',
  username: 'anna',
  email: 'anna@example.org',
  firstName: 'Anna',
  reach: 'port',
  port: '8443',
  bind: '192.168.1.10',
  door: 'own',
  token: 'sops',
  tokenFile: '/root/token',
  tokenEnv: 'TOKEN',
};

/** What the settings say against one answer, as the end of a sentence; undefined where they take it. */
export const refusalOf = (id: AnswerId, answer: string): string | undefined => {
  if (answer === '') return 'an answer is needed';
  // In the settings it is a section, of which nothing can be said to a person who typed a word.
  if (id === 'token') return tokenPlaces.includes(answer) ? undefined : 'is not sops, file or env';
  const kind = id === 'tokenFile' ? { token: 'file' } : id === 'tokenEnv' ? { token: 'env' } : {};
  try {
    parseSettings(
      editSettings(emptySettings, changesOf({ ...right, ...kind, [id]: answer })),
      'settings.yaml',
    );
    return undefined;
  } catch (error) {
    if (!isStackError(error)) throw error;
    return shortly(error.data, id);
  }
};

/** Its problems without their paths, which a person at a question does not need. */
const shortly = (data: Readonly<Record<string, unknown>>, id: AnswerId): string => {
  const problems = Array.isArray(data['problems']) ? data['problems'].map(String) : [];
  const own = problems.find((one) => one.startsWith(paths[id].slice(0, 2).join('/'))) ?? problems[0];
  return own?.replace(/^[^:]*: /, '') ?? 'is still to be filled in';
};
