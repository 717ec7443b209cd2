import { httpTo } from './http.ts';
import { apiKey } from './pocket-id.ts';
import { setStage, settle, type Stage } from './stage.ts';

const bob = { username: 'bob', email: 'bob@lab.test', first_name: 'Bob', last_name: '', groups: ['family'] };
export const family = { name: 'family', title: 'Family' };
const photos = {
  id: 'photos',
  name: 'Photos',
  callbacks: ['https://photos.lab.test/cb'],
  logout_callbacks: [],
  public: false,
  groups: ['family'],
};
export const household = { people: [bob], groups: [family], clients: [photos] };

export type Kept = Readonly<Record<string, unknown>>;

const all = (stage: Stage, kind: 'user' | 'group' | 'client'): readonly Kept[] =>
  [...(stage.server.contents().get(kind)?.values() ?? [])] as readonly Kept[];
/** The object of that kind with this value, as the server keeps it; empty where there is none. */
export const one = (stage: Stage, kind: 'user' | 'group' | 'client', field: string, value: string): Kept =>
  all(stage, kind).find((body) => body[field] === value) ?? {};

/** A change that a person makes in Pocket ID, with the server's own API. */
export const byHand = async (stage: Stage, method: string, path: string, body?: unknown): Promise<Kept> => {
  const answer = await httpTo(stage.server.fetch).call(method, `http://127.0.0.1:1411${path}`, {
    headers: { 'x-api-key': apiKey, 'content-type': 'application/json' },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  if (answer.status > 299) throw new Error(`${method} ${path}: ${answer.status} ${answer.text}`);
  return (answer.json() ?? {}) as Kept;
};

/** A Pocket ID on which nothing is left to do. */
export const settled = async (identity: Parameters<typeof setStage>[0] = {}): Promise<Stage> => {
  const stage = await setStage(identity);
  await settle(stage);
  return stage;
};
