import { localFolder } from '../acme/local/desired.ts';
import { desired as desiredCertificate } from '../acme/policy.ts';
import { lookAtStore } from '../acme/renewal/look.ts';
import { failureOf, summaryLines, summaryOf } from '../acme/renewal/summary.ts';
import { readCertificate } from '../acme/store.ts';
import type { Context } from '../context.ts';
import { createAreas, type Adapters } from '../orchestrator/areas.ts';
import { factsOf, lookAround } from '../orchestrator/converge.ts';
import { readHolder } from '../orchestrator/lock.ts';
import { isStackError } from '../shared/errors.ts';
import { nowMs } from '../shared/clock.ts';
import { followedOf, followedText } from './followed.ts';

const dayMs = 86_400_000;
/** So many steps fit on a screen. */
const mostSteps = 8;

/** One service as it is found. `kind`: upstream, built or stand-in. */
interface ServiceLine {
  readonly service: string;
  readonly state: string;
  readonly kind: string;
}

/** The containers of this host; empty where the Engine does not answer. */
export const servicesOf = async (context: Context, adapters: Adapters): Promise<readonly ServiceLine[]> => {
  try {
    const found = await adapters.docker.engine.containers(context.settings.project, context.terminal.signal);
    return found
      .filter((one) => one.ours && !one.oneOff)
      .map((one) => ({
        service: one.service,
        state: one.state === 'running' ? (one.healthy ? 'healthy' : 'not healthy yet') : one.state,
        kind: one.imageKind,
      }))
      .sort((a, b) => (a.service < b.service ? -1 : 1));
  } catch (error) {
    if (isStackError(error)) return [];
    throw error;
  }
};

/** The stored certificate of the zone, and what keeps it from being renewed. Trust is not looked at. */
const publicCertificateOf = async ({ settings }: Context) => {
  const wanted = desiredCertificate(settings);
  const standing = await lookAtStore(wanted, undefined);
  return { certificate: summaryOf(standing, nowMs()), failure: failureOf(wanted, standing) };
};

/** The stored certificate of the private names. */
const certificateOf = async ({ settings }: Context, of: string) => {
  const stored = await readCertificate(settings.paths, of);
  if (stored === undefined) return undefined;
  const days = Math.floor((stored.notAfterMs - nowMs()) / dayMs);
  return { names: stored.names, notAfter: new Date(stored.notAfterMs).toISOString(), days };
};

/** `status`: what is, in one screen. 0, whatever it shows. */
export const status = async (context: Context): Promise<number> => {
  const { settings, terminal, print } = context;
  const { areas, adapters } = createAreas(context, { adopt: false });
  const hasPrivate = Object.keys(settings.private_names).length > 0;
  const [seen, services, { certificate, failure }, privateCertificate, followed, holder] = await Promise.all([
    lookAround(areas, terminal.signal),
    servicesOf(context, adapters),
    publicCertificateOf(context),
    hasPrivate ? certificateOf(context, localFolder) : undefined,
    followedOf(settings),
    readHolder(settings.paths.runLock),
  ]);
  const facts = factsOf(seen);
  const untrue = Object.entries(facts).flatMap(([fact, why]) =>
    why === undefined || why === true ? [] : [{ fact, ...why }],
  );
  const steps = [...seen.values()].flatMap((one) => one.steps);
  if (context.flags.json === true) {
    print(
      JSON.stringify(
        {
          host: settings.host,
          services,
          certificate,
          ...(failure === undefined ? {} : { certificateFailure: failure }),
          ...(hasPrivate ? { privateCertificate } : {}),
          ...(followed === undefined ? {} : { publicAddress: followed }),
          open: untrue,
          steps: steps.map(({ id, why }) => ({ id, why })),
          run: holder,
        },
        undefined,
        2,
      ),
    );
    return 0;
  }
  const { bold, dim, green, yellow } = terminal.style;
  context.tell(context.hostLine);
  print(bold('services'));
  for (const one of services) {
    const mark = one.state === 'healthy' ? green('✓') : yellow('…');
    print(`  ${mark} ${one.service.padEnd(20)} ${one.state}${kindText(one.kind)}`);
  }
  if (services.length === 0) print('  none is running');
  print(bold('certificate'));
  for (const line of summaryLines(certificate, failure)) print(`  ${line}`);
  if (hasPrivate) {
    print(
      privateCertificate === undefined
        ? '  none for the private names'
        : `  ${privateCertificate.names.join(', ')}: ${privateCertificate.days} days left (${privateCertificate.notAfter.slice(0, 10)})`,
    );
  }
  if (followed !== undefined) print(`${bold('public address')}\n  ${followedText(followed)}`);
  const outside = [...new Set(untrue.filter((one) => one.because !== 'absent').map((one) => one.text))];
  for (const text of outside) print(`${yellow('warning')}: ${text}`);
  if (steps.length > 0) print(bold('left to do'));
  for (const step of steps.slice(0, mostSteps)) print(`  ${step.id}: ${dim(step.why)}`);
  if (holder !== undefined)
    print(dim(`"${holder.verb}" is at work since ${holder.since} (process ${holder.pid})`));
  print(
    steps.length === 0
      ? green('everything is as wanted')
      : `${countText(steps.length)} left; npm run plan lists all, npm run up takes them`,
  );
  return 0;
};

const countText = (count: number): string => (count === 1 ? 'one step is' : `${count} steps are`);

const kindText = (kind: string): string => {
  if (kind === 'stand-in') return ' (a stand-in, not the real server)';
  return kind === 'built' ? ' (built here from Debian packages)' : '';
};
