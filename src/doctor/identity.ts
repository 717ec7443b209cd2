import * as z from 'zod';
import { desiredIdentity, meshClientId } from '../oidc/desired.ts';
import { readDiscovery, shortPatience } from '../oidc/proof/metadata.ts';
import { errnoOf } from '../shared/errors.ts';
import { ofStack, type Examination } from './examine.ts';
import { failed, passed, unknown, type Finding } from './finding.ts';
import { notRunning } from './served.ts';
import type { DoctorView } from './view.ts';

/** The issuer, as those who have to agree on it have it; undefined where one does not say. */
interface Issuers {
  readonly configured: string;
  readonly announced: string | undefined;
  readonly management: string | undefined;
}

/** Judges whether all have the same issuer, letter for letter: it is compared as text. Pure. */
const judgeIssuer = ({ configured, announced, management }: Issuers): Finding => {
  const confirm = `curl -s ${configured}/.well-known/openid-configuration`;
  const text = (seen: string | undefined) => (seen === undefined ? 'nothing' : `"${seen}"`);
  const wrong = [
    announced === configured ? '' : `Pocket ID says ${text(announced)}`,
    management === configured ? '' : `NetBird's management expects ${text(management)}`,
  ].filter((one) => one !== '');
  if (wrong.length === 0) return passed(configured);
  return failed(
    `${wrong.join(', ')}, wanted "${configured}"`,
    'npm run up writes both anew and restarts them; if domain, names or port were changed on purpose, with --new-issuer',
    confirm,
  );
};

interface Redirects {
  readonly callbacks: readonly string[];
  readonly logouts: readonly string[];
}

/** Judges whether the client's addresses are those we register: one more or less, and a sign-in ends nowhere. Pure. */
const judgeRedirects = (wanted: Redirects, found: Redirects | undefined): Finding => {
  const fix = 'npm run up registers them anew';
  const confirm = 'npm run verify-oidc';
  if (found === undefined) return failed(`Pocket ID has no client "${meshClientId}"`, fix, confirm);
  const differences = (['callbacks', 'logouts'] as const).flatMap((kind) => [
    ...wanted[kind].filter((one) => !found[kind].includes(one)).map((one) => `${one} is missing`),
    ...found[kind].filter((one) => !wanted[kind].includes(one)).map((one) => `${one} is not ours`),
  ]);
  if (differences.length > 0) return failed(differences.join(', '), fix, confirm);
  return passed(`${wanted.callbacks.length} redirect and ${wanted.logouts.length} logout addresses`);
};

const discovery = z.object({ issuer: z.string() });
const managementFile = z.object({ HttpConfig: z.object({ AuthIssuer: z.string() }) });

const parsed = (text: string | undefined): unknown => {
  try {
    return text === undefined ? undefined : (JSON.parse(text) as unknown);
  } catch {
    return undefined;
  }
};

const timeoutMs = 20_000;

/** Issuer and redirects. */
export const identityExaminations = (view: DoctorView): readonly Examination[] => [
  ofStack(
    view,
    {
      id: 'issuer',
      title: 'settings, Pocket ID and NetBird have the same issuer',
      needs: ['engine', 'certificate'],
      timeoutMs,
    },
    async ({ settings, publicHttp }, known, signal) => {
      const gone = await notRunning(known, ['nginx', 'pocket-id']);
      if (gone !== undefined) return gone;
      const { issuer } = settings.addresses;
      const file = `${settings.paths.services}/netbird-management/current/management.json`;
      const text = await view.machine.readText(file);
      try {
        const answer = await readDiscovery(publicHttp, issuer, shortPatience, signal);
        const announced = discovery.safeParse(answer.json()).data?.issuer;
        const management = managementFile.safeParse(parsed(text)).data?.HttpConfig.AuthIssuer;
        return judgeIssuer({ configured: issuer, announced, management });
      } catch (error) {
        signal.throwIfAborted();
        const seen = errnoOf(error) ?? String(error);
        return failed(
          `${issuer} does not answer (${seen})`,
          'npm run verify-tls shows whether nginx serves it',
          `curl -sI ${issuer}`,
        );
      }
    },
  ),
  ofStack(
    view,
    {
      id: 'redirects',
      title: "the mesh's client has exactly the redirect addresses it needs",
      needs: ['engine'],
      timeoutMs,
    },
    async ({ settings, redirects }, known, signal) => {
      const gone = await notRunning(known, ['pocket-id', 'postgres']);
      if (gone !== undefined) return gone;
      const wanted = desiredIdentity(settings).clients.find((one) => one.id === meshClientId);
      if (wanted === undefined) return unknown('no client is wanted');
      return judgeRedirects(
        { callbacks: wanted.callbacks, logouts: wanted.logoutCallbacks },
        await redirects(signal),
      );
    },
  ),
];
