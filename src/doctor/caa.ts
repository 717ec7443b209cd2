import * as z from 'zod';
import { askAny, resolveBy } from '../dns/wire/resolve.ts';
import type { DnsReply } from '../dns/wire/ask.ts';
import { certificateNames } from '../settings/settings.ts';
import { ofStack, type Examination } from './examine.ts';
import { failed, passed, skipped, unknown, type Finding } from './finding.ts';
import type { DoctorView, StackView } from './view.ts';

/*
 * Which authorities may issue for a name (CAA, RFC 8659; accounts and methods: RFC 8657). An authority asks before it
 * issues, and a refusal counts against its limits: so doctor asks first.
 */

/** One CAA record. */
export interface CaaRecord {
  readonly critical: boolean;
  readonly tag: string;
  readonly value: string;
}

/** The first records on the way from a name up to the root, and where they stand. */
export interface CaaTree {
  readonly at: string | undefined;
  readonly records: readonly CaaRecord[];
}

/** Who is to issue. */
interface Issuer {
  /** What the authority calls itself in CAA, such as letsencrypt.org. */
  readonly identities: readonly string[];
  /** Address of our account; undefined before there is one. */
  readonly account: string | undefined;
}

const knownTags = new Set([
  'issue',
  'issuewild',
  'issuemail',
  'issuevmc',
  'iodef',
  'contactemail',
  'contactphone',
]);

const parsedValue = (value: string) => {
  const [domain = '', ...rest] = value.split(';').map((part) => part.trim());
  const parameters = new Map(
    rest.flatMap((part) => {
      const at = part.indexOf('=');
      return at < 0 ? [] : [[part.slice(0, at).trim().toLowerCase(), part.slice(at + 1).trim()] as const];
    }),
  );
  return { domain: domain.toLowerCase(), parameters };
};

/** Why an `issue` record does not let us in; undefined where it does. */
const obstacleIn = (value: string, { identities, account }: Issuer): string | undefined => {
  const { domain, parameters } = parsedValue(value);
  if (!identities.includes(domain)) return domain === '' ? 'nobody may issue' : `only ${domain}`;
  const uri = parameters.get('accounturi');
  if (uri !== undefined && uri !== account)
    return `only the account ${uri}, ours is ${account ?? 'not made yet'}`;
  const methods = parameters.get('validationmethods');
  if (methods !== undefined && !methods.split(',').includes('dns-01'))
    return `only by ${methods}, not by dns-01`;
  return undefined;
};

/** Judges whether the authority may issue for a name. Our certificates hold no wildcard: `issuewild` is not asked. Pure. */
export const judgeCaa = (name: string, { at, records }: CaaTree, issuer: Issuer): Finding => {
  const confirm = `dig CAA ${at ?? name}`;
  const odd = records.find((one) => one.critical && !knownTags.has(one.tag.toLowerCase()));
  if (odd !== undefined)
    return failed(
      `${at} has the critical CAA property "${odd.tag}", which no authority may pass by`,
      'remove that record',
      confirm,
    );
  const issue = records.filter((one) => one.tag.toLowerCase() === 'issue');
  if (issue.length === 0)
    return passed(at === undefined ? 'no CAA record: any authority may issue' : `${at} names nobody`);
  const obstacles = issue.map(({ value }) => obstacleIn(value, issuer));
  if (obstacles.includes(undefined)) return passed(`${at} allows ${issuer.identities.join(', ')}`);
  return failed(
    `${at} does not let ${issuer.identities.join(', ')} issue: ${[...new Set(obstacles)].join('; ')}`,
    `add the record: ${at} CAA 0 issue "${issuer.identities[0] ?? ''}" (Cloudflare: DNS, Records, Add record, CAA), or change the one that is in the way`,
    confirm,
  );
};

const caaOf = (reply: DnsReply): readonly CaaRecord[] =>
  reply.answers.flatMap((one) =>
    one.type === 'CAA'
      ? [{ critical: ((one.data.flags ?? 0) & 128) !== 0, tag: one.data.tag, value: one.data.value }]
      : [],
  );

/** Climbs from the name to the root until there are records (RFC 8659 §3); `failed`: where the question got no answer. */
const climb = async (
  name: string,
  ask: (name: string) => Promise<DnsReply | undefined>,
): Promise<CaaTree | { readonly failed: string }> => {
  const labels = name.split('.');
  for (let from = 0; from < labels.length; from += 1) {
    const at = labels.slice(from).join('.');
    const reply = await ask(at);
    if (reply === undefined || !['NOERROR', 'NXDOMAIN'].includes(reply.rcode))
      return { failed: `CAA of ${at}: ${reply?.rcode ?? 'no answer'}` };
    const records = caaOf(reply);
    if (records.length > 0) return { at, records };
  }
  return { at: undefined, records: [] };
};

const meta = z.object({ meta: z.object({ caaIdentities: z.array(z.string()) }) });

const identitiesOf = async (
  view: DoctorView,
  { directory, settings }: StackView,
  signal: AbortSignal,
): Promise<readonly string[]> => {
  if (new URL(directory).hostname.endsWith('.letsencrypt.org')) return ['letsencrypt.org'];
  if (settings.certificates.directory_ca !== 'system') return [];
  const answer = await view.http.call('GET', directory, { signal, timeoutMs: 8000 }).catch(() => undefined);
  signal.throwIfAborted();
  return meta.safeParse(answer?.json()).data?.meta.caaIdentities ?? [];
};

/** CAA. */
export const caaExamination = (view: DoctorView): Examination =>
  ofStack(
    view,
    {
      id: 'caa',
      title: 'CAA records let the certificate authority issue',
      needs: ['delegation'],
      timeoutMs: 25_000,
    },
    async (stack, known, signal) => {
      const { domain, dns } = stack.settings;
      const { view: through, authoritative } = await known.zone();
      const isPrivate = dns.authoritative.length > 0;
      const ask = async (name: string): Promise<DnsReply | undefined> => {
        const isOurs = name === domain || name.endsWith(`.${domain}`);
        if (isPrivate && !isOurs)
          return { rcode: 'NOERROR', authoritative: false, answers: [], authorities: [] };
        return isOurs
          ? askAny(through.ask, authoritative, { name, type: 'CAA' }, signal)
          : resolveBy(through, { name, type: 'CAA' }, signal);
      };
      const [account, identities] = await Promise.all([stack.account(), identitiesOf(view, stack, signal)]);
      const findings = await Promise.all(
        certificateNames(stack.settings).map(async (name) => {
          const tree = await climb(name, ask);
          if ('failed' in tree) return unknown(tree.failed);
          if (identities.length === 0 && tree.records.length > 0)
            return skipped('the authority does not say by which name CAA records know it');
          return judgeCaa(name, tree, { identities, account });
        }),
      );
      const worst =
        findings.find((one) => one.status === 'failed') ?? findings.find((one) => one.status === 'skipped');
      return worst ?? findings[0] ?? skipped('no name needs a certificate');
    },
  );
