// @peculiar/x509 finds its algorithms through tsyringe, which needs this polyfill before it is loaded.
import 'reflect-metadata';
import { webcrypto } from 'node:crypto';
import * as x509 from '@peculiar/x509';

const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;
const dayMs = 86_400_000;

export interface Issued {
  /** PEM of the certificate and its issuer. */
  readonly fullchain: string;
  /** PEM, PKCS #8. */
  readonly key: string;
}

export interface Authority {
  /** PEM. */
  readonly root: string;
  readonly issue: (
    names: readonly string[],
    validity?: { fromMs?: number; toMs?: number },
  ) => Promise<Issued>;
}

const pem = (label: string, der: ArrayBuffer): string => {
  const lines =
    Buffer.from(der)
      .toString('base64')
      .match(/.{1,64}/g) ?? [];
  return `-----BEGIN ${label}-----\n${lines.join('\n')}\n-----END ${label}-----\n`;
};

/** A certificate authority that lives as long as the test. */
export const createAuthority = async (): Promise<Authority> => {
  const { subtle } = webcrypto;
  const keys = await subtle.generateKey(algorithm, false, ['sign', 'verify']);
  const root = await x509.X509CertificateGenerator.createSelfSigned({
    name: 'CN=test authority',
    keys,
    signingAlgorithm: algorithm,
    notBefore: new Date(Date.now() - 400 * dayMs),
    notAfter: new Date(Date.now() + 400 * dayMs),
    extensions: [new x509.BasicConstraintsExtension(true, undefined, true)],
  });
  return {
    root: root.toString('pem'),
    async issue(names, { fromMs = -dayMs, toMs = dayMs } = {}) {
      const own = await subtle.generateKey(algorithm, true, ['sign', 'verify']);
      const certificate = await x509.X509CertificateGenerator.create({
        subject: `CN=${names[0] ?? ''}`,
        issuer: root.subject,
        publicKey: own.publicKey,
        signingKey: keys.privateKey,
        signingAlgorithm: algorithm,
        notBefore: new Date(Date.now() + fromMs),
        notAfter: new Date(Date.now() + toMs),
        extensions: [
          new x509.SubjectAlternativeNameExtension(names.map((value) => ({ type: 'dns' as const, value }))),
        ],
      });
      return {
        fullchain: `${certificate.toString('pem')}\n${root.toString('pem')}\n`,
        key: pem('PRIVATE KEY', await subtle.exportKey('pkcs8', own.privateKey)),
      };
    },
  };
};
