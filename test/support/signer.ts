// @peculiar/x509 finds its algorithms through tsyringe, which needs this polyfill before it is loaded.
import 'reflect-metadata';
import { randomBytes, webcrypto } from 'node:crypto';
import * as x509 from '@peculiar/x509';

const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;

const pem = (certificate: x509.X509Certificate): string => `${certificate.toString('pem')}\n`;
const serial = (): string => `00${randomBytes(12).toString('hex')}`;

const makeRoot = async () => {
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    name: 'CN=root of a test',
    keys,
    signingAlgorithm: algorithm,
    serialNumber: serial(),
    notBefore: new Date('2020-01-01'),
    notAfter: new Date('2060-01-01'),
    extensions: [
      new x509.BasicConstraintsExtension(true, undefined, true),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  return { keys, certificate };
};

/** What a certificate says otherwise than was asked for. */
export interface Forgery {
  readonly names?: readonly string[];
  /** It is for a key that nobody has. */
  readonly otherKey?: boolean;
  /** Added to the instant of signing. */
  readonly shiftMs?: number;
}

/** A root of its own that signs requests for certificates; instants in ms since the epoch. */
export const createSigner = async () => {
  const root = await makeRoot();
  return {
    rootPem: pem(root.certificate),
    /** The certificate (PEM) for a request (base64url of its DER), valid from now on. */
    async sign(csr: string, nowMs: number, lifetimeMs: number, forgery: Forgery = {}): Promise<string> {
      const request = new x509.Pkcs10CertificateRequest(Buffer.from(csr, 'base64url'));
      const { otherKey = false, shiftMs = 0 } = forgery;
      const other = otherKey
        ? await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify'])
        : undefined;
      const names =
        forgery.names === undefined
          ? request.extensions.find((one) => one instanceof x509.SubjectAlternativeNameExtension)
          : new x509.SubjectAlternativeNameExtension(
              forgery.names.map((value) => ({ type: 'dns' as const, value })),
            );
      const leaf = await x509.X509CertificateGenerator.create({
        issuer: root.certificate.subject,
        publicKey: other?.publicKey ?? request.publicKey,
        signingKey: root.keys.privateKey,
        signingAlgorithm: algorithm,
        serialNumber: serial(),
        notBefore: new Date(nowMs + shiftMs),
        notAfter: new Date(nowMs + shiftMs + lifetimeMs),
        extensions: [
          new x509.BasicConstraintsExtension(false),
          await x509.AuthorityKeyIdentifierExtension.create(root.keys.publicKey),
          ...(names === undefined ? [] : [names]),
        ],
      });
      return pem(leaf);
    },
  };
};
