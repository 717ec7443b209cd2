/** Hexadecimal as the DER bytes of a positive number: a leading zero byte where the first bit is set. */
const derOf = (hex: string): Buffer => {
  const bytes = Buffer.from(hex.length % 2 === 0 ? hex : `0${hex}`, 'hex');
  return (bytes[0] ?? 0) > 0x7f ? Buffer.concat([Buffer.from([0]), bytes]) : bytes;
};

/** Identifier of a certificate by its issuer's key and its serial, both hexadecimal. RFC 9773 section 4.1. */
export const certificateIdOf = (authorityKeyId: string, serial: string): string =>
  `${Buffer.from(authorityKeyId, 'hex').toString('base64url')}.${derOf(serial).toString('base64url')}`;

/** The identifier of the first certificate of a chain (PEM); undefined where it does not name its issuer's key. */
export const certificateId = async (chainPem: string): Promise<string | undefined> => {
  // Loaded here alone, since most runs need none of it; @peculiar/x509 wants this polyfill before it.
  await import('reflect-metadata');
  const { AuthorityKeyIdentifierExtension, X509Certificate } = await import('@peculiar/x509');
  const leaf = new X509Certificate(chainPem.slice(0, chainPem.indexOf('-----END') + 25));
  const keyId = leaf.getExtension(AuthorityKeyIdentifierExtension)?.keyId;
  return keyId === undefined ? undefined : certificateIdOf(keyId, leaf.serialNumber);
};
