import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readdir, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { rootCertificates } from 'node:tls';
import * as z from 'zod';
import type { Effects } from '../orchestrator/effects.ts';
import type { Paths } from '../settings/settings.ts';
import { isMissingFile } from '../shared/errors.ts';
import {
  ensureDirectory,
  onDisk,
  readSymlink,
  readText,
  swapSymlink,
  syncDirectory,
  writeAtomic,
} from '../shared/files.ts';
import type { Owner } from '../shared/files.ts';
import { certificateOwner, type CertificateFacts } from './policy.ts';
import type { Place } from './renewal/state.ts';

/*
 * Certificates on disk: `<certificates>/<domain>/current -> versions/<n>`, in it fullchain.pem, key.pem and meta.json.
 *
 * INVARIANTS
 * - A version that `current` has pointed at never changes, so whoever resolves `current` once reads a matching pair.
 * - The version before the present one stays. Everything else in `versions` is the rest of a run that was ended.
 */

/** Who owns what is in the store; undefined: the user this program runs as. */
export const storeOwner = (): Owner | undefined => (process.getuid?.() === 0 ? certificateOwner : undefined);

/** Where what is remembered of a certificate is kept. */
export const placeOf = ({ certificates, domain }: Omit<Place, 'owner'>): Place => ({
  certificates,
  domain,
  owner: storeOwner(),
});

const metaSchema = z.object({
  directory: z.string(),
  names: z.array(z.string()),
  serial: z.string(),
  issued_at: z.string(),
  /** The profile that was wanted and is no longer offered. */
  without_profile: z.string().optional(),
  /** It was ordered to chain to roots that every device has. */
  public: z.boolean().optional(),
});
type Meta = z.output<typeof metaSchema>;

/** A certificate with its chain, and the key that belongs to it. PEM. */
export interface Pair {
  readonly chainPem: string;
  readonly keyPem: string;
}

/** What the store holds for a domain; a text says why it cannot be used. */
export type Stored =
  | { readonly version: string; readonly pair: Pair; readonly meta: Meta | undefined }
  | { readonly damaged: string }
  | undefined;

const versionName = /^\d{1,9}$/;
const folderOf = (certificates: string, domain: string) => join(certificates, domain);

const parsedJson = (text: string): unknown => {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
};

const readMeta = async (folder: string): Promise<Meta | undefined> => {
  const text = await readText(join(folder, 'meta.json'));
  return text === undefined ? undefined : metaSchema.safeParse(parsedJson(text)).data;
};

/** What `current` points at, read as one version even while it is swapped. */
export const readStored = async (certificates: string, domain: string): Promise<Stored> => {
  const folder = folderOf(certificates, domain);
  const target = await readSymlink(join(folder, 'current'));
  if (target === undefined) return undefined;
  const version = join(folder, target);
  const [chainPem, keyPem, meta] = await Promise.all([
    readText(join(version, 'fullchain.pem')),
    readText(join(version, 'key.pem')),
    readMeta(version),
  ]);
  if (chainPem !== undefined && keyPem !== undefined) {
    return { version: target, pair: { chainPem, keyPem }, meta };
  }
  // Two swaps during one read take the older version away.
  if ((await readSymlink(join(folder, 'current'))) !== target) return readStored(certificates, domain);
  return {
    damaged: `${version} lacks ${chainPem === undefined ? 'fullchain.pem' : 'key.pem'}`,
  };
};

/** The stored pair of a folder in the store; undefined where there is none that is whole. */
export const readPair = async (certificates: string, of: string): Promise<Pair | undefined> => {
  const stored = await readStored(certificates, of);
  return stored === undefined || 'damaged' in stored ? undefined : stored.pair;
};

const pemBlock = /-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/g;

/** The certificates of a PEM text, in its order. @throws where one cannot be parsed */
const parseAll = (pem: string): readonly X509Certificate[] =>
  [...pem.matchAll(pemBlock)].map(([block]) => new X509Certificate(block));

const isWithin = (certificate: X509Certificate, nowMs: number): boolean =>
  Date.parse(certificate.validFrom) <= nowMs && nowMs < Date.parse(certificate.validTo);

const isIssuedBy = (certificate: X509Certificate, issuer: X509Certificate): boolean =>
  certificate.checkIssued(issuer) && certificate.verify(issuer.publicKey);

/** Follows the chain from its first certificate; every member must be within its dates. RFC 5280 section 6, in short. */
const endsAtRoot = (
  chain: readonly X509Certificate[],
  roots: readonly X509Certificate[],
  nowMs: number,
): boolean => {
  const [leaf, ...rest] = chain;
  if (leaf === undefined || !isWithin(leaf, nowMs)) return false;
  if (roots.some((root) => isWithin(root, nowMs) && isIssuedBy(leaf, root))) return true;
  const issuer = rest.find((one) => one.ca && isIssuedBy(leaf, one));
  return issuer !== undefined && endsAtRoot([issuer, ...rest.filter((one) => one !== issuer)], roots, nowMs);
};

const namesOf = (certificate: X509Certificate): readonly string[] =>
  (certificate.subjectAltName ?? '')
    .split(', ')
    .filter((entry) => entry.startsWith('DNS:'))
    .map((entry) => entry.slice('DNS:'.length).toLowerCase());

let systemRoots: readonly X509Certificate[] | undefined;
/** The roots Node brings along, parsed once: 150 of them take some 10 ms. */
const parsedSystemRoots = (): readonly X509Certificate[] =>
  (systemRoots ??= rootCertificates.map((pem) => new X509Certificate(pem)));

/** Trusted roots as they were read: PEM, the system's, or undefined where they could not be read. */
export type Roots = readonly string[] | 'system' | undefined;

/** What a pair is, held against the roots; a text where it cannot be parsed. */
export const describe = (
  pair: Pair,
  directory: string | undefined,
  roots: Roots,
  nowMs: number,
): CertificateFacts | string => {
  try {
    const chain = parseAll(pair.chainPem);
    const [leaf] = chain;
    if (leaf === undefined) return 'there is no certificate in fullchain.pem';
    const trusted = roots === 'system' ? parsedSystemRoots() : roots?.flatMap(parseAll);
    return {
      names: namesOf(leaf),
      serial: leaf.serialNumber,
      notBeforeMs: Date.parse(leaf.validFrom),
      notAfterMs: Date.parse(leaf.validTo),
      keyMatches: leaf.checkPrivateKey(createPrivateKey(pair.keyPem)),
      chain: trusted === undefined ? 'unknown' : endsAtRoot(chain, trusted, nowMs) ? 'trusted' : 'untrusted',
      directory,
    };
  } catch (error) {
    return `it cannot be parsed (${error instanceof Error ? error.message : String(error)})`;
  }
};

/** The certificate in the store, for those who serve it or look at it being served. */
export interface CertificateInfo extends CertificateFacts {
  /** Where `current` points: `versions/<n>`. */
  readonly version: string;
  readonly chainPem: string;
}

/** The stored certificate of a domain, or undefined where there is none that can be parsed. Trust is not looked at. */
export const readCertificate = async (
  paths: Pick<Paths, 'certificates'>,
  domain: string,
): Promise<CertificateInfo | undefined> => {
  const stored = await readStored(paths.certificates, domain);
  if (stored === undefined || 'damaged' in stored) return undefined;
  const facts = describe(stored.pair, stored.meta?.directory, undefined, 0);
  return typeof facts === 'string'
    ? undefined
    : { ...facts, version: stored.version, chainPem: stored.pair.chainPem };
};

const versionsOf = async (folder: string): Promise<readonly string[]> => {
  try {
    return (await readdir(join(folder, 'versions'))).filter((name) => versionName.test(name));
  } catch (error) {
    if (isMissingFile(error)) return [];
    throw error;
  }
};

const ensureVersions = async (certificates: string, domain: string): Promise<void> => {
  const folder = folderOf(certificates, domain);
  for (const path of [certificates, folder, join(folder, 'versions')])
    await ensureDirectory(path, 0o700, storeOwner());
};

/**
 * Shows that the store can be written before anything is ordered: makes its folders, writes a file and removes it.
 * @throws {StackError} DISK_FULL, DISK_READ_ONLY, DISK_DENIED
 */
export const probeStore = async (certificates: string, domain: string, effects: Effects): Promise<void> =>
  effects.perform('file', `try out the store ${certificates}`, async () => {
    await ensureVersions(certificates, domain);
    const path = join(folderOf(certificates, domain), 'versions', '.probe');
    await writeAtomic(path, 'x'.repeat(16_384), 0o600);
    await rm(path, { force: true });
  });

/**
 * Stores a pair as the next version, points `current` at it in one step, and removes all but it and the one before.
 * @throws {StackError} DISK_*
 */
export const saveCertificate = async (
  certificates: string,
  domain: string,
  saved: { readonly pair: Pair; readonly meta: Meta },
  effects: Effects,
): Promise<void> => {
  await ensureVersions(certificates, domain);
  const folder = folderOf(certificates, domain);
  const numbers = (await versionsOf(folder)).map(Number);
  const version = String(1 + Math.max(0, ...numbers));
  const before = (await readSymlink(join(folder, 'current')))?.split('/').at(-1);
  const target = join(folder, 'versions', version);
  const write = async (name: string, text: string) =>
    effects.perform('file', `write ${domain}/versions/${version}/${name}`, async () => {
      await ensureDirectory(target, 0o700, storeOwner());
      await writeAtomic(join(target, name), text, 0o400, storeOwner());
    });
  await write('fullchain.pem', saved.pair.chainPem);
  await write('key.pem', saved.pair.keyPem);
  await write('meta.json', `${JSON.stringify(saved.meta, null, 2)}\n`);
  await effects.perform('file', `point ${domain}/current at version ${version}`, async () => {
    await onDisk(target, async () => syncDirectory(dirname(target)));
    await swapSymlink(join(folder, 'current'), `versions/${version}`);
  });
  await effects.perform('file', `remove versions of ${domain} before the last`, async () => {
    const stale = (await versionsOf(folder)).filter((name) => name !== version && name !== before);
    await onDisk(folder, async () => {
      for (const name of stale) await rm(join(folder, 'versions', name), { recursive: true, force: true });
    });
  });
};

const accountSchema = z.object({ directory: z.string(), url: z.string() });

/** Key and address of our account at one authority. */
export interface AccountFile {
  readonly key: () => Promise<string | undefined>;
  readonly url: () => Promise<string | undefined>;
  readonly saveKey: (pem: string) => Promise<void>;
  /** Undefined: the authority no longer knows the account. */
  readonly saveUrl: (url: string | undefined) => Promise<void>;
}

/** The account at a directory, kept in `<certificates>/accounts/<host of the directory>`, mode 0600. */
export const accountFile = (certificates: string, directory: string): AccountFile => {
  const accounts = join(certificates, 'accounts');
  const folder = join(accounts, new URL(directory).host);
  const write = async (name: string, text: string) => {
    for (const path of [accounts, folder]) await ensureDirectory(path, 0o700, storeOwner());
    await writeAtomic(join(folder, name), text, 0o600, storeOwner());
  };
  return {
    key: async () => readText(join(folder, 'key.pem')),
    async url() {
      const text = await readText(join(folder, 'account.json'));
      const account = accountSchema.safeParse(text === undefined ? undefined : parsedJson(text)).data;
      return account?.directory === directory ? account.url : undefined;
    },
    saveKey: async (pem) => write('key.pem', pem),
    async saveUrl(url) {
      if (url === undefined)
        await onDisk(folder, async () => rm(join(folder, 'account.json'), { force: true }));
      else await write('account.json', `${JSON.stringify({ directory, url }, null, 2)}\n`);
    },
  };
};

/** Copies of roots for containers that see nothing of the host but this store: `<name>` as PEM, readable for all. */
export const saveRoots = async (certificates: string, name: string, pem: string): Promise<void> => {
  const path = join(certificates, name);
  await ensureDirectory(certificates, 0o700, storeOwner());
  await ensureDirectory(dirname(path), 0o755, storeOwner());
  await writeAtomic(path, pem, 0o444, storeOwner());
};
