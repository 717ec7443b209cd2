import type { AskDns, DnsQuestion, DnsReply } from '../../../../src/dns/wire/ask.ts';
import type { DnsView } from '../../../../src/dns/wire/resolve.ts';

type Records = DnsReply['answers'];
type Text = 'A' | 'AAAA' | 'NS' | 'CNAME';

/** Records of one name as a server would send them. */
export const records = (name: string, type: Text, data: readonly string[]): Records =>
  data.map((one) => ({ name, type, ttl: 300, data: one }));

/** What a server says; undefined: nothing at all. */
export type Server = (question: DnsQuestion) => Partial<DnsReply> | undefined;

/** A server that knows these answers, by `name type`, and otherwise nothing of that name. */
export const knows =
  (answers: Readonly<Record<string, Records>>, authoritative = false): Server =>
  ({ name, type }) => {
    const found = answers[`${name} ${type}`];
    return found === undefined ? { rcode: 'NXDOMAIN', authoritative } : { answers: found, authoritative };
  };

/** DNS in memory: servers by address; all others are silent. */
export const dnsOf = (
  servers: Readonly<Record<string, Server>>,
): { readonly view: DnsView; readonly asked: string[] } => {
  const asked: string[] = [];
  const ask: AskDns = async ({ address }, question) => {
    asked.push(`${address} ${question.name} ${question.type}`);
    const said = servers[address]?.(question);
    if (said === undefined) throw new Error('no answer');
    return { rcode: 'NOERROR', authoritative: false, answers: [], authorities: [], ...said };
  };
  return { view: { ask, resolvers: [{ address: 'resolver', port: 53 }], port: 53 }, asked };
};
