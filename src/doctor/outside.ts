import { resolveBy } from '../dns/wire/resolve.ts';
import { errnoOf, isAbort } from '../shared/errors.ts';
import { isOfThisMachine } from '../shared/http.ts';
import { ofStack, type Examination } from './examine.ts';
import { failed, passed, skipped, unknown, type Finding } from './finding.ts';
import type { DoctorView, StackView } from './view.ts';

/** What a server of the outside said: its clock, or why nothing came. `dated`: its certificate does not fit our clock. */
export type Heard =
  | { readonly host: string; readonly aheadMs: number }
  | { readonly host: string; readonly dated: string }
  | { readonly host: string; readonly error: string; readonly refused: boolean };

const dateFaults = new Set(['CERT_HAS_EXPIRED', 'CERT_NOT_YET_VALID']);

const hear = async (view: DoctorView, url: string, signal: AbortSignal): Promise<Heard> => {
  const { host } = new URL(url);
  try {
    const before = view.machine.nowMs();
    const answer = await view.http.call('GET', url, { signal, timeoutMs: 8000 });
    const middle = (before + view.machine.nowMs()) / 2;
    const at = Date.parse(answer.headers.date ?? '');
    // The header knows whole seconds: its middle is meant.
    return { host, aheadMs: Number.isNaN(at) ? 0 : middle - (at + 500) };
  } catch (error) {
    signal.throwIfAborted();
    const seen = isAbort(error) ? 'no answer in time' : (errnoOf(error) ?? String(error));
    return dateFaults.has(seen)
      ? { host, dated: seen }
      : { host, error: seen, refused: seen === 'ECONNREFUSED' || seen === 'ECONNRESET' };
  }
};

const tlsFault = /SELF_SIGNED|UNABLE_TO|CERT_|ERR_TLS|EPROTO/;

/** Judges whether those who have to answer do. Pure. */
const judgeInternet = (heard: readonly Heard[]): Finding => {
  const silent = heard.flatMap((one) => ('error' in one ? [one] : []));
  if (silent.length === 0) return passed(heard.map((one) => one.host).join(', '));
  const seen = silent.map((one) => `${one.host} (${one.error})`).join(', ');
  const isIntercepted = silent.some((one) => tlsFault.test(one.error));
  return failed(
    `no answer from ${seen}`,
    isIntercepted
      ? 'something between here and there breaks TLS: a filter, a proxy or a log-in page of the network; let this host past it'
      : 'check cable, router and firewall of this host, and https://www.cloudflarestatus.com and https://letsencrypt.status.io; what runs goes on meanwhile',
    `curl -sI ${silent.map((one) => `https://${one.host}`).join(' ')}`,
  );
};

const toleranceMs = 60_000;

/** Judges our clock by those of others. Certificates, tokens and relay credentials all hang on it. Pure. */
export const judgeClock = (heard: readonly Heard[]): Finding => {
  const fix =
    'turn on time synchronisation: timedatectl set-ntp true (NixOS: services.timesyncd.enable = true)';
  const confirm = 'timedatectl shows "System clock synchronized: yes"';
  const dated = heard.find((one) => 'dated' in one);
  if (dated !== undefined && 'dated' in dated)
    return failed(
      `the certificate of ${dated.host} is not valid at the time of this clock (${dated.dated})`,
      fix,
      confirm,
    );
  const [first] = heard
    .flatMap((one) => ('aheadMs' in one ? [one] : []))
    .toSorted((a, b) => Math.abs(a.aheadMs) - Math.abs(b.aheadMs));
  if (first === undefined) return unknown('nobody was there to compare with');
  const seconds = Math.round(Math.abs(first.aheadMs) / 1000);
  const seen = `${seconds} s ${first.aheadMs < 0 ? 'behind' : 'ahead of'} ${first.host}`;
  if (Math.abs(first.aheadMs) <= toleranceMs) return passed(seen);
  return failed(`this clock is ${seen}, wanted at most ${toleranceMs / 1000} s`, fix, confirm);
};

const askedUrls = ({ settings, directory }: StackView): readonly string[] => [
  `${settings.cloudflare.api}/`,
  // The directory of a private authority is signed by one of its own: it is not asked here.
  ...(settings.certificates.directory_ca === 'system' ? [directory] : []),
];

const resolverTitle = 'names are resolved';

const examineResolution = async (stack: StackView, signal: AbortSignal): Promise<Finding> => {
  const { domain, dns } = stack.settings;
  if (domain.endsWith('.localhost')) return skipped('names under .localhost need no resolver');
  const name = domain.split('.').slice(1).join('.');
  const view = await stack.dns();
  const reply = await resolveBy(view, { name, type: 'NS' }, signal);
  const who = view.resolvers.map((one) => one.address).join(', ');
  if (reply !== undefined && ['NOERROR', 'NXDOMAIN'].includes(reply.rcode)) return passed(who);
  return failed(
    who === ''
      ? 'there is no resolver to ask'
      : `${who} ${reply === undefined ? 'does not answer' : `answers ${reply.rcode}`}`,
    dns.resolvers.length > 0
      ? 'check dns.resolvers in settings.yaml, and that this host may send DNS there'
      : "check cable and router, and this system's resolver (resolvectl status; cat /etc/resolv.conf); or set dns.resolvers, such as [1.1.1.1, 9.9.9.9]",
    `dig NS ${name}`,
  );
};

/** Resolver, internet, clock, token. */
export const outsideExaminations = (view: DoctorView): readonly Examination[] => {
  let hearing: Promise<readonly Heard[]> | undefined;
  const heard = async (stack: StackView, signal: AbortSignal) => {
    hearing ??= Promise.all(askedUrls(stack).map(async (url) => hear(view, url, signal)));
    return hearing;
  };
  return [
    ofStack(
      view,
      { id: 'resolver', title: resolverTitle, needs: [], timeoutMs: 15_000 },
      async (stack, _known, signal) => examineResolution(stack, signal),
    ),
    ofStack(
      view,
      {
        id: 'internet',
        title: "Cloudflare's API and the certificate authority answer",
        needs: ['resolver'],
        timeoutMs: 10_000,
      },
      async (stack, _known, signal) => {
        const all = await heard(stack, signal);
        const isNotUp = all.every((one) => 'refused' in one && one.refused);
        // What answers on this machine is started by `up`.
        if (isNotUp && askedUrls(stack).every(isOfThisMachine))
          return unknown('what this host asks runs on itself, and is not up: npm run up starts it');
        return judgeInternet(all);
      },
    ),
    ofStack(
      view,
      {
        id: 'clock',
        title: 'the clock is right',
        needs: ['internet'],
        timeoutMs: 10_000,
      },
      async (stack, _known, signal) => judgeClock(await heard(stack, signal)),
    ),
    ofStack(
      view,
      {
        id: 'token',
        title: 'the token may edit the DNS of the zone',
        needs: ['internet', 'clock'],
        timeoutMs: 30_000,
      },
      async (_stack, known) => (await known.token()).finding,
    ),
  ];
};
