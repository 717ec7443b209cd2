/*
 * Name constraints in DER (RFC 5280 section 4.2.1.10): @peculiar/x509 has no class for them, and node:crypto shows them
 * nowhere.
 */

export const nameConstraintsOid = '2.5.29.30';
const oidDer = Buffer.from([0x06, 0x03, 0x55, 0x1d, 0x1e]);
const isCritical = Buffer.from([0x01, 0x01, 0xff]);

const sequence = 0x30;
const permittedSubtrees = 0xa0;
const excludedSubtrees = 0xa1;
const dnsName = 0x82;
const ipAddress = 0x87;

const tlv = (tag: number, ...parts: readonly Uint8Array[]): Buffer => {
  const body = Buffer.concat(parts);
  const length =
    body.length < 0x80
      ? [body.length]
      : body.length < 0x100
        ? [0x81, body.length]
        : [0x82, body.length >> 8, body.length & 0xff];
  return Buffer.concat([Buffer.from([tag, ...length]), body]);
};

/**
 * Permits these domains with all below them, and no address of any kind: a constraint on one kind of name leaves the
 * others free.
 */
export const nameConstraints = (domains: readonly string[]): Buffer =>
  tlv(
    sequence,
    tlv(permittedSubtrees, ...domains.map((domain) => tlv(sequence, tlv(dnsName, Buffer.from(domain))))),
    // An address and its mask, all zeros: every IPv4, every IPv6 address.
    tlv(excludedSubtrees, ...[8, 32].map((bytes) => tlv(sequence, tlv(ipAddress, Buffer.alloc(bytes))))),
  );

/** One value and what follows it. */
const take = (der: Buffer): { readonly tag: number; readonly body: Buffer; readonly rest: Buffer } => {
  const first = der[1] ?? 0;
  const lengthBytes = first < 0x80 ? 0 : first & 0x7f;
  const length = lengthBytes === 0 ? first : der.readUIntBE(2, lengthBytes);
  const start = 2 + lengthBytes;
  return { tag: der[0] ?? 0, body: der.subarray(start, start + length), rest: der.subarray(start + length) };
};

const children = (der: Buffer): readonly { readonly tag: number; readonly body: Buffer }[] => {
  if (der.length === 0) return [];
  const { tag, body, rest } = take(der);
  return [{ tag, body }, ...children(rest)];
};

/**
 * The domains a certificate (DER) may sign for. Empty unless its constraints are critical and exactly of our form, so
 * that nothing which limits less is taken for one of ours.
 */
export const permittedDomains = (certificate: Buffer): readonly string[] => {
  const marker = Buffer.concat([oidDer, isCritical]);
  const at = certificate.indexOf(marker);
  if (at < 0) return [];
  const der = take(certificate.subarray(at + marker.length)).body;
  const [permitted] = children(take(der).body).filter(({ tag }) => tag === permittedSubtrees);
  const domains = children(permitted?.body ?? Buffer.alloc(0))
    .flatMap(({ body }) => children(body))
    .filter(({ tag }) => tag === dnsName)
    .map(({ body }) => body.toString());
  return der.equals(nameConstraints(domains)) && domains.every((domain) => domain !== '') ? domains : [];
};
