// @peculiar/x509 finds its algorithms through tsyringe, which needs this polyfill before it is loaded.
import 'reflect-metadata';
import { generateKeyPairSync, webcrypto } from 'node:crypto';
import * as x509 from '@peculiar/x509';
import { beforeAll, describe as suite, expect, test } from 'vitest';
import { describe as described, type Roots } from '../../../src/acme/store.ts';

const dayMs = 86_400_000;
const nowMs = Date.parse('2026-11-22T12:00:00Z');
const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;

interface Made {
  readonly certificate: x509.X509Certificate;
  readonly keys: webcrypto.CryptoKeyPair;
}

const pem = ({ certificate }: Made): string => `${certificate.toString('pem')}\n`;
const keyPem = async ({ keys }: Made): Promise<string> => {
  const der = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', keys.privateKey)).toString('base64');
  return `-----BEGIN PRIVATE KEY-----\n${der.match(/.{1,64}/g)?.join('\n') ?? ''}\n-----END PRIVATE KEY-----\n`;
};

interface Wanted {
  readonly name: string;
  readonly issuer?: Made;
  readonly isCa?: boolean;
  readonly names?: readonly string[];
  readonly days?: readonly [from: number, to: number];
}

const make = async ({ name, issuer, isCa = false, names = [], days = [-1, 30] }: Wanted): Promise<Made> => {
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
  const certificate = await x509.X509CertificateGenerator.create({
    subject: `CN=${name}`,
    issuer: issuer?.certificate.subject ?? `CN=${name}`,
    publicKey: keys.publicKey,
    signingKey: issuer?.keys.privateKey ?? keys.privateKey,
    signingAlgorithm: algorithm,
    notBefore: new Date(nowMs + days[0] * dayMs),
    notAfter: new Date(nowMs + days[1] * dayMs),
    extensions: [
      new x509.BasicConstraintsExtension(isCa, undefined, true),
      ...(names.length === 0
        ? []
        : [
            new x509.SubjectAlternativeNameExtension(names.map((value) => ({ type: 'dns' as const, value }))),
          ]),
    ],
  });
  return { certificate, keys };
};

suite('a chain', () => {
  let root: Made;
  let middle: Made;
  let leaf: Made;
  let key: string;
  beforeAll(async () => {
    root = await make({ name: 'root', isCa: true });
    middle = await make({ name: 'middle', isCa: true, issuer: root });
    leaf = await make({ name: 'leaf', issuer: middle, names: ['b.example.org', '*.Example.org'] });
    key = await keyPem(leaf);
  });
  const chainOf = (made: readonly Made[], roots: Roots, at = nowMs) => {
    const seen = described({ chainPem: made.map(pem).join(''), keyPem: key }, undefined, roots, at);
    return typeof seen === 'string' ? seen : seen.chain;
  };

  test('shows its names in lower case, its dates, and that the key fits', () => {
    expect(described({ chainPem: pem(leaf), keyPem: key }, 'https://ca/dir', undefined, nowMs)).toEqual({
      names: ['b.example.org', '*.example.org'],
      serial: expect.stringMatching(/^[0-9A-F]+$/) as unknown,
      notBeforeMs: nowMs - dayMs,
      notAfterMs: nowMs + 30 * dayMs,
      keyMatches: true,
      chain: 'unknown',
      directory: 'https://ca/dir',
    });
  });

  test('is trusted when it ends at a root, whatever the order of what lies between', async () => {
    const lower = await make({ name: 'lower', isCa: true, issuer: middle });
    const last = await make({ name: 'last', issuer: lower, names: ['b.example.org'] });

    expect(chainOf([leaf, middle], [pem(root)])).toBe('trusted');
    expect(chainOf([last, middle, lower], [pem(root)])).toBe('trusted');
    expect(chainOf([leaf], [pem(root) + pem(middle)])).toBe('trusted');
  });

  test('is not trusted without what lies between, or by a root of the same name with another key', async () => {
    const impostor = await make({ name: 'root', isCa: true });

    expect(chainOf([leaf], [pem(root)])).toBe('untrusted');
    expect(chainOf([leaf, middle], [pem(impostor)])).toBe('untrusted');
    expect(chainOf([leaf, middle], [])).toBe('untrusted');
    expect(chainOf([leaf, middle], 'system')).toBe('untrusted');
  });

  test('is not trusted through a certificate that is no CA, or is over', async () => {
    const noCa = await make({ name: 'no CA', issuer: root });
    const over = await make({ name: 'over', isCa: true, issuer: root, days: [-9, -1] });
    const under = async (issuer: Made) => make({ name: 'leaf', issuer, names: ['b.example.org'] });

    expect(chainOf([await under(noCa), noCa], [pem(root)])).toBe('untrusted');
    expect(chainOf([await under(over), over], [pem(root)])).toBe('untrusted');
    expect(chainOf([leaf, middle], [pem(root)], nowMs + 31 * dayMs)).toBe('untrusted');
  });

  test('is told from a key that is not its own, and from texts that are none', () => {
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const other = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
    const seen = (chainPem: string, text: string) =>
      described({ chainPem, keyPem: text }, undefined, undefined, nowMs);

    expect(seen(pem(leaf), other)).toMatchObject({ keyMatches: false });
    expect(seen(pem(leaf), 'no key')).toContain('cannot be parsed');
    expect(seen('', key)).toBe('there is no certificate in fullchain.pem');
    expect(seen(pem(leaf).replace('MII', 'AAA'), key)).toContain('cannot be parsed');
  });
});
