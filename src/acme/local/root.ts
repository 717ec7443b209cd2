import { createPublicKey, X509Certificate } from 'node:crypto';
import { nowMs } from '../../shared/clock.ts';
import { permittedDomains } from './constraints.ts';

/** What a root certificate says of itself. */
export interface RootFacts {
  /** The domains it may sign for; empty where it is not limited as ours are. */
  readonly permitted: readonly string[];
  readonly notAfterMs: number;
}

/** Reads a root; a text says why it cannot be one of ours. */
export const readRoot = (rootPem: string): RootFacts | string => {
  try {
    const root = new X509Certificate(rootPem);
    if (!root.ca || !root.verify(root.publicKey)) return 'it is no root certificate';
    return { permitted: permittedDomains(root.raw), notAfterMs: Date.parse(root.validTo) };
  } catch (error) {
    return `it cannot be parsed (${error instanceof Error ? error.message : String(error)})`;
  }
};

/** True where a private key (PEM) is the one of a certificate. */
export const isKeyOf = (keyPem: string, certificatePem: string): boolean => {
  try {
    const spki = { type: 'spki', format: 'der' } as const;
    const own = createPublicKey(keyPem).export(spki);
    return own.equals(new X509Certificate(certificatePem).publicKey.export(spki));
  } catch {
    return false;
  }
};

/** The CA as proofs use it; undefined where its certificate or its key is not there, or cannot be read. */
export const readLocalCa = (rootPem: string | undefined, keyPem: string | undefined) => {
  if (rootPem === undefined || keyPem === undefined) return undefined;
  const facts = readRoot(rootPem);
  if (typeof facts === 'string') return undefined;
  return {
    root: rootPem,
    permitted: facts.permitted,
    signFor: async (name: string) => {
      const { signFor } = await import('./authority.ts');
      return signFor([name], { rootPem, keyPem }, nowMs());
    },
  };
};
