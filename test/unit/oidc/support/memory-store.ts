import { DatabaseError } from 'pg';
import type { Kind, Kinds } from '../../../../sandbox/pocket-id/documents.ts';
import type { Documents, Store } from '../../../../sandbox/pocket-id/store.ts';

/** A copy of everything that is kept, by kind and then id. */
export type Contents = ReadonlyMap<Kind, ReadonlyMap<string, unknown>>;

const unique: Partial<Record<Kind, readonly (readonly [field: string, constraint: string])[]>> = {
  user: [
    ['email', 'standin_user_email'],
    ['username', 'standin_user_username'],
  ],
  group: [['name', 'standin_group_name']],
};

const violation = (constraint: string): DatabaseError => {
  const error = new DatabaseError('duplicate key', 0, 'error');
  error.code = '23505';
  error.constraint = constraint;
  return error;
};

/** The stand-in's store without a database. A transaction that fails leaves everything as it was. */
export const createMemoryStore = (): Store & { readonly contents: () => Contents } => {
  let kinds = new Map<Kind, Map<string, unknown>>();
  const of = (kind: Kind): Map<string, unknown> => {
    const known = kinds.get(kind) ?? new Map<string, unknown>();
    kinds.set(kind, known);
    return known;
  };
  const copy = () => new Map([...kinds].map(([kind, all]) => [kind, new Map(all)]));
  const refuseDuplicates = (kind: Kind, id: string, body: unknown): void => {
    for (const [field, constraint] of unique[kind] ?? []) {
      const value = (body as Record<string, unknown>)[field];
      for (const [otherId, other] of of(kind)) {
        const taken = (other as Record<string, unknown>)[field];
        if (otherId !== id && value !== null && taken === value) throw violation(constraint);
      }
    }
  };
  const get = async <K extends Kind>(kind: K, id: string) => of(kind).get(id) as Kinds[K] | undefined;
  const documents: Documents = {
    get,
    lock: get,
    find: async <K extends Kind>(kind: K, field: keyof Kinds[K] & string, value: string) =>
      [...of(kind).values()].find((body) => (body as Record<string, unknown>)[field] === value) as
        | Kinds[K]
        | undefined,
    list: async <K extends Kind>(kind: K) => [...of(kind).values()] as readonly Kinds[K][],
    async insert(kind, id, body) {
      if (of(kind).has(id)) throw violation('standin_documents_id');
      refuseDuplicates(kind, id, body);
      of(kind).set(id, body);
    },
    async replace(kind, id, body) {
      refuseDuplicates(kind, id, body);
      of(kind).set(id, body);
    },
    remove: async (kind, id) => of(kind).delete(id),
    async removeOwnedBy(owner, id) {
      for (const all of kinds.values()) {
        for (const [key, body] of all) {
          if ((body as Record<string, unknown>)[owner] === id) all.delete(key);
        }
      }
    },
    lockAll: async () => undefined,
  };
  const transaction = async <T>(work: (inside: Documents) => Promise<T>): Promise<T> => {
    const before = copy();
    try {
      return await work(documents);
    } catch (error) {
      kinds = before;
      throw error;
    }
  };
  return {
    ...documents,
    transaction,
    async update(kind, id, change) {
      const body = await get(kind, id);
      if (body === undefined) return undefined;
      const changed = change(body);
      await documents.replace(kind, id, changed);
      return changed;
    },
    close: async () => undefined,
    contents: copy,
  };
};
