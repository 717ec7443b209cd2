import { desired as desiredCertificate } from '../acme/policy.ts';
import { lookAtStore } from '../acme/renewal/look.ts';
import type { Context } from '../context.ts';
import type { AreaName } from '../orchestrator/area.ts';
import { createAreas, type Stack } from '../orchestrator/areas.ts';
import { converge, type Outcome } from '../orchestrator/converge.ts';
import { takeRunLock } from '../orchestrator/lock.ts';
import { exitCodeOfReport, type Report } from '../orchestrator/report/check.ts';
import { errorJson } from '../orchestrator/report/json.ts';
import { exitCodeOfOutcome, outcomeText, reportText } from '../orchestrator/report/text.ts';
import { StackError } from '../shared/errors.ts';
import { inspectLogin, isProofDue, proveLogin } from './verify.ts';
import { closingCard } from './card.ts';

interface Flags {
  readonly adopt?: boolean;
  readonly newIssuer?: boolean;
  readonly replaceTrusted?: string;
}

/** A run that changed one of these ends with the proof of the login; so does one after a proof that did not pass. */
const provesAfter: ReadonlySet<AreaName> = new Set(['dns', 'acme', 'ingress', 'oidc', 'netbird']);

const finish = async (context: Context, stack: Stack, outcome: Outcome): Promise<number> => {
  const { style } = context.terminal;
  const isJson = context.flags.json === true;
  const text = outcomeText(outcome, style);
  if (text !== '' && !isJson) context.tell(text);
  const exit = exitCodeOfOutcome(outcome);
  if (exit === 0) await rememberIssuer(context);
  const isMeant =
    exit === 0 && (outcome.ran.some((one) => provesAfter.has(one.area)) || (await isProofDue(context)));
  const report: Report | undefined = isMeant
    ? await proveLogin(context, stack.adapters)
    : exit === 0
      ? await inspectLogin(context, stack.adapters)
      : undefined;
  // What writes nothing is part of every good run, and is heard of only when it finds something.
  const isNews = report !== undefined && (isMeant || exitCodeOfReport(report) !== 0);
  if (isNews && !isJson) context.tell(reportText(report, style));
  const code = exit === 0 && report !== undefined ? exitCodeOfReport(report) : exit;
  if (isJson) {
    context.print(
      JSON.stringify({
        type: 'end',
        exitCode: code,
        ran: outcome.ran.length,
        failures: outcome.failures.map(({ step, error }) => ({ step: step.id, error: errorJson(error) })),
        waiting: outcome.waiting.map(({ step, unmet }) => ({ step: step.id, unmet })),
        unknown: outcome.unknown,
        ...(report === undefined ? {} : { report }),
      }),
    );
  } else if (code === 0) {
    context.print(await closingCard(context, stack, outcome));
  } else {
    context.tell(
      `${style.red('not everything is as wanted')}; what ran stays, and npm run up goes on from there`,
    );
  }
  return code;
};

const issuerEntry = 'id-issuer';

/** Passkeys and every client are bound to the issuer, so it changes only when somebody says so. */
const refuseNewIssuer = async ({ secrets, settings }: Context, accepted: boolean): Promise<void> => {
  const running = await secrets.read(issuerEntry);
  const { issuer } = settings.addresses;
  if (running === undefined || running === issuer || accepted) return;
  throw new StackError(
    'ISSUER_CHANGED',
    `the stack was set up with the issuer ${running}, the settings say ${issuer}`,
    {
      hint: 'put the old name and port back; or --new-issuer, and every passkey, device and client is set up again',
      data: { running, wanted: issuer },
    },
  );
};

const rememberIssuer = async ({ secrets, settings, effects }: Context): Promise<void> => {
  const { issuer } = settings.addresses;
  if ((await secrets.read(issuerEntry)) === issuer) return;
  await effects.perform('file', `save ${issuerEntry}`, async () => secrets.save(issuerEntry, issuer));
};

/** Said before anything is touched: what speaks to the stack would not trust it under such settings. */
const refuseLessTrusted = async ({ settings }: Context, accepted: string | undefined): Promise<void> => {
  const wanted = desiredCertificate(settings);
  const { kept } = (await lookAtStore(wanted, undefined)).judgement;
  if (kept === undefined || accepted === new URL(wanted.directory).host) return;
  throw new StackError('CERTIFICATE_KEPT', kept.text, { hint: kept.hint });
};

/** What `up` does, for a verb that holds the run lock. */
export const bringUp = async (context: Context, flags: Flags): Promise<number> => {
  await refuseNewIssuer(context, flags.newIssuer === true);
  await refuseLessTrusted(context, flags.replaceTrusted);
  const stack = createAreas(context, { adopt: flags.adopt === true, replaceTrusted: flags.replaceTrusted });
  const { effects, emit, terminal } = context;
  const outcome = await converge({ areas: stack.areas, effects, emit, signal: terminal.signal });
  return finish(context, stack, outcome);
};

/** `up`: makes everything so, then proves the login. Safe to repeat, safe to interrupt. */
export const up = async (context: Context, flags: Flags): Promise<number> => {
  if (context.flags.json !== true) context.tell(context.hostLine);
  const lock = await takeRunLock(context.settings.paths.runLock, 'up');
  try {
    return await bringUp(context, flags);
  } finally {
    context.close();
    await lock.release();
  }
};
