import type { Context } from '../context.ts';
import { createAdapters, type Adapters } from '../orchestrator/areas.ts';
import { takeRunLock } from '../orchestrator/lock.ts';
import { exitCodeOfReport, type Report } from '../orchestrator/report/check.ts';
import { reportText } from '../orchestrator/report/text.ts';
import { inspectOidc, verifyOidc } from '../oidc/proof/verify.ts';
import { proveTls } from '../ingress/proof.ts';
import { readLocalCa } from '../acme/local/root.ts';
import { localCaKey } from '../settings/own-secrets.ts';
import { readText } from '../shared/files.ts';

/** Proves what nginx serves; changes nothing. */
const tls = async ({ settings, secrets, terminal }: Context, adapters: Adapters): Promise<Report> =>
  proveTls(
    settings,
    {
      readText,
      trustedRoots: adapters.trustedRoots,
      http: adapters.publicHttp,
      identityKey: async () => secrets.read('pocket-id-static-api-key'),
      localCa: async () =>
        readLocalCa(await readText(settings.paths.localCaRoot), await secrets.read(localCaKey)),
    },
    terminal.signal,
  );

/** `begun` until a proof has ended and passed: one that was killed leaves a canary, which the next one removes. */
const proofEntry = 'id-proof';

/** True until a proof of the login has run to its end and passed. */
export const isProofDue = async ({ secrets }: Context): Promise<boolean> =>
  (await secrets.read(proofEntry)) !== 'passed';

/** Keeps how far a proof of the login is: `begun` also where one is due. */
export const rememberProof = async (
  { secrets, effects }: Context,
  state: 'begun' | 'passed',
): Promise<void> =>
  effects.perform('file', `save ${proofEntry}`, async () => secrets.save(proofEntry, state));

/** Proves the login with a canary that exists for this run only; the caller holds the run lock. */
export const proveLogin = async (context: Context, adapters: Adapters): Promise<Report> => {
  const { settings, secrets, effects, terminal } = context;
  const { publicHttp: http, pocketId, sessions, mesh } = adapters;
  await rememberProof(context, 'begun');
  const report = await verifyOidc(
    { http, pocketId, sessions, secrets, mesh },
    settings,
    effects,
    terminal.signal,
  );
  if (exitCodeOfReport(report) === 0) await rememberProof(context, 'passed');
  return report;
};

/** The checks of the login that write nothing: what the issuer says of itself, and its keys. */
export const inspectLogin = async ({ settings, terminal }: Context, adapters: Adapters): Promise<Report> =>
  inspectOidc(adapters.publicHttp, settings, terminal.signal);

const show = (context: Context, reports: readonly Report[]): number => {
  if (context.flags.json === true)
    context.print(JSON.stringify(reports.length === 1 ? reports[0] : reports, undefined, 2));
  else for (const report of reports) context.print(reportText(report, context.terminal.style));
  // A failed check outweighs one that did not run.
  const codes = reports.map(exitCodeOfReport);
  return codes.includes(2) ? 2 : Math.max(0, ...codes);
};

const underLock = async (context: Context, verb: string, act: () => Promise<number>): Promise<number> => {
  const lock = await takeRunLock(context.settings.paths.runLock, verb);
  try {
    return await act();
  } finally {
    await lock.release();
  }
};

/** `verify-tls` */
export const verifyTlsOnly = async (context: Context): Promise<number> =>
  show(context, [await tls(context, createAdapters(context))]);

/** `verify-oidc`: 0 all ran and passed, 2 one failed, 3 could not begin. */
export const verifyOidcOnly = async (context: Context): Promise<number> =>
  underLock(context, 'verify-oidc', async () =>
    show(context, [await proveLogin(context, createAdapters(context))]),
  );

/** `verify`: every proof. */
export const verifyAll = async (context: Context): Promise<number> =>
  underLock(context, 'verify', async () => {
    const adapters = createAdapters(context);
    return show(context, [await tls(context, adapters), await proveLogin(context, adapters)]);
  });
