import { createHash } from 'node:crypto';
import { askAny, resolveBy } from '../dns/wire/resolve.ts';
import { ofStack, type Examination } from './examine.ts';
import { failed, passed, skipped, unknown, type Finding } from './finding.ts';
import type { DoctorView } from './view.ts';

/*
 * DNSSEC, as far as it breaks a domain that moves: the parent still holds the DS record of the old provider's key, and
 * every validating resolver, the certificate authority's among them, refuses all answers.
 */

/** A DS record: what the parent says of the zone's key (RFC 4034 §5). */
export interface DsRecord {
  readonly keyTag: number;
  readonly algorithm: number;
  readonly digestType: number;
  readonly digest: Buffer;
}

/** A key of the zone (RFC 4034 §2). */
export interface DnsKey {
  readonly flags: number;
  readonly algorithm: number;
  readonly key: Buffer;
}

const protocol = 3;

const wireOf = ({ flags, algorithm, key }: DnsKey): Buffer => {
  const head = Buffer.alloc(4);
  head.writeUInt16BE(flags, 0);
  head.writeUInt8(protocol, 2);
  head.writeUInt8(algorithm, 3);
  return Buffer.concat([head, key]);
};

/** The key tag of RFC 4034, appendix B. */
export const keyTagOf = (key: DnsKey): number => {
  const sum = wireOf(key).reduce((total, byte, index) => total + (index % 2 === 0 ? byte * 256 : byte), 0);
  return (sum + Math.floor(sum / 65_536)) % 65_536;
};

/** By digest type (RFC 4509, RFC 6605). */
const hashes: Readonly<Record<number, string>> = { 1: 'sha1', 2: 'sha256', 4: 'sha384' };

const ownerOf = (domain: string): Buffer =>
  Buffer.concat([
    ...domain
      .toLowerCase()
      .split('.')
      .map((label) => Buffer.concat([Buffer.from([label.length]), Buffer.from(label)])),
    Buffer.from([0]),
  ]);

/** True where the DS record is that of the key (RFC 4034 §5.1.4). */
export const isDsOf = (domain: string, ds: DsRecord, key: DnsKey): boolean => {
  if (ds.algorithm !== key.algorithm || ds.keyTag !== keyTagOf(key)) return false;
  const hash = hashes[ds.digestType];
  if (hash === undefined) return false;
  return createHash(hash)
    .update(Buffer.concat([ownerOf(domain), wireOf(key)]))
    .digest()
    .equals(ds.digest);
};

interface Seen {
  readonly ds: readonly DsRecord[];
  readonly keys: readonly DnsKey[];
  /** What a resolver says with its own checks, and without; undefined where it did not answer. */
  readonly checked: string | undefined;
  readonly unchecked: string | undefined;
}

/** Judges whether what is signed can be validated. Pure. */
export const judgeDnssec = (domain: string, { ds, keys, checked, unchecked }: Seen): Finding => {
  const fix = `remove the DS record of ${domain} where the domain was bought (DNSSEC off); once all works, take the new one from Cloudflare: DNS, Settings, DNSSEC`;
  const confirm = `delv ${domain} says "fully validated" or "unsigned answer"; it may take a day until the old DS record is forgotten`;
  if (ds.length > 0 && !ds.some((one) => keys.some((key) => isDsOf(domain, one, key)))) {
    const tags = ds.map((one) => one.keyTag).join(', ');
    const has = keys.length === 0 ? 'no key at all' : `only ${keys.map(keyTagOf).join(', ')}`;
    return failed(
      `the parent holds DS records for the key ${tags}, and the zone has ${has}: validating resolvers refuse every answer`,
      fix,
      confirm,
    );
  }
  if (checked === 'SERVFAIL' && unchecked === 'NOERROR')
    return failed(
      'a validating resolver refuses the zone (SERVFAIL), and answers when told not to validate',
      fix,
      confirm,
    );
  return passed(
    ds.length === 0 ? 'the zone is not signed' : 'the zone is signed, and its key is that of the parent',
  );
};

/** DNSSEC. */
export const dnssecExamination = (view: DoctorView): Examination =>
  ofStack(
    view,
    {
      id: 'dnssec',
      title: 'signatures of the zone can be validated',
      needs: ['delegation'],
      timeoutMs: 25_000,
    },
    async (stack, known, signal) => {
      const { domain, dns } = stack.settings;
      if (dns.authoritative.length > 0)
        return skipped('dns.authoritative names the servers: nobody validates');
      const { view: through, authoritative } = await known.zone();
      const [parent, own, checked, unchecked] = await Promise.all([
        resolveBy(through, { name: domain, type: 'DS', unchecked: true }, signal),
        askAny(through.ask, authoritative, { name: domain, type: 'DNSKEY' }, signal),
        resolveBy(through, { name: domain, type: 'NS' }, signal),
        resolveBy(through, { name: domain, type: 'NS', unchecked: true }, signal),
      ]);
      if (parent === undefined || own === undefined) return unknown('neither parent nor zone answers');
      const ds = parent.answers.flatMap((one) => (one.type === 'DS' ? [one.data] : []));
      const keys = own.answers.flatMap((one) => (one.type === 'DNSKEY' ? [one.data] : []));
      return judgeDnssec(domain, { ds, keys, checked: checked?.rcode, unchecked: unchecked?.rcode });
    },
  );
