// @peculiar/x509 finds its algorithms through tsyringe, which needs this polyfill before it is loaded.
import 'reflect-metadata';
import { createPublicKey, randomBytes, webcrypto } from 'node:crypto';
import * as x509 from '@peculiar/x509';
import type { Pair } from '../store.ts';
import { nameConstraints, nameConstraintsOid } from './constraints.ts';

/*
 * The local CA: a root that can sign for some private domains and for nothing else, and certificates by it. The only
 * importer of @peculiar/x509, loaded where something is signed: node:crypto reads certificates, and makes none.
 */

const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;
const dayMs = 86_400_000;
/** Devices whose clocks are behind take it too. */
const skewMs = dayMs;
const rootLifetimeMs = 3650 * dayMs;
/** Apple's devices take at most 398 days; short enough that a key which got out is soon worth nothing. */
const leafLifetimeMs = 90 * dayMs;
/** RFC 5280 section 4.2.1.12: id-kp-serverAuth. */
const serverAuth = '1.3.6.1.5.5.7.3.1';

const derOf = (pem: string): Buffer => Buffer.from(pem.replaceAll(/-----[^-]+-----|\s/g, ''), 'base64');

const importPrivate = async (pem: string) =>
  webcrypto.subtle.importKey('pkcs8', derOf(pem), algorithm, false, ['sign']);

const importPublic = async (privatePem: string) => {
  const spki = createPublicKey(privatePem).export({ type: 'spki', format: 'der' });
  return webcrypto.subtle.importKey('spki', spki, algorithm, true, ['verify']);
};

/** Positive, and of one length (RFC 5280 section 4.1.2.2). */
const serialNumber = (): string => {
  const bytes = randomBytes(16);
  bytes[0] = ((bytes[0] ?? 0) & 0x7f) | 0x40;
  return bytes.toString('hex');
};

const pem = (text: string): string => `${text.trim()}\n`;

/**
 * A self-signed root (PEM) for this key that may sign for `domains` and all below them, for servers only. Its name is
 * new each time, so that a device which has an older one never takes it for this one.
 */
export const makeRoot = async (
  keyPem: string,
  wanted: { readonly project: string; readonly domains: readonly string[] },
  atMs: number,
): Promise<string> => {
  const publicKey = await importPublic(keyPem);
  const root = await x509.X509CertificateGenerator.createSelfSigned({
    name: [
      { O: [wanted.project] },
      { CN: [`${wanted.project} local CA ${randomBytes(4).toString('hex')}`.slice(-64)] },
    ],
    serialNumber: serialNumber(),
    keys: { privateKey: await importPrivate(keyPem), publicKey },
    signingAlgorithm: algorithm,
    notBefore: new Date(atMs - skewMs),
    notAfter: new Date(atMs + rootLifetimeMs),
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
      new x509.ExtendedKeyUsageExtension([serverAuth]),
      new x509.Extension(nameConstraintsOid, true, nameConstraints(wanted.domains)),
      await x509.SubjectKeyIdentifierExtension.create(publicKey),
    ],
  });
  return pem(root.toString('pem'));
};

/** A new key and a certificate for these names, with the root behind it. Kept nowhere. */
export const signFor = async (
  names: readonly string[],
  authority: { readonly rootPem: string; readonly keyPem: string },
  atMs: number,
): Promise<Pair> => {
  const root = new x509.X509Certificate(authority.rootPem);
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
  const leaf = await x509.X509CertificateGenerator.create({
    subject: [{ O: root.subjectName.getField('O') }, { CN: ['private names'] }],
    issuer: root.subject,
    serialNumber: serialNumber(),
    publicKey: keys.publicKey,
    signingKey: await importPrivate(authority.keyPem),
    signingAlgorithm: algorithm,
    notBefore: new Date(atMs - skewMs),
    notAfter: new Date(Math.min(atMs + leafLifetimeMs, root.notAfter.getTime())),
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      new x509.ExtendedKeyUsageExtension([serverAuth]),
      new x509.SubjectAlternativeNameExtension(names.map((value) => ({ type: 'dns' as const, value }))),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
      await x509.AuthorityKeyIdentifierExtension.create(root),
    ],
  });
  const pkcs8 = await webcrypto.subtle.exportKey('pkcs8', keys.privateKey);
  return {
    chainPem: pem(leaf.toString('pem')) + authority.rootPem,
    keyPem: pem(x509.PemConverter.encode(pkcs8, 'PRIVATE KEY')),
  };
};
