import type { Step } from '../orchestrator/area.ts';
import { absent, conflict, unreachable, type Facts, type Why } from '../orchestrator/facts.ts';
import { certificateNames, type Settings } from '../settings/settings.ts';
import type { Trust } from '../settings/schema.ts';
import type { Owner } from '../shared/files.ts';
import type { Attempts } from './renewal/attempts.ts';
import { renewalOf, type Advice } from './renewal/schedule.ts';

/** The user nginx and the renewer run as where this program runs as root; otherwise they run as its own user. */
export const certificateOwner: Owner = { uid: 1000, gid: 1000 };

/** What the certificate of one zone should be, and all that issuing it takes. Plain data: the renewer reads it as JSON. */
export interface AcmeDesired {
  readonly domain: string;
  /** Every name the certificate covers: lower case, sorted, each once. */
  readonly names: readonly string[];
  /** Address of the ACME directory. */
  readonly directory: string;
  /** Who signs the directory's own https address. Files are absolute paths. */
  readonly directoryCa: Trust;
  /** The roots that issued certificates must chain to. Files are absolute paths. */
  readonly trust: Trust;
  readonly contact?: string | undefined;
  readonly profile?: string | undefined;
  /** Commands of the operator, program and arguments: run by the renewer, in its container. */
  readonly on_renewed?: readonly string[] | undefined;
  readonly on_failed?: readonly string[] | undefined;
  /** The folder of the certificate store, absolute. */
  readonly certificates: string;
  /** The first words of the comment on every TXT record of ours. */
  readonly mark: string;
  readonly cloudflare: { readonly api: string };
  readonly dns: {
    readonly resolvers: readonly string[];
    readonly authoritative: readonly string[];
    readonly ttl_seconds: number;
  };
}

/** What can be said about a certificate and its key without asking anyone. Instants in ms since the epoch. */
export interface CertificateFacts {
  readonly names: readonly string[];
  /** Hexadecimal, upper case, as TLS clients show it. */
  readonly serial: string;
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
  /** The key belongs to the certificate. */
  readonly keyMatches: boolean;
  /** Whether the chain ends at a trusted root; unknown where the roots could not be read. */
  readonly chain: 'trusted' | 'untrusted' | 'unknown';
  /** The directory it was ordered from; undefined where that was not written down. */
  readonly directory: string | undefined;
  /** It was ordered to chain to roots that every device has. */
  readonly isPublic?: boolean;
}

/** What a certificate is worth now. */
export interface Judgement {
  /** It can be served: it fits its key, covers every name, is within its dates and, as far as known, trusted. */
  readonly valid: boolean;
  /** A new one should be ordered; always so where it is not valid. */
  readonly due: boolean;
  /** Why it is due, or until when it is good. */
  readonly why: string;
  /** When it will be due by age or by what its authority suggests, in ms since the epoch. */
  readonly renewAtMs: number | undefined;
  /** Where the settings would replace it by one that fewer devices trust: it is served on until a person says otherwise. */
  readonly kept?: { readonly text: string; readonly hint: string };
}

/** What one look showed: the certificate, the authority, and what an earlier run left behind. */
export interface AcmeWorld {
  readonly certificate: Judgement;
  /** Failures in a row after which nothing is ordered before `untilMs`. */
  readonly held?: Attempts | undefined;
  /** True, or why the directory or the trusted roots could not be read. */
  readonly authority: true | { readonly text: string; readonly hint: string };
  readonly rootsKnown: boolean;
  /** What an ended run wrote down and did not remove: TXT records, and an order whose certificate is stored. */
  readonly leftovers: number;
  /** The copies of roots in the store are not what the settings lead to. */
  readonly rootsStale: boolean;
  /** This run has already waited for the authority. */
  readonly waited: boolean;
  /** What this run found that a person may look at, and that nothing waits for. */
  readonly told: readonly { readonly text: string; readonly hint: string }[];
}

type Kind = 'issue' | 'sweep' | 'publish-roots' | 'await-authority';
export type AcmeStep = { [K in Kind]: Step & { readonly kind: K; readonly desired: AcmeDesired } }[Kind];

const directories = {
  letsencrypt: 'https://acme-v02.api.letsencrypt.org/directory',
  'letsencrypt-staging': 'https://acme-staging-v02.api.letsencrypt.org/directory',
} as const;

const isShorthand = (directory: string): directory is keyof typeof directories => directory in directories;

export const desired = (settings: Settings): AcmeDesired => {
  const { certificates, cloudflare, dns } = settings;
  const located = (trust: Trust): Trust =>
    typeof trust === 'object' && 'file' in trust && !trust.file.startsWith('/')
      ? { file: `${settings.folder}/${trust.file}` }
      : trust;
  return {
    domain: settings.domain,
    names: [...new Set(certificateNames(settings))].sort(),
    directory: isShorthand(certificates.directory)
      ? directories[certificates.directory]
      : certificates.directory,
    directoryCa: located(certificates.directory_ca),
    trust: located(certificates.trust),
    ...(certificates.contact === undefined ? {} : { contact: certificates.contact }),
    ...(certificates.profile === undefined ? {} : { profile: certificates.profile }),
    ...(certificates.on_renewed === undefined ? {} : { on_renewed: certificates.on_renewed }),
    ...(certificates.on_failed === undefined ? {} : { on_failed: certificates.on_failed }),
    certificates: settings.paths.certificates,
    mark: `${settings.project} acme`,
    cloudflare: { api: cloudflare.api },
    dns: { resolvers: dns.resolvers, authoritative: dns.authoritative, ttl_seconds: dns.ttl_seconds },
  };
};

/** True for a directory whose certificates every device trusts, as far as that is known without asking. */
export const isPublicDirectory = (directory: string | undefined): boolean =>
  directory === directories.letsencrypt;

/** An instant as people write it, to the minute, in UTC. */
export const instant = (ms: number): string =>
  `${new Date(ms).toISOString().slice(0, 16).replace('T', ' ')} UTC`;

const explained = (address: string | undefined): string => (address === undefined ? '' : ` (${address})`);

/** What a certificate is held against; without `trust` there is nothing that it could be better than. */
type Wishes = Pick<AcmeDesired, 'names' | 'directory'> & Partial<Pick<AcmeDesired, 'trust'>>;

/** The certificate authority whose certificates would take the place of one that every device trusts. */
const lesserOf = (facts: CertificateFacts, { directory, trust }: Wishes): string | undefined =>
  facts.isPublic === true &&
  trust !== undefined &&
  trust !== 'system' &&
  (facts.directory !== directory || facts.chain === 'untrusted')
    ? new URL(directory).host
    : undefined;

const kept = ({ directory, notAfterMs }: CertificateFacts, lesser: string): Judgement => {
  const from = directory === undefined ? '' : ` from ${new URL(directory).host}`;
  const text = `the certificate that is served${from} is trusted by every device, and the settings would replace it by one from ${lesser} that only those trust which are given its roots: it is kept, and not renewed`;
  const hint = `put certificates.directory and certificates.trust back before ${instant(notAfterMs)}, when it ends; or give it up by name: npm run -s up -- --replace-trusted ${lesser}`;
  return { valid: true, due: false, why: text, renewAtMs: undefined, kept: { text, hint } };
};

const flawOf = (
  facts: CertificateFacts,
  wanted: Pick<AcmeDesired, 'names'>,
  nowMs: number,
): string | undefined => {
  if (!facts.keyMatches) return 'its key does not belong to it';
  const missing = wanted.names.filter((name) => !facts.names.includes(name));
  if (missing.length > 0) return `it does not cover ${missing.join(', ')}`;
  if (nowMs >= facts.notAfterMs) return `it expired at ${instant(facts.notAfterMs)}`;
  if (nowMs < facts.notBeforeMs) return `it begins at ${instant(facts.notBeforeMs)} only`;
  return facts.chain === 'untrusted' ? 'its chain does not end at a trusted root' : undefined;
};

/**
 * What a stored certificate is worth; undefined or a text stand for none, or for one that cannot be read. `advice` is the
 * authority's about this or an older certificate.
 */
export const judge = (
  facts: CertificateFacts | string | undefined,
  wanted: Wishes,
  nowMs: number,
  advice?: Advice,
): Judgement => {
  const unusable = (why: string): Judgement => ({ valid: false, due: true, why, renewAtMs: undefined });
  if (facts === undefined) return unusable('there is none');
  if (typeof facts === 'string') return unusable(facts);
  const lesser = lesserOf(facts, wanted);
  if (lesser !== undefined && flawOf({ ...facts, chain: 'unknown' }, wanted, nowMs) === undefined)
    return kept(facts, lesser);
  const flaw = flawOf(facts, wanted, nowMs);
  if (flaw !== undefined) return unusable(flaw);
  const { atMs: renewAtMs, suggested } = renewalOf(
    facts,
    advice?.serial === facts.serial ? advice : undefined,
  );
  const dueBecause = (why: string): Judgement => ({ valid: true, due: true, why, renewAtMs });
  const surplus = facts.names.filter((name) => !wanted.names.includes(name));
  if (surplus.length > 0) return dueBecause(`it covers ${surplus.join(', ')}, which is no longer wanted`);
  if (facts.directory !== undefined && facts.directory !== wanted.directory) {
    return dueBecause(`it was ordered from ${facts.directory}, wanted ${wanted.directory}`);
  }
  if (nowMs >= renewAtMs) {
    const asked = suggested ? `, as its authority suggests${explained(advice?.explanation)}` : '';
    return dueBecause(
      `it ends at ${instant(facts.notAfterMs)}, renewal was due at ${instant(renewAtMs)}${asked}`,
    );
  }
  return { valid: true, due: false, why: `good until ${instant(facts.notAfterMs)}`, renewAtMs };
};

/** Failures in a row, in one sentence. */
export const failuresText = ({ failures, message, untilMs }: Attempts): string =>
  `${failures === 1 ? 'the last order failed' : `the last ${failures} orders failed`}: ${message}; the next is made at ${instant(untilMs)}`;

export const facts = (wanted: AcmeDesired, world: AcmeWorld): Facts => {
  const { certificate, authority, held } = world;
  const away = authority === true ? undefined : authority;
  const missing = `no valid certificate for ${wanted.names.join(', ')}: ${certificate.why}`;
  const waits =
    held === undefined || !certificate.due
      ? undefined
      : { text: failuresText(held), hint: `${held.hint}; then npm run -s renew -- --now orders at once` };
  const reason = waits ?? away;
  const authorityKept = certificate.kept && conflict(certificate.kept.text, certificate.kept.hint);
  const certificateFact: true | Why =
    certificate.valid ||
    (reason === undefined ? absent(missing) : unreachable(`${missing}; ${reason.text}`, reason.hint));
  const authorityFact: true | Why =
    authorityKept ?? (reason === undefined || unreachable(reason.text, reason.hint));
  const [first] = world.told;
  return {
    [`certificate:${wanted.domain}`]: certificateFact,
    'ca.api': authorityFact,
    ...(first === undefined
      ? {}
      : { 'challenge.records': unreachable(world.told.map(({ text }) => text).join('; '), first.hint) }),
  };
};

const issueDeadlineMs = 300_000;

/** The difference as steps. A certificate that can still be served is left alone while the authority is away. */
export const plan = (wanted: AcmeDesired, world: AcmeWorld): readonly AcmeStep[] => {
  const { certificate, authority, held } = world;
  const common = { desired: wanted, needs: ['host.services'], uses: ['certificates'] } as const;
  const steps: AcmeStep[] = [];
  if (world.rootsStale) {
    steps.push({
      ...common,
      kind: 'publish-roots',
      id: 'publish trusted roots',
      why: 'the copies in the certificate store are not those the settings lead to',
      // Some could be read and others not: an authority that this host starts itself may not listen yet.
      ...(authority === true ? { needs: [] } : { assumed: true }),
      impact: 'none',
      deadlineMs: 40_000,
    });
  }
  if (world.leftovers > 0) {
    steps.push({
      ...common,
      kind: 'sweep',
      id: 'sweep what an ended run left',
      why: `${world.leftovers} TXT records or orders are written down, wanted none`,
      impact: 'none',
      // An order of the renewer may hold the lock for three minutes.
      deadlineMs: 240_000,
    });
  }
  if (certificate.due && held === undefined && (authority === true || !certificate.valid)) {
    steps.push({
      ...common,
      kind: 'issue',
      id: `issue certificate for ${wanted.domain}`,
      why: certificate.why,
      impact: 'reload',
      deadlineMs: issueDeadlineMs,
      ...(authority === true ? {} : { assumed: true }),
    });
  } else if (!world.rootsKnown && !world.waited) {
    steps.push({
      ...common,
      kind: 'await-authority',
      id: 'wait for the certificate authority',
      why: 'its roots cannot be read yet, so the stored certificate could not be checked against them',
      uses: [],
      impact: 'none',
      deadlineMs: 30_000,
      assumed: true,
    });
  }
  return steps;
};
