import { isIPv4, isIPv6 } from 'node:net';
import * as z from 'zod';
import { ApiRefusal, type ApiErrorEntry } from './envelope.ts';
import { txtValue } from './txt-strings.ts';

/** The types of record that this provider takes. Its own NS and SOA are not records of the API. */
export const recordTypes = ['A', 'AAAA', 'CNAME', 'TXT', 'CAA', 'MX'] as const;
type RecordType = (typeof recordTypes)[number];

/** What a maker of a record says about it. `ttl` in seconds, 1 = automatic. */
export interface RecordFields {
  readonly name: string;
  readonly type: RecordType;
  readonly content: string;
  readonly ttl: number;
  readonly proxied: boolean;
  readonly comment: string | null;
  readonly tags: readonly string[];
  readonly priority?: number;
}

/** A stored record. Times are ISO 8601. */
export interface DnsRecord extends RecordFields {
  readonly id: string;
  readonly createdAt: string;
  readonly modifiedAt: string;
}

const caaData = z.object({ flags: z.int().min(0).max(255), tag: z.string().min(1), value: z.string() });

const body = z.object({
  name: z.string().min(1).max(255),
  type: z.enum(recordTypes),
  content: z.string().optional(),
  data: caaData.optional(),
  ttl: z.int().optional(),
  proxied: z.boolean().optional(),
  comment: z.string().nullish(),
  tags: z.array(z.string()).optional(),
  priority: z.int().min(0).max(65_535).optional(),
  settings: z.looseObject({}).optional(),
});

const invalid = (entry: ApiErrorEntry) => new ApiRefusal(400, entry);

/** `@` and relative names become absolute, in lower case and without the last dot, as the API stores them. */
const absoluteName = (name: string, zoneName: string): string => {
  const plain = name.toLowerCase().replace(/\.$/, '');
  if (plain === '@' || plain === zoneName) return zoneName;
  return plain.endsWith(`.${zoneName}`) ? plain : `${plain}.${zoneName}`;
};

const hostname =
  /^(?=.{1,253}$)(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\.)*[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\.?$/i;

/** The three parts of a CAA record (RFC 8659 §4.1.1) in the text form of its content. */
export const caaParts = (content: string): { flags: number; tag: string; value: string } | undefined => {
  const match = /^(\d{1,3})\s+([a-z0-9]+)\s+"?([^"]*)"?$/i.exec(content.trim());
  if (match?.[1] === undefined || match[2] === undefined) return undefined;
  return { flags: Number(match[1]), tag: match[2].toLowerCase(), value: match[3] ?? '' };
};

const checkContent = (type: RecordType, content: string): void => {
  switch (type) {
    case 'A':
      if (!isIPv4(content))
        throw invalid({ code: 9005, message: 'Content for A record must be a valid IPv4 address.' });
      return;
    case 'AAAA':
      if (!isIPv6(content))
        throw invalid({ code: 9006, message: 'Content for AAAA record must be a valid IPv6 address.' });
      return;
    case 'CNAME':
    case 'MX':
      if (!hostname.test(content))
        throw invalid({ code: 9007, message: `Content for ${type} record is invalid.` });
      return;
    case 'CAA':
      if (caaParts(content) === undefined)
        throw invalid({ code: 9008, message: 'Content for CAA record is invalid.' });
      return;
    case 'TXT':
      if (content.length > 2048)
        throw invalid({ code: 9202, message: 'Content for TXT record is too long.' });
  }
};

const contentOf = (parsed: z.infer<typeof body>): string => {
  if (parsed.type === 'CAA' && parsed.data !== undefined) {
    return `${parsed.data.flags} ${parsed.data.tag} "${parsed.data.value}"`;
  }
  if (parsed.content === undefined) throw invalid({ code: 9000, message: 'DNS record content is required.' });
  return parsed.type === 'CNAME' || parsed.type === 'MX'
    ? parsed.content.toLowerCase().replace(/\.$/, '')
    : parsed.content;
};

/**
 * A request's body as the fields of a record.
 * @throws {ApiRefusal} 1004 for a wrong shape, 9004-9008 and 9021 for values the type cannot have
 */
export const parseRecord = (input: unknown, zoneName: string): RecordFields => {
  const result = body.safeParse(input);
  if (!result.success) {
    const [issue] = result.error.issues;
    const message = `${issue?.path.join('.') ?? ''}: ${issue?.message ?? 'invalid'}`;
    throw invalid({ code: 1004, message: 'DNS Validation Error', error_chain: [{ code: 9000, message }] });
  }
  const parsed = result.data;
  const name = absoluteName(parsed.name, zoneName);
  if (!hostname.test(name.replace(/^\*\./, '')))
    throw invalid({ code: 9000, message: 'DNS name is invalid.' });
  const content = contentOf(parsed);
  checkContent(parsed.type, content);
  const ttl = parsed.ttl ?? 1;
  if (ttl !== 1 && (ttl < 60 || ttl > 86_400)) {
    throw invalid({
      code: 9021,
      message: 'Invalid TTL. Must be between 60 and 86400 seconds, or 1 for Automatic.',
    });
  }
  const proxied = parsed.proxied ?? false;
  if (proxied && !['A', 'AAAA', 'CNAME'].includes(parsed.type)) {
    throw invalid({ code: 9004, message: `The ${parsed.type} record type cannot be proxied.` });
  }
  const comment = parsed.comment ?? null;
  if (comment !== null && (comment.length > 100 || /[\r\n]/.test(comment))) {
    const chain = [{ code: 9204, message: 'comment: at most 100 characters, on one line' }];
    throw invalid({ code: 1004, message: 'DNS Validation Error', error_chain: chain });
  }
  return {
    name,
    type: parsed.type,
    content,
    ttl: proxied ? 1 : ttl,
    proxied,
    comment: comment === '' ? null : comment,
    tags: parsed.tags ?? [],
    ...(parsed.type === 'MX' ? { priority: parsed.priority ?? 0 } : {}),
  };
};

/** True where two records say the same: same name, type and value, however a TXT value is quoted. */
export const isSameRecord = (left: RecordFields, right: RecordFields): boolean => {
  if (left.name !== right.name || left.type !== right.type) return false;
  return left.type === 'TXT'
    ? txtValue(left.content) === txtValue(right.content)
    : left.content === right.content;
};

/** A record as the API shows it. */
export const shownRecord = (record: DnsRecord) => ({
  id: record.id,
  name: record.name,
  type: record.type,
  content: record.content,
  proxiable: ['A', 'AAAA', 'CNAME'].includes(record.type),
  proxied: record.proxied,
  ttl: record.ttl,
  settings: {},
  meta: {},
  comment: record.comment,
  tags: record.tags,
  created_on: record.createdAt,
  modified_on: record.modifiedAt,
  ...(record.priority === undefined ? {} : { priority: record.priority }),
  ...(record.type === 'CAA' ? { data: caaParts(record.content) } : {}),
});
