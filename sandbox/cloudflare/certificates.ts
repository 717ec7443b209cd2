// @peculiar/x509 finds its algorithms through tsyringe, which needs this polyfill before it is loaded.
import 'reflect-metadata';
import { createPrivateKey, webcrypto, X509Certificate } from 'node:crypto';
import { join } from 'node:path';
import * as x509 from '@peculiar/x509';
import { ensureDirectory, readText, writeAtomic } from '../../src/shared/files.ts';

/** Names and addresses that Pebble is reached by. */
const serverNames = ['pebble.localhost', 'pebble', 'localhost'] as const;
const serverAddresses = ['127.0.0.1'] as const;

const dayMs = 86_400_000;
const lifetimeMs = 365 * dayMs;
const renewBeforeMs = 30 * dayMs;
/** Certificates begin a little earlier, for clocks that are behind. */
const backdatedMs = 3_600_000;

const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;

const pem = (label: string, der: ArrayBuffer): string => {
  const lines =
    Buffer.from(der)
      .toString('base64')
      .match(/.{1,64}/g) ?? [];
  return `-----BEGIN ${label}-----\n${lines.join('\n')}\n-----END ${label}-----\n`;
};

const parsed = (ca: string, certificate: string, key: string) => {
  try {
    return {
      ca: new X509Certificate(ca),
      server: new X509Certificate(certificate),
      key: createPrivateKey(key),
    };
  } catch {
    return undefined;
  }
};

const isValid = (ca: string, certificate: string, key: string, nowMs: number): boolean => {
  const found = parsed(ca, certificate, key);
  if (found === undefined) return false;
  const { server } = found;
  return (
    server.verify(found.ca.publicKey) &&
    server.checkPrivateKey(found.key) &&
    [found.ca, server].every(
      (one) => Date.parse(one.validFrom) <= nowMs && Date.parse(one.validTo) > nowMs + renewBeforeMs,
    ) &&
    serverNames.every((name) => server.checkHost(name) !== undefined) &&
    serverAddresses.every((address) => server.checkIP(address) !== undefined)
  );
};

const made = async (nowMs: number) => {
  const { subtle } = webcrypto;
  const caKeys = await subtle.generateKey(algorithm, false, ['sign', 'verify']);
  const serverKeys = await subtle.generateKey(algorithm, true, ['sign', 'verify']);
  const validity = { notBefore: new Date(nowMs - backdatedMs), notAfter: new Date(nowMs + lifetimeMs) };
  const ca = await x509.X509CertificateGenerator.createSelfSigned({
    name: 'CN=skylab sandbox: HTTPS of the CA',
    keys: caKeys,
    signingAlgorithm: algorithm,
    ...validity,
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
      await x509.SubjectKeyIdentifierExtension.create(caKeys.publicKey),
    ],
  });
  const server = await x509.X509CertificateGenerator.create({
    subject: `CN=${serverNames[0]}`,
    issuer: ca.subject,
    publicKey: serverKeys.publicKey,
    signingKey: caKeys.privateKey,
    signingAlgorithm: algorithm,
    ...validity,
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth]),
      new x509.SubjectAlternativeNameExtension([
        ...serverNames.map((value) => ({ type: 'dns' as const, value })),
        ...serverAddresses.map((value) => ({ type: 'ip' as const, value })),
      ]),
      await x509.AuthorityKeyIdentifierExtension.create(ca),
    ],
  });
  return {
    ca: `${ca.toString('pem')}\n`,
    certificate: `${server.toString('pem')}\n`,
    key: pem('PRIVATE KEY', await subtle.exportKey('pkcs8', serverKeys.privateKey)),
  };
};

/**
 * Makes `ca.pem`, `pebble.pem` and `pebble-key.pem` in `directory`, unless a set that fits together and is good for
 * another 30 days is there, and returns the CA's PEM. The CA's key is never kept: a new server certificate means a
 * new CA. The files are readable for all, since Pebble runs as another user; they are worth nothing outside the sandbox.
 */
export const ensureCertificates = async (directory: string, nowMs: number): Promise<string> => {
  await ensureDirectory(directory, 0o755);
  const paths = ['ca.pem', 'pebble.pem', 'pebble-key.pem'].map((name) => join(directory, name)) as [
    string,
    string,
    string,
  ];
  const [ca, certificate, key] = await Promise.all(paths.map(async (path) => readText(path)));
  if (
    ca !== undefined &&
    certificate !== undefined &&
    key !== undefined &&
    isValid(ca, certificate, key, nowMs)
  )
    return ca;
  const fresh = await made(nowMs);
  await writeAtomic(paths[2], fresh.key, 0o644);
  await writeAtomic(paths[1], fresh.certificate, 0o644);
  await writeAtomic(paths[0], fresh.ca, 0o644);
  return fresh.ca;
};
