import { ApiRefusal } from './envelope.ts';
import { isSameRecord, parseRecord, type DnsRecord, type RecordFields } from './record.ts';

/** One operation on the records of a zone; `fields` is a request's body, unchecked. */
export type Change =
  | { readonly kind: 'delete'; readonly id: string }
  | { readonly kind: 'patch'; readonly id: string; readonly fields: Readonly<Record<string, unknown>> }
  | { readonly kind: 'put'; readonly id: string; readonly fields: unknown }
  | { readonly kind: 'post'; readonly fields: unknown };

export interface Stamp {
  readonly at: string;
  readonly newId: () => string;
}

type Records = readonly DnsRecord[];

/** The code for a duplicate: both are in use, for the same thing (certbot/certbot#10725). */
export type DuplicateCode = 81057 | 81058;

const duplicateMessages: Record<DuplicateCode, string> = {
  81057: 'Record already exists.',
  81058: 'An identical record already exists.',
};

const found = (records: Records, id: string): DnsRecord => {
  const record = records.find((one) => one.id === id);
  if (record === undefined) throw new ApiRefusal(404, { code: 81044, message: 'Record does not exist.' });
  return record;
};

const isAddress = (type: string) => type === 'A' || type === 'AAAA';

const checkPlace = (others: Records, fields: RecordFields, duplicateCode: DuplicateCode): void => {
  if (others.some((one) => isSameRecord(one, fields))) {
    throw new ApiRefusal(400, { code: duplicateCode, message: duplicateMessages[duplicateCode] });
  }
  const there = others.filter((one) => one.name === fields.name);
  if (isAddress(fields.type) && there.some((one) => one.type === 'CNAME')) {
    throw new ApiRefusal(400, { code: 81054, message: 'A CNAME record with that host already exists.' });
  }
  if (fields.type === 'CNAME' && there.some((one) => isAddress(one.type) || one.type === 'CNAME')) {
    throw new ApiRefusal(400, {
      code: 81053,
      message: 'An A, AAAA, or CNAME record with that host already exists.',
    });
  }
};

const asBody = (record: DnsRecord): Record<string, unknown> => ({
  name: record.name,
  type: record.type,
  content: record.content,
  ttl: record.ttl,
  proxied: record.proxied,
  comment: record.comment,
  tags: record.tags,
  ...(record.priority === undefined ? {} : { priority: record.priority }),
});

/**
 * Carries out operations in order; one that is refused undoes all (the caller keeps the old list).
 * `results` has one record for each operation: what it made, changed or removed.
 * @throws {ApiRefusal} 81044 unknown id, 81057/81058 duplicate, 81053/81054 CNAME beside an address, and those of `parseRecord`
 */
export const applyChanges = (
  zoneName: string,
  records: Records,
  changes: readonly Change[],
  stamp: Stamp,
  duplicateCode: DuplicateCode,
): { readonly records: Records; readonly results: readonly DnsRecord[] } => {
  let list = records;
  const results: DnsRecord[] = [];
  for (const change of changes) {
    if (change.kind === 'delete') {
      const gone = found(list, change.id);
      list = list.filter((one) => one !== gone);
      results.push(gone);
      continue;
    }
    const old = change.kind === 'post' ? undefined : found(list, change.id);
    const input =
      change.kind === 'patch' && old !== undefined ? { ...asBody(old), ...change.fields } : change.fields;
    const fields = parseRecord(input, zoneName);
    checkPlace(
      list.filter((one) => one !== old),
      fields,
      duplicateCode,
    );
    const record = {
      ...fields,
      id: old?.id ?? stamp.newId(),
      createdAt: old?.createdAt ?? stamp.at,
      modifiedAt: stamp.at,
    };
    list = old === undefined ? [...list, record] : list.map((one) => (one === old ? record : one));
    results.push(record);
  }
  return { records: list, results };
};
