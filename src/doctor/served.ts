import type { Container } from '../containers/docker/answers.ts';
import type { Report } from '../orchestrator/report/check.ts';
import { isStackError } from '../shared/errors.ts';
import { ofStack, type Examination } from './examine.ts';
import { failed, passed, unknown, type Finding } from './finding.ts';
import type { DoctorView, Known } from './view.ts';

const notUp = 'the stack is not up here: npm run up starts it';

/** Services that do not run, or are not healthy: `nginx (exited)`. Pure. */
const ailing = (containers: readonly Container[]): readonly string[] =>
  containers
    .filter((one) => !one.oneOff && !one.healthy)
    .map((one) => `${one.service} (${one.state === 'running' ? 'not healthy' : one.state})`);

/** Why nothing can be said of what these services do; undefined where all of them run. */
const missing = (containers: readonly Container[], services: readonly string[]): string | undefined => {
  if (!containers.some((one) => one.state === 'running')) return notUp;
  const lacking = services.filter(
    (service) => !containers.some((one) => one.service === service && !one.oneOff && one.healthy),
  );
  return lacking.length === 0 ? undefined : `because services failed: ${lacking.join(', ')} is not up`;
};

/** The same, as the finding of an examination; undefined where it can go on. */
export const notRunning = async (known: Known, services: readonly string[]): Promise<Finding | undefined> => {
  const why = missing(await known.containers(), services);
  return why === undefined ? undefined : unknown(why);
};

/** One of the routes of verify-tls, and the service at its end. */
type Routes = Readonly<Record<string, string>>;

/**
 * Judges the routes that verify-tls looked at. One whose service does not run says nothing of the route. Pure.
 */
const judgeRoutes = (report: Report, routes: Routes, containers: readonly Container[]): Finding => {
  const found = report.checks.filter((one) => Object.hasOwn(routes, one.id));
  const broken = found.filter((one) => one.status !== 'passed');
  const own = broken.filter((one) => missing(containers, [routes[one.id] ?? '']) === undefined);
  const [first] = own;
  if (first !== undefined)
    return failed(
      own.map((one) => `${one.title}: ${one.detail}`).join('; '),
      first.fix ?? 'npm run up',
      'npm run verify-tls',
    );
  const excused = missing(
    containers,
    broken.map((one) => routes[one.id] ?? ''),
  );
  if (broken.length > 0 && excused !== undefined) return unknown(excused);
  return found.length === 0 ? unknown('nobody looked') : passed(found.map((one) => one.detail).join(', '));
};

const dayMs = 86_400_000;
/** The renewer begins at a third; with less than this left it has failed for a while. */
const leastLeft = 1 / 6;

/** Judges the certificate that is served. Pure. */
const judgeCertificate = (
  report: Report,
  dates: { readonly fromMs: number; readonly toMs: number },
  nowMs: number,
): Finding => {
  const broken = report.checks.filter((one) => /^(tls|private)\./.test(one.id) && one.status === 'failed');
  const [first] = broken;
  const days = Math.floor((dates.toMs - nowMs) / dayMs);
  if (first !== undefined)
    return failed(
      broken.map((one) => `not so: ${one.title} (${one.detail})`).join('; '),
      first.fix ?? 'npm run up',
      'npm run verify-tls',
    );
  if (dates.toMs - nowMs < (dates.toMs - dates.fromMs) * leastLeft)
    return failed(
      `${days} days left, and it was not renewed`,
      'npm run renew says why; npm run -s logs -- --service certs shows what the renewer tried',
      'npm run status shows the days left',
    );
  return passed(`${days} days left`);
};

const routes = {
  grpc: { 'route.grpc.management': 'netbird-management', 'route.grpc.signal': 'netbird-signal' },
  websocket: {
    'route.websocket.management': 'netbird-management',
    'route.websocket.signal': 'netbird-signal',
  },
  relay: { 'route.websocket.relay': 'netbird-relay' },
  closed: { 'closed.setup': 'pocket-id', 'closed.api-key': 'pocket-id' },
} as const satisfies Record<string, Routes>;

const timeoutMs = 70_000;

const ofRoutes = (view: DoctorView, id: keyof typeof routes, title: string): Examination =>
  ofStack(view, { id, title, needs: ['engine'], timeoutMs }, async (_stack, known) => {
    const gone = await notRunning(known, ['nginx']);
    if (gone !== undefined) return gone;
    let report: Report;
    try {
      report = await known.served();
    } catch (error) {
      if (isStackError(error)) return unknown('because certificate failed');
      throw error;
    }
    return judgeRoutes(report, routes[id], await known.containers());
  });

/** Services and certificate, then the routes: they pass through both. */
export const servedExaminations = (
  view: DoctorView,
): Readonly<Record<'services' | 'certificate' | 'grpc' | 'websocket' | 'relay' | 'closed', Examination>> => ({
  services: ofStack(
    view,
    { id: 'services', title: 'every service runs and is healthy', needs: ['engine'], timeoutMs: 20_000 },
    async (_stack, known) => {
      const containers = await known.containers();
      if (!containers.some((one) => one.state === 'running')) return unknown(notUp);
      const ill = ailing(containers);
      if (ill.length === 0) return passed(`${containers.length} services`);
      const [first = ''] = ill;
      return failed(
        ill.join(', '),
        `npm run up starts what is not up; npm run -s logs -- --service ${first.split(' ')[0]} shows why it ended`,
        'npm run status',
      );
    },
  ),
  certificate: ofStack(
    view,
    {
      id: 'certificate',
      title: 'nginx serves the stored certificate, trusted, for every name and long enough',
      needs: ['engine'],
      timeoutMs,
    },
    async (stack, known, signal) => {
      const gone = await notRunning(known, ['nginx']);
      if (gone !== undefined) return gone;
      const report = await known.served();
      return judgeCertificate(report, await stack.served.dates(signal), view.machine.nowMs());
    },
  ),
  grpc: ofRoutes(view, 'grpc', 'gRPC reaches management and signal'),
  websocket: ofRoutes(view, 'websocket', 'WebSockets reach management and signal'),
  relay: ofRoutes(view, 'relay', 'the relay opens a WebSocket through nginx'),
  closed: ofRoutes(view, 'closed', 'the set-up pages and API keys are closed to the outside'),
});
